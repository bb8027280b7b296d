//! How a command fails: a line for whoever typed it, and an exit code for whoever scripts it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::colour::{self, Colour};
use crate::store::StoreError;

/// What kind of failure it is; its number is the command's exit code. Wrong usage that clap finds is 2 too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It was refused, or it failed.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// What it names is not there.
    NotFound = 3,
    /// The gateway or the database that it needs does not answer.
    Unreachable = 4,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(super) struct Failure {
    /// What kind it is.
    pub(super) kind: Kind,
    /// What is wrong and what to do.
    pub(super) message: String,
}

impl Failure {
    /// A failure of that kind.
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Failure { kind, message }
    }

    /// The command line makes no sense.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Failure::new(Kind::Usage, message)
    }

    /// Says it.
    pub(super) fn report(self) -> ExitCode {
        say("error", Colour::Red, &self.message);
        ExitCode::from(self.kind as u8)
    }
}

/// Says what whoever typed the command should know.
pub(super) fn warn(message: &str) {
    say("warning", Colour::Yellow, message);
}

fn say(word: &str, colour: Colour, message: &str) {
    let word = colour::on_stderr(word, colour);
    for line in message.lines() {
        // Where nobody reads that there is nobody to tell.
        let _ = writeln!(io::stderr(), "{word}: {line}");
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure::new(Kind::Failed, message)
    }
}

/// The error, and what to do about it.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let next = match &error {
            StoreError::Away(_) | StoreError::Unable(_) => {
                "; see that it runs and that GATEWAY_DATABASE_URL leads to it"
            }
            StoreError::File { .. } => "; set GATEWAY_DATA_DIR to a directory that can be written",
            StoreError::Outdated { .. } => {
                "; a gateway of that version may run on it, so start this version first (`gateway start`, \
                 `gateway upgrade`), which brings it up to date"
            }
            _ => "",
        };
        let kind = match &error {
            StoreError::NotFound { .. } => Kind::NotFound,
            error if error.is_away() => Kind::Unreachable,
            _ => Kind::Failed,
        };
        Failure::new(kind, format!("{error}{next}"))
    }
}
