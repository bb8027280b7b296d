//! `gateway provider test`: asks providers for their lists of models, once with each key. Several at once.

use std::{cell::Cell, process::ExitCode};

use clap::Args;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::super::{
    answer,
    failure::Failure,
    port::{Needs, Of, Port, at, with},
    print_json,
    progress::Progress,
    table::{NOTHING, Table},
    view::cell,
};

/// How many providers are asked at once.
const AT_ONCE: usize = 8;

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

/// Tries them. Exits with 1 where one does not work.
pub(super) fn run(arguments: &TestArguments) -> Result<ExitCode, Failure> {
    let tried = with(&arguments.of, Needs::Calling, async |port| {
        let names = match &arguments.name {
            Some(name) => vec![name.clone()],
            None => {
                let all = port.all("/admin/providers").await?;
                let used = all
                    .iter()
                    .filter(|one| one.get("in_use") == Some(&json!(true)));
                used.map(|one| cell(one, "/name")).collect()
            }
        };
        try_all(port, &names).await
    })?;
    let is_well = tried.iter().all(|one| one.get("ok") == Some(&json!(true)));
    let printed = match arguments.json {
        true => print_json(&tried),
        false => answer(Ok(table(&tried))),
    };
    Ok(match is_well {
        true => printed,
        false => ExitCode::FAILURE,
    })
}

async fn try_all(port: &Port, names: &[String]) -> Result<Vec<Value>, Failure> {
    let (progress, done, nothing) = (Progress::new(), Cell::new(0), json!({}));
    let (progress, done, nothing) = (&progress, &done, &nothing);
    let attempts = stream::iter(names).map(|name| async move {
        let said = port
            .post(&at("/admin/providers", &[name, "test"]), nothing)
            .await;
        done.set(done.get() + 1);
        progress.say(&format!(
            "{} of {} providers tried",
            done.get(),
            names.len()
        ));
        said
    });
    let mut tried = Vec::new();
    let mut attempts = attempts.buffered(AT_ONCE);
    while let Some(said) = attempts.next().await {
        if let Some(Value::Array(mut keys)) = said?.get_mut("data").map(Value::take) {
            tried.append(&mut keys);
        }
    }
    Ok(tried)
}

fn table(tried: &[Value]) -> String {
    let mut table = Table::titled(&["PROVIDER", "KEY", "STATUS", "TIME", "RESULT"]);
    for one in tried {
        table.row([
            cell(one, "/provider"),
            match cell(one, "/key").as_str() {
                "0" => NOTHING.to_owned(),
                number => number.to_owned(),
            },
            cell(one, "/status"),
            format!("{} ms", cell(one, "/milliseconds")),
            cell(one, "/said"),
        ]);
    }
    table.to_string()
}
