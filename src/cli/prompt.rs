//! What people type when they are asked, and what programs send instead. A secret is never an argument:
//! those can be read by everybody on the machine.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::secret::Secret;

/// A secret is no longer than this.
const MAX_BYTES: u64 = 64 << 10;

/// Whether somebody can be asked.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a line. Empty where nothing is typed.
///
/// # Errors
/// Where nothing can be read.
pub(super) fn line(question: &str) -> Result<String, String> {
    ask(question)?;
    read_line()
}

/// Asks for a secret, which does not show while it is typed; without a terminal the first line of standard
/// input is it.
///
/// # Errors
/// Where nothing can be read, or nothing is there.
pub(super) fn secret(question: &str) -> Result<Secret, String> {
    let typed = match is_possible() {
        true => {
            ask(question)?;
            let typed = Hidden::new().and_then(|hidden| {
                let typed = read_line();
                drop(hidden);
                typed
            });
            let _ = writeln!(io::stderr());
            typed?
        }
        false => read_line()?,
    };
    let secret = Secret::new(&typed);
    match secret.is_empty() {
        true => Err(format!("nothing was given for: {question}")),
        false => Ok(secret),
    }
}

fn ask(question: &str) -> Result<(), String> {
    let mut out = io::stderr();
    let asked = write!(out, "{question}: ").and_then(|()| out.flush());
    asked.map_err(|error| error.to_string())
}

fn read_line() -> Result<String, String> {
    let mut line = String::new();
    let read = io::stdin().lock().take(MAX_BYTES).read_line(&mut line);
    match read {
        Ok(_) => Ok(line.trim().to_owned()),
        Err(error) => Err(format!("standard input: {error}")),
    }
}

/// While it lives, the terminal does not show what is typed.
struct Hidden(rustix::termios::Termios);

impl Hidden {
    fn new() -> Result<Self, String> {
        let before = tcgetattr(io::stdin()).map_err(|error| error.to_string())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)
            .map_err(|error| error.to_string())?;
        Ok(Hidden(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
