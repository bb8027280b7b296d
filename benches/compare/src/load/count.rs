//! Instructions of every target: per plain request by size, and per event of a stream.

use serde::Serialize;

use crate::bodies::Answer;
use crate::instructions::{self, Counter};
use crate::kinds::Kind;
use crate::launch::Launcher;
use crate::plan::{Case, Shape};
use crate::process::Target;
use crate::wire::{self, Stamp};

/// The sizes of plain requests that are counted.
pub(crate) const SIZES: [usize; 2] = [1 << 10, 128 << 10];

/// User-space instructions of one target.
#[derive(Serialize)]
pub(crate) struct Instructions {
    pub(crate) plain: Vec<Option<f64>>,
    pub(crate) chunk: Option<f64>,
}

/// Counts all proxies: `everyone` but the first, the upstream. Where valgrind counts, they are ended
/// and each is started once more under it.
pub(crate) fn all(
    everyone: &mut Vec<Target>,
    launcher: &Launcher,
    agent: bool,
    notes: &mut Vec<String>,
) -> Vec<Instructions> {
    let kinds: Vec<Kind> = everyone[1..].iter().map(|target| target.kind).collect();
    match instructions::counter() {
        Some(Counter::Perf) => everyone[1..]
            .iter()
            .map(|target| one(Counter::Perf, target, launcher, agent, notes))
            .collect(),
        Some(Counter::Callgrind) => {
            everyone.truncate(1);
            let count = |kind| under_valgrind(kind, launcher, agent, notes);
            kinds.into_iter().map(count).collect()
        }
        None => {
            notes.push("Instructions: no hardware counter, and no valgrind.".into());
            Vec::new()
        }
    }
}

fn under_valgrind(
    kind: Kind,
    launcher: &Launcher,
    agent: bool,
    notes: &mut Vec<String>,
) -> Instructions {
    let launcher = launcher.under(instructions::under_callgrind(&launcher.folder, kind));
    match launcher.start(kind) {
        Ok(target) => one(Counter::Callgrind, &target, &launcher, agent, notes),
        Err(error) => {
            notes.push(format!("Instructions: {error}."));
            Instructions {
                plain: vec![None; SIZES.len()],
                chunk: None,
            }
        }
    }
}

fn one(
    counter: Counter,
    target: &Target,
    launcher: &Launcher,
    agent: bool,
    notes: &mut Vec<String>,
) -> Instructions {
    let mut count = |request: Stamp, requests: u32| {
        instructions::per_request(counter, target, &launcher.folder, &request, requests)
            .map_err(|error| notes.push(format!("{}: instructions: {error}.", target.name())))
            .ok()
    };
    let shape = Shape::Plain;
    let plain = SIZES.map(|bytes| {
        let requests = if bytes > 64 << 10 { 60 } else { 300 };
        count(Case { bytes, shape }.request(target.kind, agent), requests)
    });
    // Two lengths of stream, so that what the request itself costs falls out. The pause keeps the
    // events apart.
    let [short, long] = [10, 60].map(|chunks| {
        let gap_us = 2_000;
        let body = crate::bodies::prose(1 << 10, Answer::Stream { chunks, gap_us });
        let request = wire::request(wire::CHAT, &body);
        count(Stamp::new(request, !target.kind.repeats()), 20)
    });
    Instructions {
        plain: plain.to_vec(),
        chunk: long.zip(short).map(|(long, short)| (long - short) / 50.0),
    }
}
