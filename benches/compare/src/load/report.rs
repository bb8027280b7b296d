//! The numbers, and the tables made of them.

use std::fmt::{self, Write as _};
use std::fs;

use serde::Serialize;

use crate::rounds::Open;

/// One kind of request.
#[derive(Serialize)]
pub(crate) struct Case {
    pub(crate) bytes: usize,
    pub(crate) streamed: bool,
}

/// What one round showed of one target in one case. Times are of the whole answer, of its body's
/// first byte, and of single events between the upstream's write and their receipt.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Numbers {
    pub(crate) cpu_us: Option<f64>,
    pub(crate) rps: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    first_p50_ms: Option<f64>,
    first_p99_ms: Option<f64>,
    event_p50_ms: Option<f64>,
    event_p99_ms: Option<f64>,
}

/// Memory of a fresh process.
#[derive(Serialize)]
pub(crate) struct Memory {
    pub(crate) idle_kib: f64,
    pub(crate) per_stream_kib: f64,
}

/// User-space instructions: per plain request by size, and per event of a stream.
#[derive(Serialize)]
pub(crate) struct Instructions {
    pub(crate) plain: Vec<Option<f64>>,
    pub(crate) chunk: Option<f64>,
}

/// A whole run. The first target is bare Pingora; in `numbers` the upstream itself stands before it.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) names: Vec<&'static str>,
    pub(crate) cases: Vec<Case>,
    /// By case, target and round.
    pub(crate) numbers: Vec<Vec<Vec<Numbers>>>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) resident_after: Vec<f64>,
    pub(crate) instructions: Vec<Instructions>,
    pub(crate) chunks: u64,
    pub(crate) notes: Vec<String>,
}

type Field = fn(&Numbers) -> Option<f64>;

impl Numbers {
    pub(crate) fn set_latency(&mut self, open: &Open) {
        let at = |times: &[f64], share: f64| {
            let index = ((times.len() as f64 * share) as usize).min(times.len().checked_sub(1)?);
            times.get(index).map(|seconds| seconds * 1e3)
        };
        self.p50_ms = at(&open.whole, 0.5);
        self.p99_ms = at(&open.whole, 0.99);
        self.first_p50_ms = at(&open.first_byte, 0.5);
        self.first_p99_ms = at(&open.first_byte, 0.99);
        self.event_p50_ms = at(&open.events, 0.5);
        self.event_p99_ms = at(&open.events, 0.99);
    }
}

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.machine);
        self.plain(&mut text);
        self.streamed(&mut text);
        self.memory(&mut text);
        if !self.instructions.is_empty() {
            self.instructions(&mut text);
        }
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }

    fn plain(&self, text: &mut String) {
        text.push_str(
            "Plain answers. CPU and throughput: closed loop, 16 connections; latency: 500 requests a \
             second (100 at 1 MB), added to the upstream's own.\n\n\
             | body | target | CPU per request | × bare | requests/s | × bare | added p50 | added p99 |\n\
             |---|---|--:|--:|--:|--:|--:|--:|\n",
        );
        self.rows(
            false,
            |text, case, target| {
                self.absolute_and_ratio(text, case, target, |n| n.cpu_us, " µs", 1);
                self.absolute_and_ratio(text, case, target, |n| n.rps, "", 0);
                self.added(text, case, target, |n| n.p50_ms);
                self.added(text, case, target, |n| n.p99_ms);
            },
            text,
        );
    }

    fn streamed(&self, text: &mut String) {
        let _ = write!(
            text,
            "Streams of {} events, 2 ms apart. CPU per event is the whole request's over its events, \
             where the body is small enough for that to mean anything. First byte and events (write \
             by the upstream to receipt): 50 streams a second, added to the upstream's own.\n\n\
             | body | target | CPU per request | × bare | CPU per event | added first byte p50 | p99 | added event p50 | p99 |\n\
             |---|---|--:|--:|--:|--:|--:|--:|--:|\n",
            self.chunks
        );
        self.rows(
            true,
            |text, case, target| {
                self.absolute_and_ratio(text, case, target, |n| n.cpu_us, " µs", 0);
                let cpu = self.median(case, target, |n| n.cpu_us);
                let small = self.cases[case].bytes <= 16 << 10;
                let event = cpu.filter(|_| small).map(|cpu| cpu / self.chunks as f64);
                cell(text, event, " µs", 1);
                self.added(text, case, target, |n| n.first_p50_ms);
                self.added(text, case, target, |n| n.first_p99_ms);
                self.added(text, case, target, |n| n.event_p50_ms);
                self.added(text, case, target, |n| n.event_p99_ms);
            },
            text,
        );
    }

    fn memory(&self, text: &mut String) {
        text.push_str(
            "Memory.\n\n| target | idle | per open stream | × bare | after the run | × bare |\n\
             |---|--:|--:|--:|--:|--:|\n",
        );
        let (bare, bare_after) = (&self.memory[0], self.resident_after[0]);
        let targets = self
            .names
            .iter()
            .zip(&self.memory)
            .zip(&self.resident_after);
        for ((name, memory), after) in targets {
            let _ = write!(text, "| {name} |");
            cell(text, Some(memory.idle_kib / 1024.0), " MiB", 1);
            cell(text, Some(memory.per_stream_kib), " KiB", 0);
            cell(
                text,
                Some(memory.per_stream_kib / bare.per_stream_kib),
                "",
                2,
            );
            cell(text, Some(after / 1024.0), " MiB", 1);
            cell(text, Some(after / bare_after), "", 2);
            text.push('\n');
        }
        text.push('\n');
    }

    fn instructions(&self, text: &mut String) {
        text.push_str("User-space instructions.\n\n| target |");
        for case in self.cases.iter().filter(|case| !case.streamed) {
            let _ = write!(text, " {case} | × bare |");
        }
        text.push_str(" per event | × bare |\n|---|");
        text.push_str(&"--:|--:|".repeat(self.instructions[0].plain.len() + 1));
        text.push('\n');
        let bare = &self.instructions[0];
        for (name, counts) in self.names.iter().zip(&self.instructions) {
            let _ = write!(text, "| {name} |");
            let all = counts.plain.iter().chain([&counts.chunk]);
            for (count, bare) in all.zip(bare.plain.iter().chain([&bare.chunk])) {
                cell(text, *count, "", 0);
                cell(
                    text,
                    count.zip(*bare).map(|(count, bare)| count / bare),
                    "",
                    2,
                );
            }
            text.push('\n');
        }
        text.push('\n');
    }

    fn rows(&self, streamed: bool, cells: impl Fn(&mut String, usize, usize), text: &mut String) {
        for (case, kind) in self.cases.iter().enumerate() {
            if kind.streamed != streamed {
                continue;
            }
            for (target, name) in self.names.iter().enumerate() {
                let _ = write!(text, "| {} | {name} |", size(kind.bytes));
                cells(text, case, target);
                text.push('\n');
            }
        }
        text.push('\n');
    }

    fn absolute_and_ratio(
        &self,
        text: &mut String,
        case: usize,
        target: usize,
        field: Field,
        unit: &str,
        digits: usize,
    ) {
        cell(text, self.median(case, target, field), unit, digits);
        let ratios = self.paired(case, target, 0, field, |own, bare| own / bare);
        cell(text, median(ratios), "", 2);
    }

    fn added(&self, text: &mut String, case: usize, target: usize, field: Field) {
        let numbers = &self.numbers[case];
        let added = numbers[target + 1].iter().zip(&numbers[0]);
        let added = added.filter_map(|(own, direct)| Some(field(own)? - field(direct)?));
        cell(text, median(added.collect()), " ms", 3);
    }

    fn median(&self, case: usize, target: usize, field: Field) -> Option<f64> {
        let rounds = &self.numbers[case][target + 1];
        median(rounds.iter().filter_map(field).collect())
    }

    /// Two targets' numbers, round by round.
    fn paired(
        &self,
        case: usize,
        own: usize,
        other: usize,
        field: Field,
        with: fn(f64, f64) -> f64,
    ) -> Vec<f64> {
        let numbers = &self.numbers[case];
        let pairs = numbers[own + 1].iter().zip(&numbers[other + 1]);
        pairs
            .filter_map(|(own, other)| Some(with(field(own)?, field(other)?)))
            .collect()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.streamed { "streamed" } else { "plain" };
        write!(formatter, "{} {kind}", size(self.bytes))
    }
}

/// The machine. Ask before this process keeps itself to some of its processors.
pub(crate) fn machine() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let processor = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| {
            Some(
                line.strip_prefix("model name")?
                    .split_once(':')?
                    .1
                    .trim()
                    .to_owned(),
            )
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{processor}, {cores} cores, Linux {}; ", kernel.trim())
}

/// How the targets ran.
pub(crate) fn placement(threads: usize, apart: bool) -> String {
    let placed = if apart {
        "on processors of their own, the load and the upstream on the others"
    } else {
        "on the same processors as the load and the upstream"
    };
    let plural = if threads == 1 { "" } else { "s" };
    format!("targets with {threads} thread{plural} each, {placed}.")
}

fn size(bytes: usize) -> String {
    if bytes >= 1 << 20 {
        format!("{} MB", bytes >> 20)
    } else {
        format!("{} KB", bytes >> 10)
    }
}

fn cell(text: &mut String, value: Option<f64>, unit: &str, digits: usize) {
    let _ = match value.filter(|value| value.is_finite()) {
        Some(value) => write!(text, " {value:.digits$}{unit} |"),
        None => write!(text, " – |"),
    };
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        return values.get(middle).copied();
    }
    Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0)
}
