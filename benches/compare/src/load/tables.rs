//! The report as Markdown.

use std::fmt::Write as _;

use crate::count;
use crate::numbers::{Field, bounds, pooled_ms};
use crate::plan::{CHUNKS, Shape, size};
use crate::report::{BARE, Report, UPSTREAM};

/// Rows under a head.
struct Table(String);

impl Table {
    /// Columns whose names begin with `<` are text; all others are numbers.
    fn new(columns: &[&str]) -> Table {
        let names: Vec<&str> = columns
            .iter()
            .map(|name| name.trim_start_matches('<'))
            .collect();
        let rule: String = columns
            .iter()
            .map(|name| {
                if name.starts_with('<') {
                    "---|"
                } else {
                    "--:|"
                }
            })
            .collect();
        Table(format!("| {} |\n|{rule}\n", names.join(" | ")))
    }

    fn row(&mut self, cells: &[String]) {
        let _ = writeln!(self.0, "| {} |", cells.join(" | "));
    }
}

/// All tables.
pub(crate) fn markdown(report: &Report) -> String {
    let rounds = report.numbers[0][BARE].len();
    let mut text = format!(
        "{}; {}. Medians over the rounds, of which there are {rounds}.\n\n",
        report.machine, report.placement
    );
    let mut section = |title: &str, table: Table| {
        let _ = writeln!(text, "### {title}\n\n{}", table.0);
    };
    section("CPU time per request, and throughput", cpu(report));
    section("Latency at the fixed rate", latency(report));
    section("Streams", streams(report));
    section("Memory", memory(report));
    if !report.instructions.is_empty() {
        section("User-space instructions", instructions(report));
    }
    for note in &report.notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

fn cpu(report: &Report) -> Table {
    let columns = [
        "<body",
        "<target",
        "CPU, closed loop",
        "× bare",
        "CPU, fixed rate",
        "× bare",
        "requests/s",
        "× bare",
    ];
    let mut table = Table::new(&columns);
    for (case, kind) in report.cases_of(false) {
        for (target, name) in report.proxies() {
            let mut row = vec![size(kind.bytes), name.into()];
            for (field, unit) in [
                (closed_cpu as Field, " µs"),
                (fixed_cpu, " µs"),
                (|n| n.rps, ""),
            ] {
                let value = report.middle(case, target, field);
                row.push(cell(value, unit, if unit.is_empty() { 0 } else { 1 }));
                row.push(ratio(report, case, target, field));
            }
            table.row(&row);
        }
    }
    table
}

fn latency(report: &Report) -> Table {
    let columns = ["<body", "<rate", "<target", "p50", "p99", "p99.9"];
    let mut table = Table::new(&columns);
    for (case, kind) in report.cases_of(false) {
        let everyone = [(UPSTREAM, "upstream alone")]
            .into_iter()
            .chain(report.proxies());
        for (target, name) in everyone {
            table.row(&[
                size(kind.bytes),
                format!("{}/s", kind.rate()),
                name.into(),
                time(report, case, target, |n| n.p50_ms),
                time(report, case, target, |n| n.p99_ms),
                far_out(report, case, target),
            ]);
        }
    }
    table
}

fn streams(report: &Report) -> Table {
    let columns = [
        "<stream",
        "<target",
        "CPU per event, closed loop",
        "× bare",
        "CPU per event, fixed rate",
        "× bare",
        "first byte p50",
        "p99",
        "event p50",
        "p99",
    ];
    let mut table = Table::new(&columns);
    for (case, kind) in report.cases_of(true) {
        let stream = match kind.shape {
            Shape::Translated => "Anthropic ← OpenAI",
            _ => "same dialect",
        };
        for (target, name) in report.proxies() {
            let mut row = vec![stream.into(), name.into()];
            for field in [closed_cpu as Field, fixed_cpu] {
                let request = report.middle(case, target, field);
                row.push(cell(request.map(|cpu| cpu / CHUNKS as f64), " µs", 2));
                row.push(ratio(report, case, target, field));
            }
            row.push(time(report, case, target, |n| n.first_p50_ms));
            row.push(time(report, case, target, |n| n.first_p99_ms));
            row.push(time(report, case, target, |n| n.event_p50_ms));
            row.push(time(report, case, target, |n| n.event_p99_ms));
            table.row(&row);
        }
    }
    table
}

fn memory(report: &Report) -> Table {
    let counts = report.memory.first().map(|first| &first.open);
    let counts: Vec<usize> = counts.into_iter().flatten().map(|open| open.0).collect();
    let mut columns = vec!["<target".to_owned(), "idle".into()];
    for count in &counts {
        columns.push(format!("a stream, of {count} open"));
        columns.push("× bare".into());
    }
    columns.push("all of them".into());
    columns.push("after".into());
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(&columns);
    for memory in &report.memory {
        let mut row = vec![memory.name.into(), cell(mib(memory.idle_kib), " MiB", 1)];
        for at in 0..counts.len() {
            let own = memory.per_stream_kib(at);
            let bare = report.memory[0].per_stream_kib(at);
            row.push(cell(own, " KiB", 1));
            row.push(cell(own.zip(bare).map(|(own, bare)| own / bare), "", 2));
        }
        let most = memory.open.last().and_then(|open| mib(open.1));
        row.push(cell(most, " MiB", 0));
        row.push(cell(mib(memory.after_kib), " MiB", 0));
        table.row(&row);
    }
    table
}

fn instructions(report: &Report) -> Table {
    let mut columns = vec!["<target".to_owned()];
    for bytes in count::SIZES {
        columns.extend([size(bytes), "× bare".into()]);
    }
    columns.extend(["an event".into(), "× bare".into()]);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(&columns);
    let bare = &report.instructions[0];
    for (name, counts) in report.names.iter().zip(&report.instructions) {
        let mut row = vec![(*name).to_owned()];
        let own = counts.plain.iter().chain([&counts.chunk]);
        for (own, bare) in own.zip(bare.plain.iter().chain([&bare.chunk])) {
            row.push(cell(*own, "", 0));
            row.push(cell(own.zip(*bare).map(|(own, bare)| own / bare), "", 2));
        }
        table.row(&row);
    }
    table
}

fn closed_cpu(numbers: &crate::numbers::Numbers) -> Option<f64> {
    numbers.closed_cpu_us
}

fn fixed_cpu(numbers: &crate::numbers::Numbers) -> Option<f64> {
    numbers.fixed_cpu_us
}

/// The upstream's and bare Pingora's own times, the latter with their spread; what others add to
/// bare Pingora's.
fn time(report: &Report, case: usize, target: usize, field: Field) -> String {
    match target {
        UPSTREAM => cell(report.middle(case, target, field), " ms", 3),
        BARE => {
            let rounds = report.rounds(case, target).iter();
            let all: Vec<f64> = rounds.filter_map(field).collect();
            with_bounds(cell(report.middle(case, target, field), " ms", 3), &all, 3)
        }
        _ => signed(report.added(case, target, field)),
    }
}

/// To bare Pingora, with the least and the greatest of the rounds.
fn ratio(report: &Report, case: usize, target: usize, field: Field) -> String {
    if target == BARE {
        return "1".into();
    }
    let middle = cell(report.ratio(case, target, field), "", 2);
    with_bounds(middle, &report.ratios(case, target, field), 2)
}

fn with_bounds(middle: String, rounds: &[f64], digits: usize) -> String {
    match bounds(rounds) {
        Some((least, most)) => format!("{middle} ({least:.digits$}–{most:.digits$})"),
        None => middle,
    }
}

/// As `time`, for the quantile that a round is too short for.
fn far_out(report: &Report, case: usize, target: usize) -> String {
    let own = pooled_ms(report.rounds(case, target), 0.999);
    let bare = pooled_ms(report.rounds(case, BARE), 0.999);
    match target {
        UPSTREAM | BARE => cell(own, " ms", 3),
        _ => signed(own.zip(bare).map(|(own, bare)| own - bare)),
    }
}

fn signed(value: Option<f64>) -> String {
    value.map_or_else(|| cell(None, "", 0), |value| format!("{value:+.3} ms"))
}

fn cell(value: Option<f64>, unit: &str, digits: usize) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) => format!("{value:.digits$}{unit}"),
        None => "–".into(),
    }
}

fn mib(kib: f64) -> Option<f64> {
    Some(kib / 1024.0)
}
