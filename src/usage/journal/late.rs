//! Rows that come while the disk holds up the one before them: they wait in memory, so that requests go on.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Bytes that wait, at most.
const MAX_BYTES: usize = 8 << 20;

/// Frames that are still to be written.
#[derive(Debug, Default)]
pub(super) struct Late {
    frames: Mutex<Frames>,
    has_any: AtomicBool,
}

#[derive(Debug, Default)]
struct Frames {
    list: Vec<Box<[u8]>>,
    bytes: usize,
}

impl Late {
    /// Whether there are any.
    pub(super) fn has_any(&self) -> bool {
        self.has_any.load(Ordering::SeqCst)
    }

    /// Keeps a frame. `false` where there are too many.
    pub(super) fn push(&self, frame: &[u8]) -> bool {
        let mut frames = self.frames.lock();
        let bytes = frames.bytes + frame.len();
        if bytes > MAX_BYTES {
            return false;
        }
        frames.bytes = bytes;
        frames.list.push(frame.into());
        self.has_any.store(true, Ordering::SeqCst);
        true
    }

    /// All of them.
    pub(super) fn take(&self) -> Vec<Box<[u8]>> {
        let mut frames = self.frames.lock();
        self.has_any.store(false, Ordering::SeqCst);
        frames.bytes = 0;
        std::mem::take(&mut frames.list)
    }
}
