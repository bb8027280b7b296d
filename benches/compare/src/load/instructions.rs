//! User-space instructions per request, which hardly depend on what else the machine does: by the
//! processor's counter through `perf` where it has one, else by running each target once more under
//! `valgrind --tool=callgrind`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::kinds::Kind;
use crate::machine::runs;
use crate::process::Target;
use crate::wire::Stamp;

const WARM_UP: u32 = 50;

/// How instructions can be counted here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counter {
    Perf,
    Callgrind,
}

/// The best way that works on this machine.
pub(crate) fn counter() -> Option<Counter> {
    if perf_works() {
        return Some(Counter::Perf);
    }
    let valgrind = runs("valgrind") && runs("callgrind_control");
    valgrind.then_some(Counter::Callgrind)
}

fn perf_works() -> bool {
    Command::new("perf")
        .args(["stat", "-x,", "-e", "instructions:u", "--", "true"])
        .output()
        .is_ok_and(|output| counted(&String::from_utf8_lossy(&output.stderr)).is_some())
}

/// The count in the output of `perf stat -x,`.
fn counted(output: &str) -> Option<f64> {
    output
        .lines()
        .find_map(|line| line.split(',').next()?.parse().ok())
}

/// What to run a target under so that callgrind counts it.
pub(crate) fn under_callgrind(folder: &Path, kind: Kind) -> Vec<String> {
    let file = folder.join(format!("callgrind.{}", kind.slug()));
    vec![
        "valgrind".into(),
        "--tool=callgrind".into(),
        "--trace-children=yes".into(),
        format!("--callgrind-out-file={}", file.display()),
    ]
}

/// Instructions per request of `target`, over `requests` requests on one connection.
pub(crate) fn per_request(
    counter: Counter,
    target: &Target,
    folder: &Path,
    request: &Stamp,
    requests: u32,
) -> Result<f64, String> {
    let mut client = Client::connect(target.address).map_err(|error| error.to_string())?;
    let mut request = request.clone();
    let mut call = |times: u32| {
        (0..times).try_for_each(|_| {
            client
                .call(request.next())
                .map(drop)
                .map_err(|e| e.to_string())
        })
    };
    call(WARM_UP)?;
    let total = match counter {
        Counter::Perf => {
            let processes: Vec<_> = target.processes().iter().map(i32::to_string).collect();
            let perf = Command::new("perf")
                .args(["stat", "-x,", "-e", "instructions:u", "-p"])
                .arg(processes.join(","))
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|error| error.to_string())?;
            thread::sleep(Duration::from_millis(200));
            call(requests)?;
            let _ = kill(Pid::from_raw(perf.id() as i32), Signal::SIGINT);
            let output = perf.wait_with_output().map_err(|error| error.to_string())?;
            counted(&String::from_utf8_lossy(&output.stderr))
        }
        Counter::Callgrind => {
            let process = target.processes()[0].to_string();
            control("--zero", &process)?;
            call(requests)?;
            control("--dump", &process)?;
            newest_total(folder, target.kind)
        }
    };
    total
        .map(|total| total / f64::from(requests))
        .ok_or_else(|| "no count".into())
}

fn control(what: &str, process: &str) -> Result<(), String> {
    let status = Command::new("callgrind_control")
        .args([what, process])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("callgrind_control {what} failed")),
    }
}

/// The sum over the threads' parts of the last dump.
fn newest_total(folder: &Path, kind: Kind) -> Option<f64> {
    let prefix = format!("callgrind.{}.", kind.slug());
    let newest = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let number: u32 = file.strip_prefix(&prefix)?.parse().ok()?;
            Some((number, entry.path()))
        })
        .max()?;
    let dump = fs::read_to_string(newest.1).ok()?;
    dump.lines()
        .find_map(|line| {
            line.strip_prefix("summary:")
                .or(line.strip_prefix("totals:"))
        })
        .and_then(|total| total.trim().parse().ok())
}
