//! `gateway upgrade`: a new process takes over both sockets, the old one finishes its requests.
//! The new one gets the old one's arguments, and its standard output where that can be opened.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal};

use super::process::{self, Target};

/// How long the new process may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the successor and tells the old process to hand over.
pub(super) fn run(target: &Target) -> Result<String, String> {
    let (files, old) = target.running()?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command
        .args(arguments(old)?)
        .arg("--upgrade")
        .stdin(Stdio::null())
        .stdout(output(old, 1))
        .stderr(output(old, 2));
    let _ = fs::remove_file(&files.socket);
    let mut new = command
        .spawn()
        .map_err(|error| format!("cannot start the new process: {error}"))?;
    let mut ended = None;
    let is_waiting = process::wait_until(PATIENCE, || {
        ended = new.try_wait().ok().flatten();
        ended.is_some() || files.socket.exists()
    });
    if !is_waiting || ended.is_some() {
        let _ = new.kill();
        return Err("the new process did not start; the old one serves on. See its log".into());
    }
    process::tell(old, Signal::QUIT)?;
    let has_taken_over = process::wait_until(PATIENCE, || {
        ended = new.try_wait().ok().flatten();
        ended.is_some() || files.running().is_some_and(|pid| pid != old)
    });
    match has_taken_over && ended.is_none() {
        true => Ok(format!(
            "process {} serves; process {old} ends when its requests are over",
            new.id()
        )),
        false => Err("the new process did not take over; see its log".into()),
    }
}

/// The arguments that the old process was started with, without its name.
fn arguments(pid: Pid) -> Result<Vec<String>, String> {
    let path = format!("/proc/{pid}/cmdline");
    let line = fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
    let arguments = line.split(|&byte| byte == 0).skip(1);
    Ok(arguments
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .filter(|argument| !argument.is_empty() && argument != "--upgrade")
        .collect())
}

fn output(pid: Pid, number: u8) -> Stdio {
    let path = format!("/proc/{pid}/fd/{number}");
    File::options()
        .append(true)
        .open(path)
        .map_or_else(|_| Stdio::inherit(), Stdio::from)
}
