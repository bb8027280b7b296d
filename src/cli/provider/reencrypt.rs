//! `gateway provider reencrypt`: after another encryption key has been put before the one in use.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use futures::future::{Either, select};
use serde_json::{Value, json};
use std::pin::pin;

use super::super::{
    answer,
    failure::Failure,
    port::{Needs, Of, Port, with},
    print_json,
    progress::Progress,
    view::cell,
};
use crate::{config::Environment, secret::Secret, store::credentials::seal::Sealer};

const PATH: &str = "/admin/encryption";
/// How often it is looked how many are left.
const EACH: Duration = Duration::from_millis(500);

/// Which store.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ReencryptArguments {
    #[command(flatten)]
    of: Of,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Seals everything anew that is not sealed under the first key.
pub(super) fn run(arguments: &ReencryptArguments) -> Result<ExitCode, Failure> {
    let said = with(&arguments.of, Needs::Records, async |port| {
        let before = port.get(PATH).await?;
        same_key(&before)?;
        reencrypt(port, &before).await
    })?;
    let number = |name| said.get(name).and_then(Value::as_i64).unwrap_or(0);
    let (count, others, key) = (number("sealed"), number("others"), cell(&said, "/key"));
    if others > 0 {
        let message = format!(
            "{count} sealed anew under the encryption key {key}, but {others} more have been sealed under \
             another one meanwhile: restart every gateway with the new key before the old one, and say it \
             again"
        );
        return Err(message.into());
    }
    Ok(match arguments.json {
        true => print_json(&said),
        false => answer(Ok(format!(
            "{count} sealed anew; all are sealed under the encryption key {key}"
        ))),
    })
}

/// A gateway that runs seals under its own key. Whoever has set another here would think that it was that.
fn same_key(said: &Value) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let Some(own) = environment.get("GATEWAY_ENCRYPTION_KEY") else {
        return Ok(());
    };
    let own = Sealer::new(Some(&Secret::new(own)))?;
    let theirs = cell(said, "/key");
    match own.current() == theirs {
        true => Ok(()),
        false => Err(format!(
            "the gateway that runs seals under the encryption key {theirs}, and GATEWAY_ENCRYPTION_KEY \
             begins with {}: restart every gateway with that value first",
            own.current()
        )
        .into()),
    }
}

async fn reencrypt(port: &Port, before: &Value) -> Result<Value, Failure> {
    let all = before.get("others").and_then(Value::as_i64).unwrap_or(0);
    let progress = Progress::new();
    let nothing = json!({});
    let mut working = pin!(port.post(PATH, &nothing));
    if !progress.is_shown() {
        return working.await;
    }
    loop {
        let look = pin!(async {
            tokio::time::sleep(EACH).await;
            port.get(PATH).await
        });
        match select(working, look).await {
            Either::Left((done, _)) => return done,
            Either::Right((left, still)) => {
                working = still;
                let left = left.ok().and_then(|said| said.get("others")?.as_i64());
                if let Some(left) = left {
                    progress.say(&format!("{} of {all} sealed anew", all - left));
                }
            }
        }
    }
}
