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
        let others = opened.store.sealed_by_others(&opened.sealer).await?;
        Ok((count, others, opened.sealer.current().to_owned()))
    });
    match sealed {
        Err(problem) => fail([problem]),
        Ok((count, 0, key)) => answer(Ok(format!(
            "{count} sealed anew; all are sealed under the encryption key {key}"
        ))),
        Ok((count, others, key)) => fail([format!(
            "{count} sealed anew under the encryption key {key}, but {others} more have been sealed \
             under another one meanwhile: restart every gateway with the new key before the old one, \
             and say it again"
        )]),
    }
}
