//! `gateway reload`: the running process reads its configuration anew.

use rustix::process::Signal;

use super::process::{self, Target};

/// Asks for a reload. Whether it was applied is in the gateway's log: the configuration was
/// checked here first, so that a mistake is seen at once.
pub(super) fn run(target: &Target) -> Result<String, String> {
    let (_, pid) = target.running()?;
    process::tell(pid, Signal::HUP)?;
    Ok(format!("process {pid} reads its configuration anew"))
}
