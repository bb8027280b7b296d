//! What people type when they are asked, and what programs send instead. A secret is never an argument:
//! those can be read by everybody on the machine.

mod hidden;

use std::{
    fs::OpenOptions,
    io::{self, BufRead, IsTerminal, Read, Write},
};

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

/// Asks for a secret, which does not show while it is typed; without a terminal all of standard input is it.
///
/// # Errors
/// Where nothing can be read, or nothing is there.
pub(super) fn secret(question: &str) -> Result<Secret, String> {
    let typed = match io::stdin().is_terminal() {
        true => {
            ask_at_terminal(question)?;
            let typed = hidden::line();
            say_at_terminal("\n")?;
            typed?
        }
        false => read_all()?,
    };
    let secret = Secret::new(&typed);
    match secret.is_empty() {
        true => Err(format!("nothing was given for: {question}")),
        false => Ok(secret),
    }
}

/// Asks where it is seen, wherever the output goes.
fn ask_at_terminal(question: &str) -> Result<(), String> {
    say_at_terminal(&format!("{question}: "))
}

fn say_at_terminal(text: &str) -> Result<(), String> {
    let said = match OpenOptions::new().write(true).open("/dev/tty") {
        Ok(mut terminal) => terminal.write_all(text.as_bytes()),
        Err(_) => io::stderr().write_all(text.as_bytes()),
    };
    said.map_err(|error| error.to_string())
}

fn read_all() -> Result<String, String> {
    let mut all = String::new();
    let read = io::stdin()
        .lock()
        .take(MAX_BYTES + 1)
        .read_to_string(&mut all);
    match read {
        Ok(length) if length as u64 > MAX_BYTES => {
            Err(format!("standard input: more than {MAX_BYTES} bytes"))
        }
        Ok(_) => Ok(all.trim().to_owned()),
        Err(error) => Err(format!("standard input: {error}")),
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
