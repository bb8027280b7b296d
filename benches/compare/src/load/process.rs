//! A started process: what it has used, and its end.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::kinds::Kind;

/// How long a gateway gathers rows before it writes them, and some more.
const GATHERED: Duration = Duration::from_millis(300);
/// What is looked at to see whether it works on.
const LOOK: Duration = Duration::from_millis(100);

/// A started process.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// Where a gateway answers administrators.
    pub(crate) admin: Option<SocketAddr>,
    /// What it wrote to its standard output.
    pub(crate) output: PathBuf,
    pub(crate) child: Child,
}

impl Target {
    pub(crate) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// CPU time (user and system) of all its threads, ended ones too, and of its own children.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.processes().into_iter().map(cpu_seconds).sum()
    }

    /// CPU time, once what requests left to be done later is done: the writing of rows.
    pub(crate) fn settled_cpu_seconds(&self) -> f64 {
        if !self.kind.records() {
            return self.cpu_seconds();
        }
        thread::sleep(GATHERED);
        let limit = Instant::now() + Duration::from_secs(5);
        let mut before = self.cpu_seconds();
        loop {
            thread::sleep(LOOK);
            let now = self.cpu_seconds();
            if now - before < 0.001 || Instant::now() > limit {
                return now;
            }
            before = now;
        }
    }

    /// Resident memory in KiB, of its children too.
    pub(crate) fn resident_kib(&self) -> f64 {
        self.processes()
            .into_iter()
            .filter_map(|process| {
                let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
                let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
                line.split_whitespace().nth(1)?.parse::<f64>().ok()
            })
            .sum()
    }

    pub(crate) fn processes(&self) -> Vec<i32> {
        let own = self.child.id() as i32;
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(own).chain(children).collect()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        for process in self.processes() {
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// Reads the process's CPU clock: what `/proc/PID/stat` says, in nanoseconds instead of ticks.
fn cpu_seconds(process: i32) -> f64 {
    ClockId::pid_cpu_clock_id(Pid::from_raw(process))
        .and_then(|clock| clock.now())
        .map_or(0.0, |time| Duration::from(time).as_secs_f64())
}
