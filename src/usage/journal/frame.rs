//! How rows lie in a segment: a head that says which version wrote it, then frames of length, checksum and
//! row. A frame that was cut, by a crash or by a full disk, is told from a whole one, and nothing behind it
//! is believed.

use std::ops::Range;

use crate::row::{Later, Row};

/// The beginning of a segment. The last byte is the version of what follows.
pub(super) const HEAD: [u8; 8] = *b"GWUSAGE\x02";

/// What a segment's rows are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// A [`Row`].
    One,
    /// And what came [`Later`].
    Two,
}

impl Version {
    /// The one that a segment's beginning tells; `None` where it is not known.
    pub(super) fn of(head: [u8; 8]) -> Option<Self> {
        let [name @ .., version] = head;
        match (HEAD.starts_with(&name), version) {
            (true, 1) => Some(Version::One),
            (true, 2) => Some(Version::Two),
            _ => None,
        }
    }
}
/// Length and checksum.
const FRAME_HEAD: usize = 8;
/// No row is as long; a length beyond it is none.
const MAX_ROW_BYTES: usize = 1 << 20;
/// The longest frame.
pub(super) const MAX_BYTES: u64 = (MAX_ROW_BYTES + FRAME_HEAD) as u64;

/// Appends the frame of `row`. `false`, and nothing appended, where it cannot be written: then it is far
/// too long.
pub(super) fn write(frame: &mut Vec<u8>, row: &Row<'_>) -> bool {
    let start = frame.len();
    frame.extend_from_slice(&[0; FRAME_HEAD]);
    let written = postcard::serialize_with_flavor(&(row, row.later()), Bytes(frame)).is_ok();
    let body = frame.get(start + FRAME_HEAD..).unwrap_or_default();
    let length = u32::try_from(body.len()).ok();
    let length = length.filter(|_| written && body.len() <= MAX_ROW_BYTES);
    let sum = crc32fast::hash(body);
    match (length, frame.get_mut(start..start + FRAME_HEAD)) {
        (Some(length), Some(head)) => {
            let (first, second) = head.split_at_mut(4);
            first.copy_from_slice(&length.to_le_bytes());
            second.copy_from_slice(&sum.to_le_bytes());
            true
        }
        _ => {
            frame.truncate(start);
            false
        }
    }
}

/// A vector as postcard writes to it. Its own way to extend one goes byte by byte.
struct Bytes<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Bytes<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Where the row of the first frame lies; `None` where there is no whole frame.
pub(super) fn first(bytes: &[u8]) -> Option<Range<usize>> {
    let (head, rest) = bytes.split_at_checked(FRAME_HEAD)?;
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).unwrap_or(0);
    let (length, sum) = head.split_at(4);
    let (length, sum) = (number(length), number(sum));
    let length = usize::try_from(length).ok()?;
    // What a disk fills a hole with looks like an empty frame with the right sum.
    if length == 0 || length > MAX_ROW_BYTES {
        return None;
    }
    let body = rest.get(..length)?;
    (crc32fast::hash(body) == sum).then_some(FRAME_HEAD..FRAME_HEAD + length)
}

/// Reads a row.
///
/// # Errors
/// Where it is none of this version.
pub(super) fn row(body: &[u8], version: Version) -> postcard::Result<Row<'_>> {
    match version {
        Version::One => postcard::from_bytes(body),
        Version::Two => {
            let (row, later): (Row<'_>, Later<'_>) = postcard::from_bytes(body)?;
            Ok(row.with(later))
        }
    }
}
