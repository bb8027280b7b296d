//! A line that does not show while it is typed. The terminal's own keys are read here meanwhile, so that
//! whoever breaks off finds it as it was.

use std::io::{self, Read};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

const BREAK: u8 = 0x03;
const END: u8 = 0x04;
const DELETE: [u8; 2] = [0x08, 0x7f];
const DELETE_LINE: u8 = 0x15;

/// Reads a line from the terminal that standard input is.
///
/// # Errors
/// Where nothing can be read, or somebody breaks off.
pub(super) fn line() -> Result<String, String> {
    let _hidden = Hidden::new()?;
    let typed = typed(io::stdin().lock().bytes())?;
    let typed = String::from_utf8(typed).map_err(|_| "that is no UTF-8".to_owned())?;
    Ok(typed.trim().to_owned())
}

fn typed(keys: impl Iterator<Item = io::Result<u8>>) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    for key in keys {
        match key.map_err(|error| format!("standard input: {error}"))? {
            BREAK => return Err("broken off".to_owned()),
            END | b'\n' | b'\r' => break,
            DELETE_LINE => line.clear(),
            key if DELETE.contains(&key) => {
                // A character may be several bytes.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            key => line.push(key),
        }
    }
    Ok(line)
}

/// While it lives, the terminal shows nothing, and hands on each key as it is.
struct Hidden(Termios);

impl Hidden {
    fn new() -> Result<Self, String> {
        let before = tcgetattr(io::stdin()).map_err(|error| error.to_string())?;
        let mut hidden = before.clone();
        let modes = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
        hidden.local_modes.remove(modes);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &[u8]) -> Result<Vec<u8>, String> {
        typed(keys.iter().map(|key| Ok(*key)))
    }

    #[test]
    fn keys_make_a_line_until_it_ends_or_somebody_breaks_off() {
        assert_eq!(read(b"sk-1\nrest").unwrap(), b"sk-1");
        assert_eq!(read("aé\x7fb\r".as_bytes()).unwrap(), b"ab");
        assert_eq!(read(b"\x7f\x08wrong\x15right\x04").unwrap(), b"right");
        assert!(read(b"sk-\x03").is_err());
    }
}
