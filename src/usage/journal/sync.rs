//! Waiting for the disk (`usage.fsync`): whoever comes first has it write what is there, and the others
//! wait for that one, so that a hundred answers at once cost a few writes.

use std::{fs::File, io};

use parking_lot::{Condvar, Mutex};

/// How much of a journal is on the disk.
#[derive(Debug, Default)]
pub(super) struct Synced {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes since the journal's beginning.
    bytes: u64,
    /// From where to where the disk has failed the last time: it does not tell of that again.
    failed: (u64, u64),
    is_busy: bool,
}

impl Synced {
    /// Waits until the first `bytes` of the journal are on the disk. `end` gives the file that they end in
    /// and how much of the journal there is by now: all before that file is on the disk already. Where the
    /// disk fails, `close` sees to it that nothing is added to that file, and gives how much there is then.
    pub(super) fn wait<F: AsRef<File>>(
        &self,
        bytes: u64,
        end: impl Fn() -> Option<(F, u64)>,
        close: impl Fn() -> u64,
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        loop {
            if state.failed.0 < bytes && bytes <= state.failed.1 {
                return Err(io::Error::other("the disk has failed"));
            }
            if state.bytes >= bytes {
                return Ok(());
            }
            if state.is_busy {
                self.changed.wait(&mut state);
                continue;
            }
            state.is_busy = true;
            drop(state);
            let (written, there) = match end() {
                Some((file, there)) => (file.as_ref().sync_data(), there),
                // Nothing is open: what there was has been written when it was closed.
                None => (Ok(()), bytes),
            };
            let failed = written.is_err().then(&close);
            state = self.state.lock();
            state.is_busy = false;
            self.changed.notify_all();
            match written {
                Ok(()) => state.bytes = state.bytes.max(there),
                Err(error) => {
                    state.failed = (state.bytes, failed.unwrap_or(there));
                    return Err(error);
                }
            }
        }
    }
}
