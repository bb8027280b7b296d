//! Finds the end of a chunked body, however it is cut.

use std::io::{ErrorKind, Result};

/// Finds the end of a chunked body that arrives in pieces.
#[derive(Default)]
pub(crate) struct Chunks {
    /// Bytes of the current chunk still to come, its line end included.
    left: usize,
    size: usize,
    in_size: bool,
    last: bool,
}

impl Chunks {
    /// Takes the next piece; whether the body ended with it.
    pub(crate) fn end_in(&mut self, mut piece: &[u8]) -> Result<bool> {
        while !piece.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(piece.len());
                self.left -= skipped;
                piece = &piece[skipped..];
                if self.left == 0 && self.last {
                    return Ok(true);
                }
                continue;
            }
            let byte = piece[0];
            piece = &piece[1..];
            match byte {
                b'\n' if self.in_size => {
                    self.last = self.size == 0;
                    self.left = self.size + 2;
                    (self.size, self.in_size) = (0, false);
                }
                b'\r' => {}
                _ => {
                    let digit = (byte as char).to_digit(16).ok_or(ErrorKind::InvalidData)?;
                    self.size = self.size * 16 + digit as usize;
                    self.in_size = true;
                }
            }
        }
        Ok(false)
    }
}
