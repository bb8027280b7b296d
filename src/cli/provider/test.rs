//! `gateway provider test`: asks a provider for its list of models, once with each of its keys.

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::Args;
use http::StatusCode;
use serde::Serialize;

use super::super::{
    answer, fail, print_json,
    store::{Of, with},
    table::{NOTHING, Table},
};
use crate::{
    health::Health,
    snapshot::{self, Lasting},
    store::StoreError,
    upstream::{
        client::Client,
        discovery::{Hosts, Which},
        google::Tokens,
        probe,
        provider::Provider,
    },
};

const PATIENCE: Duration = Duration::from_secs(15);

/// Which provider.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct TestArguments {
    #[command(flatten)]
    of: Of,
    /// Its name; all of them unless given
    name: Option<String>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// How a key did.
#[derive(Serialize)]
struct Tried {
    provider: Arc<str>,
    /// Which of the provider's, from 1; 0 where it has none.
    key: usize,
    ok: bool,
    status: Option<u16>,
    said: String,
    milliseconds: u128,
}

/// Tries them. Exits with 0, or with 1 where one does not work.
pub(super) fn run(arguments: &TestArguments) -> ExitCode {
    let tried = with(&arguments.of, async |opened| {
        let serving = opened.store.serving(&opened.sealer).await?;
        let (config, problems) = snapshot::merged(&opened.config, &serving);
        super::super::warn(&problems);
        super::super::warn(&serving.problems);
        let (hosts, tokens, health) = (Hosts::default(), Tokens::default(), Health::default());
        let lasting = Lasting {
            hosts: &hosts,
            tokens: &tokens,
            health: &health,
            keys: &Arc::default(),
        };
        let built = snapshot::build(config, lasting);
        let built = built.map_err(|problems| StoreError::Refused(problems.join("\n")))?;
        let client = Client::default();
        futures::join!(hosts.refresh(Which::All), tokens.refresh(&client));
        let mut tried = Vec::new();
        for (name, member) in &built.router.members {
            if arguments
                .name
                .as_deref()
                .is_none_or(|wanted| wanted == &**name)
            {
                tried.extend(try_all(&client, &member.provider).await);
            }
        }
        match (&arguments.name, tried.is_empty()) {
            (Some(name), true) => Err(StoreError::not_found("provider", name)),
            _ => Ok(tried),
        }
    });
    match tried {
        Err(problem) => fail([problem]),
        Ok(tried) => {
            let is_well = tried.iter().all(|one| one.ok);
            let printed = match arguments.json {
                true => print_json(&tried),
                false => answer(Ok(table(&tried))),
            };
            match is_well {
                true => printed,
                false => ExitCode::FAILURE,
            }
        }
    }
}

async fn try_all(client: &Client, provider: &Provider) -> Vec<Tried> {
    let mut tried = Vec::new();
    for key in 0..provider.credential.key_count().max(1) {
        let began = std::time::Instant::now();
        let answered = probe::status(client, provider, PATIENCE, key).await;
        let (ok, status, said) = match answered {
            Ok(None) => (
                true,
                None,
                "it lists no models: nothing was asked".to_owned(),
            ),
            Ok(Some(status)) => (
                is_well(status),
                Some(status.as_u16()),
                words(status).to_owned(),
            ),
            Err(word) => (false, None, word),
        };
        tried.push(Tried {
            provider: provider.name.clone(),
            key: match provider.credential.key_count() {
                0 => 0,
                _ => key + 1,
            },
            ok,
            status,
            said,
            milliseconds: began.elapsed().as_millis(),
        });
    }
    tried
}

fn is_well(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::TOO_MANY_REQUESTS
}

fn words(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "it works",
        401 | 403 => "the key is refused",
        404 => "there is no list of models there: is the base URL right?",
        429 => "the key works, and has asked too often of late",
        500..=599 => "the provider has a problem",
        _ => "it does not understand the question",
    }
}

fn table(tried: &[Tried]) -> String {
    let mut table = Table::titled(&["PROVIDER", "KEY", "STATUS", "TIME", "RESULT"]);
    for one in tried {
        table.row([
            one.provider.to_string(),
            match one.key {
                0 => NOTHING.to_owned(),
                number => number.to_string(),
            },
            one.status
                .map_or_else(|| NOTHING.to_owned(), |status| status.to_string()),
            format!("{} ms", one.milliseconds),
            one.said.clone(),
        ]);
    }
    table.to_string()
}
