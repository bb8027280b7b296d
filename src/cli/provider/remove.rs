//! `gateway provider remove`: a key, or a provider of the store with all its keys.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::super::{
    answer,
    failure::{Failure, Kind},
    port::{Needs, Of, Port, at, with, with_query},
    print_json,
    view::cell,
};

/// What to remove.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct RemoveArguments {
    #[command(flatten)]
    of: Of,
    /// The id of a key, or a provider's name
    what: String,
    /// Print what was removed as JSON
    #[arg(long)]
    json: bool,
}

/// What was removed: a provider of the store, and keys.
struct Removed {
    provider: bool,
    credentials: Vec<String>,
    /// Whether the configuration still has the provider.
    is_left: bool,
}

/// Removes it.
pub(super) fn run(arguments: &RemoveArguments) -> Result<ExitCode, Failure> {
    let what = &arguments.what;
    let removed = with(&arguments.of, Needs::Serving, async |port| {
        remove(port, what).await
    })?;
    if arguments.json {
        let said = json!({
            "provider": removed.provider.then_some(what),
            "credentials": removed.credentials,
        });
        return Ok(print_json(&said));
    }
    let count = removed.credentials.len();
    let mut said = match (removed.provider, count) {
        (true, _) => format!("removed {what} and {count} of its keys"),
        (false, 1) => format!("removed the key {}", removed.credentials.join(", ")),
        (false, _) => format!("removed {count} keys of {what}"),
    };
    if removed.is_left {
        said.push_str("; the configuration or the environment still has the provider");
    }
    Ok(answer(Ok(said)))
}

async fn remove(port: &Port, what: &str) -> Result<Removed, Failure> {
    let credential = at("/admin/credentials", &[what]);
    if port.find(&credential).await?.is_some() {
        port.delete(&credential).await?;
        return Ok(Removed {
            provider: false,
            credentials: vec![what.to_owned()],
            is_left: false,
        });
    }
    let path = at("/admin/providers", &[what]);
    let provider = port.find(&path).await?;
    let of_provider = [("provider", Some(what.to_owned()))];
    let credentials = port
        .all(&with_query("/admin/credentials", &of_provider))
        .await?;
    let is_stored = provider
        .as_ref()
        .is_some_and(|one| cell(one, "/source") == "store");
    if !is_stored && credentials.is_empty() {
        let failure = match provider {
            Some(_) => Failure::new(
                Kind::Failed,
                format!(
                    "{what} is of the configuration or the environment, and the store has no key for it; take \
                     it out there"
                ),
            ),
            None => Failure::new(
                Kind::NotFound,
                format!(
                    "there is no provider and no key `{what}`; `gateway provider list` shows those there are"
                ),
            ),
        };
        return Err(failure);
    }
    let pairs = [("with_credentials", Some("true".to_owned()))];
    port.delete(&with_query(&path, &pairs)).await?;
    let ids = credentials.iter().map(|one: &Value| cell(one, "/id"));
    Ok(Removed {
        provider: is_stored,
        credentials: ids.collect(),
        is_left: provider.is_some() && !is_stored,
    })
}
