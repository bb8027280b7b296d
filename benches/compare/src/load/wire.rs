//! The requests as bytes: the same for every target.

use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memmem;

use crate::bodies::{SEED, STAMP};

/// The client key that is sent to every target.
pub(crate) const KEY: &str = "gw_bench_0123456789abcdef0123456789abcdef";

/// Where chats are asked for.
pub(crate) const CHAT: &str = "/v1/chat/completions";

/// A whole request.
pub(crate) fn request(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: gateway.example\r\nuser-agent: compare\r\n\
         authorization: Bearer {KEY}\r\naccept: */*\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Tells requests apart, so that no cache has their answers.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    request: Vec<u8>,
    digits: Option<usize>,
}

static NEXT: AtomicU64 = AtomicU64::new(1_000_000_000);

impl Stamp {
    /// Of requests that are all the same, or of ones that all differ.
    pub(crate) fn new(request: Vec<u8>, is_unique: bool) -> Stamp {
        let digits = [SEED, STAMP]
            .into_iter()
            .find_map(|mark| Some(memmem::find(&request, mark.as_bytes())? + mark.len()))
            .filter(|_| is_unique);
        Stamp { request, digits }
    }

    /// The next request.
    pub(crate) fn next(&mut self) -> &[u8] {
        if let Some(at) = self.digits {
            let mut number = NEXT.fetch_add(1, Ordering::Relaxed);
            for digit in self.request[at..at + 10].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        &self.request
    }
}
