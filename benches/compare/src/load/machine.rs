//! What this machine gives: processors, timers, open files, commands.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The machine in a line. Ask before this process keeps itself to some of its processors.
pub(crate) fn describe() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let processor = cpuinfo
        .lines()
        .find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim()))
        .unwrap_or(std::env::consts::ARCH);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("unknown");
    format!(
        "{processor}, {cores} cores, Linux {}, load average {load} at the start",
        kernel.trim()
    )
}

/// Processors for targets and for everything else, where the machine has enough for both.
pub(crate) fn apart(threads: usize) -> Option<(String, String)> {
    let processors = std::thread::available_parallelism().ok()?.get();
    let enough = processors > threads && runs("taskset");
    enough.then(|| {
        (
            format!("0-{}", threads - 1),
            format!("{threads}-{}", processors - 1),
        )
    })
}

/// Allows this process, and those that it starts, as many open files as the system lets it; how many
/// that is.
pub(crate) fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 1024;
    };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// An address of this host that nothing listens on.
pub(crate) fn free_address(host: IpAddr) -> SocketAddr {
    TcpListener::bind((host, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free loopback port")
}

/// Whether a command of that name is installed.
pub(crate) fn runs(command: &str) -> bool {
    find(command).is_some()
}

/// Where a command of that name is, on `PATH` or where system daemons live.
pub(crate) fn find(command: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(command))
        .find(|file| file.is_file())
}

/// Keeps this process on the given processors; threads started later inherit that.
pub(crate) fn pin_self(list: &str) -> bool {
    let own = std::process::id().to_string();
    Command::new("taskset")
        .args(["-pc", list, &own])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Asks for timers without the kernel's usual slack of 50 µs; threads started later inherit that.
pub(crate) fn sharpen_timers() {
    if let Ok(mut file) = fs::File::create("/proc/self/timerslack_ns") {
        let _ = file.write_all(b"1");
    }
}
