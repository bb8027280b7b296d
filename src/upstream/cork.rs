//! Holds a request's head back until its body can go with it. Pingora flushes the head by itself: that is a
//! packet of its own, and a provider that wakes up twice. `TCP_CORK` (`tcp(7)`) keeps it in the kernel for so
//! long; where nobody takes the cork out, the kernel does after 200 ms.

use std::os::fd::RawFd;

use bytes::Bytes;

/// A connection that sends whole packets only, until this is dropped.
#[derive(Debug)]
pub struct Cork(RawFd);

impl Cork {
    /// Holds back what is sent on the connection `socket`, which is open. `None` where that cannot be.
    pub fn new(socket: RawFd) -> Option<Self> {
        set(socket, true).then_some(Cork(socket))
    }

    /// The body to send. Whoever sends it drops it once it is written, and that lets go.
    pub fn around(self, body: Bytes) -> Bytes {
        Bytes::from_owner(Held { body, _cork: self })
    }
}

struct Held {
    body: Bytes,
    _cork: Cork,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Cork {
    fn drop(&mut self) {
        set(self.0, false);
    }
}

#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "Pingora tells of a connection by its number. It is not read, written or closed here, and if it \
              has been closed and is another's by now, that one sends what it has: nothing else."
)]
fn set(socket: RawFd, is_held: bool) -> bool {
    // SAFETY: it is not -1, and borrowed for this call only.
    let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(socket) };
    rustix::net::sockopt::set_tcp_cork(socket, is_held).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn set(_: RawFd, _: bool) -> bool {
    false
}
