//! Compares the gateway with a bare Pingora proxy and nginx on this machine, over loopback alone.
//!
//! Starts a fixed upstream and the proxies, loads them in interleaved rounds (A, B, C, A, B, C, …) and
//! prints Markdown tables: medians over the rounds, and ratios to bare Pingora taken within each
//! round, so that what else the machine does falls on all alike. Requests are the same bytes for all.

mod bodies;
mod client;
mod instructions;
mod report;
mod rounds;
mod targets;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use bodies::Answer;
use instructions::Counter;
use report::{Case, Memory, Numbers, Report};
use targets::{KEY, Launcher, Target};

/// Events of a stream, and the pause before each in microseconds.
const CHUNKS: u64 = 50;
const GAP_US: u64 = 2_000;
/// Streams that are held open to see what each takes in memory.
const HELD: usize = 200;

/// Makes a body of about so many bytes.
type Make = fn(usize, Answer) -> String;

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
    /// Rounds; medians are over these. 5, or 3 with --quick.
    #[arg(long)]
    rounds: Option<usize>,
    /// How long the rounds take together. 150, or 45 with --quick.
    #[arg(long)]
    seconds: Option<f64>,
    /// Only 1 KB and 128 KB, under a minute.
    #[arg(long)]
    quick: bool,
    /// Bodies as an agent sends them, many tools and short strings, instead of prose.
    #[arg(long)]
    agent: bool,
    /// With --quick, too, count instructions under valgrind where the processor's counter cannot be
    /// read (half a minute).
    #[arg(long)]
    instructions: bool,
    /// Write the numbers of every round there, too.
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
    let machine = report::machine();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut notes = Vec::new();
    let processors = if options.no_pin {
        None
    } else {
        apart(options.threads)
    };
    targets::sharpen_timers();
    if let Some((_, others)) = &processors {
        targets::pin_self(others);
    }
    let mut launcher = Launcher {
        folder: folder.path().to_path_buf(),
        threads: options.threads,
        processors,
        upstream: targets::free_address(),
        under: Vec::new(),
    };
    let make: Make = if options.agent {
        bodies::agent
    } else {
        bodies::prose
    };
    let upstream = launcher.upstream(&beside("upstream")?)?;
    let targets = start_all(options, &launcher, &mut notes)?;

    let sizes: &[usize] = if options.quick {
        &[1 << 10, 128 << 10]
    } else {
        &[1 << 10, 16 << 10, 128 << 10, 1 << 20]
    };
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 5 });
    let seconds = options
        .seconds
        .unwrap_or(if options.quick { 45.0 } else { 150.0 });
    let cases: Vec<Case> = [false, true]
        .into_iter()
        .flat_map(|streamed| sizes.iter().map(move |&bytes| Case { bytes, streamed }))
        .collect();

    let memory = targets.iter().map(measure_memory).collect();
    // Each target has two slots a case and round, the upstream itself only the one for latency.
    let slots = rounds * cases.len() * (2 * targets.len() + 1);
    let slot = Duration::from_secs_f64(seconds / slots as f64);
    let mut numbers = vec![vec![Vec::new(); targets.len() + 1]; cases.len()];
    let started = Instant::now();
    for round in 0..rounds {
        for (case, numbers) in cases.iter().zip(&mut numbers) {
            if std::io::stderr().is_terminal() {
                let seconds = started.elapsed().as_secs();
                eprint!("\rround {} of {rounds}, {case}, {seconds} s   ", round + 1);
            }
            let everyone = std::iter::once(&upstream).chain(&targets);
            for (target, numbers) in everyone.zip(numbers.iter_mut()) {
                let loaded = target.name != upstream.name;
                numbers.push(measure(target, case, make, slot, loaded, &mut notes));
            }
        }
    }
    eprintln!();
    let resident_after: Vec<f64> = targets.iter().map(Target::resident_kib).collect();
    let names: Vec<&'static str> = targets.iter().map(|target| target.name).collect();

    let counter = instructions::counter(options.instructions || !options.quick);
    let mut instructions = Vec::new();
    match counter {
        Some(Counter::Perf) => {
            for target in &targets {
                instructions.push(count(
                    Counter::Perf,
                    target,
                    &launcher,
                    make,
                    sizes,
                    &mut notes,
                ));
            }
        }
        Some(Counter::Callgrind) => {
            drop(targets);
            for name in &names {
                eprintln!("{name} under valgrind");
                launcher.under = instructions::under_callgrind(&launcher.folder, name);
                let target = start(name, options, &launcher)?;
                let counts = count(
                    Counter::Callgrind,
                    &target,
                    &launcher,
                    make,
                    sizes,
                    &mut notes,
                );
                instructions.push(counts);
            }
        }
        None => notes.push(
            "Instructions are left out: there is no hardware counter here, and valgrind is not \
             installed or not asked for (`--instructions`)."
                .into(),
        ),
    }
    let report = Report {
        machine: machine + &report::placement(options.threads, launcher.processors.is_some()),
        names,
        cases,
        numbers,
        memory,
        resident_after,
        instructions,
        chunks: CHUNKS,
        notes,
    };
    println!("{}", report.markdown());
    if let Some(file) = &options.json {
        let json = serde_json::to_vec_pretty(&report).map_err(|error| error.to_string())?;
        std::fs::write(file, json).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// Starts what is there; what is not becomes a note.
fn start_all(
    options: &Options,
    launcher: &Launcher,
    notes: &mut Vec<String>,
) -> Result<Vec<Target>, String> {
    let mut targets = vec![start("bare Pingora", options, launcher)?];
    for name in ["nginx", "gateway", targets::MISSES, targets::HITS] {
        let started = start(name, options, launcher).and_then(|target| {
            let body = bodies::prose(1 << 10, Answer::Plain);
            client::Client::connect(target.address)
                .and_then(|mut client| client.call(&client::request(&body, KEY)))
                .map_err(|error| format!("{name} does not answer: {error}"))?;
            Ok(target)
        });
        match started {
            Ok(target) => targets.push(target),
            Err(error) => notes.push(format!("{name} is left out: {error}.")),
        }
    }
    Ok(targets)
}

fn start(name: &str, options: &Options, launcher: &Launcher) -> Result<Target, String> {
    match name {
        "nginx" => {
            let program = options.nginx.clone().or_else(|| targets::find("nginx"));
            launcher.nginx(&program.ok_or("not installed")?)
        }
        "gateway" | targets::MISSES | targets::HITS => {
            let program = options.gateway.clone();
            let name = targets::GATEWAYS.into_iter().find(|known| *known == name);
            launcher.gateway(
                name.unwrap_or("gateway"),
                &program.map_or_else(|| beside("gateway"), Ok)?,
            )
        }
        _ => launcher.bare(&beside("bare")?),
    }
}

/// One slot of load for CPU time and throughput, and one at a fixed rate for latency.
fn measure(
    target: &Target,
    case: &Case,
    make: Make,
    slot: Duration,
    loaded: bool,
    notes: &mut Vec<String>,
) -> Numbers {
    let large = case.bytes >= 128 << 10;
    let (answer, connections, rate) = if case.streamed {
        let answer = Answer::Stream {
            chunks: CHUNKS,
            gap_us: GAP_US,
        };
        (answer, if large { 16 } else { 32 }, 50.0)
    } else {
        let rate = if case.bytes >= 1 << 20 { 100.0 } else { 500.0 };
        (Answer::Plain, 16, rate)
    };
    let request = stamped(target, make(case.bytes, answer));
    let mut numbers = Numbers::default();
    if loaded {
        let cpu = || target.cpu_seconds();
        let closed = rounds::closed(target.address, &request, connections, slot, cpu);
        if closed.requests > 0 {
            let requests = closed.requests as f64;
            numbers.cpu_us = Some(closed.cpu_seconds / requests * 1e6);
            numbers.rps = Some(requests / closed.seconds);
        }
        if let Some(error) = closed.first_error {
            notes.push(format!(
                "{}, {case}: {} connections failed ({}).",
                target.name,
                closed.errors,
                error.lines().next().unwrap_or_default()
            ));
        }
    }
    let open = rounds::open(target.address, &request, 16, rate, slot, case.streamed);
    if open.errors > 0 {
        notes.push(format!(
            "{}, {case}: {} connections failed at {rate} requests a second.",
            target.name, open.errors
        ));
    }
    numbers.set_latency(&open);
    numbers
}

/// What a target is sent: the same to all, but where it is to be the same each time.
fn stamped(target: &Target, body: String) -> client::Stamp {
    let body = match target.is_cached() {
        true => body.replacen(bodies::CHANCE, bodies::CERTAIN, 1),
        false => body,
    };
    client::Stamp::new(&client::request(&body, KEY), target.name != targets::HITS)
}

/// Memory at rest, and what each open stream adds.
fn measure_memory(target: &Target) -> Memory {
    let idle_kib = target.resident_kib();
    let answer = Answer::Stream {
        chunks: 3,
        gap_us: 700_000,
    };
    let request = client::request(&bodies::prose(1 << 10, answer), KEY);
    let held = Duration::from_millis(500);
    let open_kib = rounds::held(target.address, &request, HELD, held, || {
        target.resident_kib()
    });
    Memory {
        idle_kib,
        per_stream_kib: (open_kib - idle_kib) / HELD as f64,
    }
}

/// Instructions per plain request for each size, and per event of a stream.
fn count(
    counter: Counter,
    target: &Target,
    launcher: &Launcher,
    make: Make,
    sizes: &[usize],
    notes: &mut Vec<String>,
) -> report::Instructions {
    let mut one = |bytes: usize, answer: Answer, requests: u32| {
        let request = stamped(target, make(bytes, answer));
        instructions::per_request(counter, target, &launcher.folder, &request, requests)
            .map_err(|error| notes.push(format!("{}: instructions: {error}.", target.name)))
            .ok()
    };
    let plain = sizes
        .iter()
        .map(|&bytes| {
            one(
                bytes,
                Answer::Plain,
                if bytes > 64 << 10 { 60 } else { 300 },
            )
        })
        .collect();
    // Two lengths of stream, so that what the request itself costs falls out. The pause keeps the
    // events apart.
    let stream = |chunks| Answer::Stream {
        chunks,
        gap_us: 2_000,
    };
    let (short, long) = (one(1 << 10, stream(10), 20), one(1 << 10, stream(60), 20));
    let chunk = long.zip(short).map(|(long, short)| (long - short) / 50.0);
    report::Instructions { plain, chunk }
}

/// Processors for targets and for everything else, where the machine has enough for both.
fn apart(threads: usize) -> Option<(String, String)> {
    let processors = std::thread::available_parallelism().ok()?.get();
    let enough = processors > threads && targets::runs("taskset");
    enough.then(|| {
        (
            format!("0-{}", threads - 1),
            format!("{threads}-{}", processors - 1),
        )
    })
}

fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let file = own.parent().unwrap_or(Path::new(".")).join(name);
    if file.is_file() {
        Ok(file)
    } else {
        Err(format!("{} is not built", file.display()))
    }
}
