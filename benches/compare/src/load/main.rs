//! Compares the gateway with a bare Pingora proxy and nginx on this machine, over loopback alone.
//!
//! Starts a fixed upstream and the proxies, loads them in interleaved rounds (A, B, C, A, B, C, …) and
//! prints Markdown tables: medians over the rounds, and ratios to bare Pingora taken within each
//! round, so that what else the machine does falls on all alike. Requests are the same bytes for all.

mod bodies;
mod checks;
mod chunks;
mod client;
mod closed;
mod count;
mod instructions;
mod kinds;
mod launch;
mod machine;
mod measure;
mod memory;
mod nginx;
mod numbers;
mod open;
mod plan;
mod plot;
mod process;
mod programs;
mod report;
mod settings;
mod streams;
mod tables;
mod wire;

use std::fs;
use std::io::IsTerminal as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use kinds::Kind;
use launch::Launcher;
use numbers::Numbers;
use plan::Case;
use process::Target;
use report::Report;

/// Compares the gateway with bare Pingora and nginx.
#[derive(Parser)]
struct Options {
    /// The gateway's binary; beside this one unless set.
    #[arg(long, env = "GATEWAY_BIN")]
    gateway: Option<PathBuf>,
    /// nginx's binary; found on PATH unless set.
    #[arg(long)]
    nginx: Option<PathBuf>,
    /// Threads that serve requests, in each target.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Leave it to the kernel which processors run what. Otherwise targets have their own where
    /// there are enough.
    #[arg(long)]
    no_pin: bool,
    /// Rounds; medians are over these. 5, or 1 with --quick.
    #[arg(long)]
    rounds: Option<usize>,
    /// How long the rounds take together. 450, or 10 with --quick.
    #[arg(long)]
    seconds: Option<f64>,
    /// Only 1 KB and 128 KB and fewer streams, under a minute: for work on this tool.
    #[arg(long)]
    quick: bool,
    /// Bodies as an agent sends them, many tools and short strings, instead of prose.
    #[arg(long)]
    agent: bool,
    /// Count user-space instructions, too: by the processor's counter, or under valgrind.
    #[arg(long)]
    instructions: bool,
    /// Write the tables there, too.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Write a plot there.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write the numbers of every round there.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let machine = machine::describe();
    let open_files = machine::raise_open_files();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut notes = Vec::new();
    let mut launcher = launcher(options, folder.path());
    let upstream = launcher.start(Kind::Upstream)?;
    let targets = start_all(&launcher, &mut notes)?;
    let kinds: Vec<Kind> = targets.iter().map(|target| target.kind).collect();

    let cases = Case::all(options.quick);
    let mut everyone = vec![upstream];
    everyone.extend(targets);
    let numbers = rounds(options, &cases, &everyone, &mut notes);
    let instructions = match options.instructions {
        true => count::all(&mut everyone, &launcher, options.agent, &mut notes),
        false => Vec::new(),
    };
    drop(everyone);
    // The gateway with cache hits is the one with everything on: the same process.
    let held: Vec<Kind> = kinds.iter().copied().filter(|it| !it.repeats()).collect();
    let counts = memory::counts(options.quick, open_files, &mut notes);
    let memory = memory::of_all(&held, &mut launcher, &counts, &mut notes);
    let report = Report {
        machine,
        placement: report::placement(options.threads, launcher.processors.is_some()),
        names: kinds.iter().map(|kind| kind.name()).collect(),
        cases,
        numbers,
        memory,
        instructions,
        notes,
    };
    write(options, &report)
}

fn launcher(options: &Options, folder: &Path) -> Launcher {
    let processors = if options.no_pin {
        None
    } else {
        machine::apart(options.threads)
    };
    machine::sharpen_timers();
    if let Some((_, others)) = &processors {
        machine::pin_self(others);
    }
    Launcher {
        folder: folder.to_path_buf(),
        gateway: options.gateway.clone(),
        nginx: options.nginx.clone(),
        threads: options.threads,
        processors,
        upstream: machine::free_address(Ipv4Addr::LOCALHOST.into()),
        under: Vec::new(),
    }
}

/// Starts what is there and does what it says; what is not, or does not, becomes a note.
fn start_all(launcher: &Launcher, notes: &mut Vec<String>) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    for kind in Kind::proxies() {
        let checked = launcher.start(kind).and_then(|target| {
            checks::check(&target)?;
            Ok(target)
        });
        match checked {
            Ok(target) => targets.push(target),
            Err(error) if kind == Kind::Bare => return Err(error),
            Err(error) => notes.push(format!("{} is left out: {error}.", kind.name())),
        }
    }
    Ok(targets)
}

/// Every target in every case, round by round. Each has slots for the closed loop and the fixed
/// rate, the upstream itself only those for the fixed rate.
fn rounds(
    options: &Options,
    cases: &[Case],
    everyone: &[Target],
    notes: &mut Vec<String>,
) -> Vec<Vec<Vec<Numbers>>> {
    let quick = options.quick;
    let rounds = options.rounds.unwrap_or(if quick { 1 } else { 5 });
    let seconds = options.seconds.unwrap_or(if quick { 10.0 } else { 450.0 });
    let each = 1 + measure::OPEN_SLOTS as usize;
    let slots = rounds * cases.len() * (each * everyone.len() - 1);
    let slot = Duration::from_secs_f64(seconds / slots as f64);
    let mut numbers = vec![vec![Vec::new(); everyone.len()]; cases.len()];
    let started = Instant::now();
    for round in 0..rounds {
        for (case, numbers) in cases.iter().zip(&mut numbers) {
            if std::io::stderr().is_terminal() {
                let seconds = started.elapsed().as_secs();
                eprint!("\rround {} of {rounds}, {case}, {seconds} s   ", round + 1);
            }
            for (target, numbers) in everyone.iter().zip(numbers.iter_mut()) {
                numbers.push(measure::measure(target, case, options.agent, slot, notes));
            }
        }
    }
    numbers
}

/// The tables to standard output, and whatever else was asked for.
fn write(options: &Options, report: &Report) -> Result<(), String> {
    let markdown = tables::markdown(report);
    println!("{markdown}");
    let to = |file: &Option<PathBuf>, content: &dyn Fn() -> Result<String, String>| {
        let Some(file) = file else { return Ok(()) };
        fs::write(file, content()?).map_err(|error| format!("{}: {error}", file.display()))
    };
    to(&options.markdown, &|| Ok(markdown.clone()))?;
    to(&options.svg, &|| Ok(plot::svg(report)))?;
    to(&options.json, &|| {
        serde_json::to_string_pretty(report).map_err(|error| error.to_string())
    })
}
