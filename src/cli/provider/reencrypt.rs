//! `gateway provider reencrypt`: after another encryption key has been put before the one in use.

use std::process::ExitCode;

use clap::Args;

use super::super::{
    answer, fail,
    store::{Of, with},
};

/// Which store.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ReencryptArguments {
    #[command(flatten)]
    of: Of,
}

/// Seals everything anew that is not sealed under the first key.
pub(super) fn run(arguments: &ReencryptArguments) -> ExitCode {
    let sealed = with(&arguments.of, async |opened| {
        let count = opened.store.reencrypt(&opened.sealer).await?;
        Ok((count, opened.sealer.current().to_owned()))
    });
    match sealed {
        Err(problem) => fail([problem]),
        Ok((count, key)) => answer(Ok(format!(
            "{count} sealed anew; all are sealed under the encryption key {key}"
        ))),
    }
}
