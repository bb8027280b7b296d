//! Stands in for the crate of the same name. `pingora-core` asks for it to compress what passes, where it is told
//! to; the gateway never tells it, for providers' answers pass as they are. Brotli's tables and its compressor are
//! a megabyte of a program that does not use them. What is asked of this all the same fails, and says why.

use std::io::{self, Write};

/// What would compress.
pub struct CompressorWriter<W>(W);

/// What would decompress.
pub struct DecompressorWriter<W>(W);

impl<W: Write> CompressorWriter<W> {
    /// As that of the crate; the sizes do not matter.
    pub fn new(output: W, _buffer_size: usize, _quality: u32, _window: u32) -> Self {
        CompressorWriter(output)
    }
}

impl<W: Write> DecompressorWriter<W> {
    /// As that of the crate; the size does not matter.
    pub fn new(output: W, _buffer_size: usize) -> Self {
        DecompressorWriter(output)
    }
}

macro_rules! writer {
    ($name:ident) => {
        impl<W: Write> $name<W> {
            /// Where it would write to.
            pub fn get_ref(&self) -> &W {
                &self.0
            }

            /// Where it would write to.
            pub fn get_mut(&mut self) -> &mut W {
                &mut self.0
            }
        }

        impl<W: Write> Write for $name<W> {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "built without Brotli",
                ))
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

writer!(CompressorWriter);
writer!(DecompressorWriter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_it_fails_and_loses_nothing() {
        let mut writer = CompressorWriter::new(b"before".to_vec(), 4096, 5, 19);
        let error = writer.write(b"text").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert_eq!(writer.get_ref(), b"before");
        let mut writer = DecompressorWriter::new(Vec::new(), 0);
        assert!(writer.write_all(b"text").is_err() && writer.get_mut().is_empty());
    }
}
