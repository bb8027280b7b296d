//! What a fresh process takes in memory: at rest, with streams open, and after they have ended.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use crate::kinds::Kind;
use crate::launch::Launcher;
use crate::machine::free_address;
use crate::process::Target;
use crate::streams;

/// Files that a proxy needs beside its streams'.
const OTHER_FILES: u64 = 300;
/// What is given back soon after the last stream counts as given back.
const REST: Duration = Duration::from_millis(1500);

/// Of one target, in KiB.
#[derive(Serialize)]
pub(crate) struct Memory {
    pub(crate) name: &'static str,
    pub(crate) idle_kib: f64,
    /// With so many streams open, and what it took then.
    pub(crate) open: Vec<(usize, f64)>,
    pub(crate) after_kib: f64,
}

impl Memory {
    /// What each of the streams adds, by their number.
    pub(crate) fn per_stream_kib(&self, at: usize) -> Option<f64> {
        let (count, kib) = self.open.get(at)?;
        Some((kib - self.idle_kib) / *count as f64)
    }
}

/// How many streams are opened: a proxy holds two files for each.
pub(crate) fn counts(quick: bool, open_files: u64, notes: &mut Vec<String>) -> Vec<usize> {
    let most = (open_files.saturating_sub(OTHER_FILES) / 2) as usize;
    let wanted: &[usize] = if quick {
        &[200, 1_000]
    } else {
        &[1_000, 10_000]
    };
    if wanted.iter().any(|count| *count > most) {
        notes.push(format!(
            "Of {} streams only {most} were opened: a process may have {open_files} files open here, \
             and a proxy needs two a stream.",
            wanted[1]
        ));
    }
    wanted.iter().map(|count| *count.min(&most)).collect()
}

/// Measures each of `kinds` in turn, each with an upstream of its own on an address of its own, so
/// that ports do not run out.
pub(crate) fn of_all(
    kinds: &[Kind],
    launcher: &mut Launcher,
    counts: &[usize],
    notes: &mut Vec<String>,
) -> Vec<Memory> {
    let mut all = Vec::new();
    for (index, kind) in kinds.iter().enumerate() {
        let host = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 10 + index as u8));
        launcher.upstream = free_address(host);
        match of_one(*kind, launcher, counts) {
            Ok(memory) => all.push(memory),
            Err(error) => notes.push(format!("{}: memory: {error}.", kind.name())),
        }
    }
    all
}

fn of_one(kind: Kind, launcher: &Launcher, counts: &[usize]) -> Result<Memory, String> {
    let upstream = launcher.start(Kind::Upstream)?;
    let target = launcher.start(kind)?;
    thread::sleep(Duration::from_millis(500));
    let idle_kib = target.resident_kib();
    let mut open = Vec::new();
    for &count in counts {
        open.push(held(&target, &upstream, count).map_err(|error| error.to_string())?);
    }
    thread::sleep(REST);
    Ok(Memory {
        name: kind.name(),
        idle_kib,
        open,
        after_kib: target.resident_kib(),
    })
}

fn held(target: &Target, upstream: &Target, count: usize) -> std::io::Result<(usize, f64)> {
    let resident = || target.resident_kib();
    let (kib, opened) = streams::held(target.address, upstream.address, count, resident)?;
    Ok((opened, kib))
}
