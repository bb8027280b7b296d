//! `gateway provider rotate`: another secret for a stored key. Requests use it from then on, and the key keeps
//! its id, for those who name it.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::{
    super::{
        answer,
        failure::{Failure, Kind},
        port::{Needs, Of, Port, at, with},
        print_json,
        view::cell,
    },
    secrets::SecretArguments,
};

/// Which key, and what it is to hold.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct RotateArguments {
    #[command(flatten)]
    of: Of,
    /// Its id, or its label where only one has that (`gateway provider list`)
    key: String,
    #[command(flatten)]
    secrets: SecretArguments,
    /// Print what is known of it as JSON
    #[arg(long)]
    json: bool,
}

/// Replaces what it holds.
pub(super) fn run(arguments: &RotateArguments) -> Result<ExitCode, Failure> {
    let rotated = with(&arguments.of, Needs::Records, async |port| {
        let id = find(port, &arguments.key).await?;
        // Asked for where it is known that there is such a key.
        let held = arguments.secrets.held(true)?;
        port.post(&at("/admin/credentials", &[&id, "rotate"]), &held)
            .await
    })?;
    Ok(match arguments.json {
        true => print_json(&rotated),
        false => answer(Ok(format!(
            "{} of {} holds {} now",
            cell(&rotated, "/id"),
            cell(&rotated, "/provider"),
            cell(&rotated, "/masked")
        ))),
    })
}

async fn find(port: &Port, reference: &str) -> Result<String, Failure> {
    if port
        .find(&at("/admin/credentials", &[reference]))
        .await?
        .is_some()
    {
        return Ok(reference.to_owned());
    }
    let all = port.all("/admin/credentials").await?;
    let labelled = |one: &&Value| cell(one, "/label") == reference;
    let ids: Vec<String> = all
        .iter()
        .filter(labelled)
        .map(|one| cell(one, "/id"))
        .collect();
    match ids.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(Failure::new(
            Kind::NotFound,
            format!(
                "there is no stored key `{reference}`; `gateway provider list` shows those there are"
            ),
        )),
        several => Err(format!(
            "several keys are called `{reference}`: {}; name one by its id",
            several.join(", ")
        )
        .into()),
    }
}
