//! `gateway cache`: what the cache of the gateway that runs holds, and how to drop it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    answer, fail,
    failure::Failure,
    port::{Of, running},
    print_json,
    table::{NOTHING, Table},
};
use crate::{
    admin::cache::Question,
    cache::{Purged, Stats},
};

/// The subcommands of `gateway cache`.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum CacheCommand {
    /// Show what the cache of the running gateway holds and what it has saved
    Stats {
        #[command(flatten)]
        of: Of,
        /// Print all that is known as JSON
        #[arg(long)]
        json: bool,
    },
    /// Drop answers: here, in Redis and in the memory of other replicas
    Purge {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        wanted: Wanted,
        /// Print the numbers as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which answers to drop.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Wanted {
    /// Every answer
    #[arg(long)]
    all: bool,
    /// Those that the gateway key of this name asked for first
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Those that a key of this team asked for first
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Those to requests for this model, and those that it gave
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

/// Asks and prints. Exits with 1 where Redis could not be asked.
pub(super) fn run(command: CacheCommand) -> ExitCode {
    let done = match command {
        CacheCommand::Stats { of, json } => stats(&of, json),
        CacheCommand::Purge { of, wanted, json } => purge(&of, wanted, json),
    };
    done.unwrap_or_else(Failure::report)
}

fn stats(of: &Of, json: bool) -> Result<ExitCode, Failure> {
    let said = running(of, async |port| port.get("/admin/cache").await)?;
    Ok(match json {
        true => print_json(&said),
        false => answer(Ok(shown(&read(&said)?))),
    })
}

fn purge(of: &Of, wanted: Wanted, json: bool) -> Result<ExitCode, Failure> {
    let question = json!(Question {
        all: wanted.all,
        key: wanted.key,
        team: wanted.team,
        model: wanted.model,
    });
    let said = running(of, async |port| {
        port.post("/admin/cache/purge", &question).await
    })?;
    Ok(dropped(&said, &read(&said)?, json))
}

fn read<T: DeserializeOwned>(said: &Value) -> Result<T, Failure> {
    let read = serde_json::from_value(said.clone());
    read.map_err(|error| format!("the gateway that runs is of another version: {error}").into())
}

fn dropped(said: &Value, purged: &Purged, json: bool) -> ExitCode {
    let in_redis = purged
        .redis
        .map_or_else(String::new, |count| format!(", {count} in Redis"));
    let printed = match json {
        true => print_json(said),
        false => answer(Ok(format!(
            "dropped: {} in memory{in_redis}",
            purged.memory
        ))),
    };
    match &purged.redis_error {
        None => printed,
        Some(error) => fail([format!(
            "{error}; what is there, or in the memory of other replicas, is still given"
        )]),
    }
}

fn shown(stats: &Stats) -> String {
    let mut table = Table::default();
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    let state = match stats.enabled {
        true => "on",
        false => "off unless a route or a key says otherwise",
    };
    let backend = json!(stats.backend);
    row(
        "cache",
        format!("{state}, {}", backend.as_str().unwrap_or(NOTHING)),
    );
    row("kept for", format!("{} s", stats.ttl_seconds));
    if let Some(memory) = &stats.memory {
        let of = |most: Option<u64>| most.map_or_else(String::new, |most| format!(" of {most}"));
        row(
            "answers in memory",
            format!("{}{}", memory.entries, of(memory.max_entries)),
        );
        let bytes = format!("{} of {}", size(memory.bytes), size(memory.max_bytes));
        row("memory", bytes);
        row("dropped for room", memory.evictions.to_string());
    }
    if let Some(redis) = &stats.redis {
        for (address, is_up) in &redis.servers {
            let state = match is_up {
                true => "answers",
                false => "left alone: it does not answer",
            };
            row(&format!("redis {address}"), state.to_owned());
        }
        let failed = format!("{} errors, {} too late", redis.errors, redis.timeouts);
        row("calls to redis", failed);
        row("not written to redis", redis.dropped_writes.to_string());
    }
    let hits = stats.hits.iter().filter(|(_, count)| **count > 0);
    let hits: Vec<_> = hits
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    row(
        "hits",
        if hits.is_empty() {
            "0".to_owned()
        } else {
            hits.join(", ")
        },
    );
    row("misses", stats.misses.to_string());
    if let Some(rate) = stats.hit_rate {
        row("hit rate", format!("{:.1} %", rate * 100.0));
    }
    for (reason, count) in &stats.bypasses {
        row(&format!("not looked for: {reason}"), count.to_string());
    }
    row("tokens saved", stats.saved_tokens.to_string());
    row("saved", format!("{:.4} USD", stats.saved_usd));
    table.to_string()
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
