//! `gateway stop`: requests in flight finish, then the process ends.

use rustix::process::Signal;

use super::process::{self, Target};
use crate::config::Listen;

/// Tells the gateway to end and waits until it has.
pub(super) fn run(target: &Target) -> Result<String, String> {
    let (files, pid) = target.running()?;
    process::tell(pid, Signal::TERM)?;
    let patience = Listen::default().drain_timeout_seconds.duration();
    match process::wait_until(patience, || files.running() != Some(pid)) {
        true => Ok(format!("process {pid} has ended")),
        false => Err(format!(
            "process {pid} still serves requests; it ends when they are over"
        )),
    }
}
