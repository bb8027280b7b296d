//! Keeps the head of an answer back until what follows it can be sent with it. Alone it is a system call and a packet
//! more, and a client that wakes up twice. Pingora's own buffer held back no more than fits into one packet; plain
//! connections are without it (`server`).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use pingora::protocols::Stream;
use smallvec::SmallVec;
use tokio::io::AsyncWrite;

/// Heads are shorter, and most events; what is longer is sent as it is.
const MOST: usize = 4 << 10;

/// What was written to a stream and is not sent yet. Whoever writes flushes before it waits.
#[derive(Debug, Default)]
pub struct Gather {
    kept: Vec<u8>,
    /// How much of it is sent.
    sent: usize,
}

impl Gather {
    /// Keeps `bytes` where they are few and nothing stands before them, or writes them.
    pub fn poll_write(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.kept.is_empty() {
            return self.poll_write_vectored(stream, context, &[IoSlice::new(bytes)]);
        }
        if bytes.len() > MOST {
            return Pin::new(stream).poll_write(context, bytes);
        }
        self.kept.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// Writes `slices` together with what was kept.
    pub fn poll_write_vectored(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        while let Some(before) = self.left().map(<[u8]>::len) {
            let written = match before.saturating_add(length) <= MOST {
                true => ready!(self.poll_write_joined(stream, context, slices))?,
                false => {
                    let mut all = SmallVec::<[_; 4]>::new();
                    all.push(IoSlice::new(self.left().unwrap_or_default()));
                    all.extend_from_slice(slices);
                    ready!(Pin::new(&mut *stream).poll_write_vectored(context, &all))?
                }
            };
            self.note(written)?;
            if written > before {
                return Poll::Ready(Ok(written - before));
            }
        }
        match slices.len() > 1 && length <= MOST {
            true => self.poll_write_joined(stream, context, slices),
            false => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    /// Writes what was kept and `slices` as one piece: to copy what is short takes less than the kernel does to
    /// look at each of them. They are not kept, however little is taken.
    fn poll_write_joined(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let end = self.kept.len();
        for slice in slices {
            self.kept.extend_from_slice(slice);
        }
        let written = Pin::new(stream).poll_write(context, self.left().unwrap_or_default());
        self.kept.truncate(end);
        if end == 0 {
            *self = Gather::default();
        }
        written
    }

    /// Sends what was kept.
    pub fn poll_send(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(kept) = self.left() {
            let written = ready!(Pin::new(&mut *stream).poll_write(context, kept))?;
            self.note(written)?;
        }
        Poll::Ready(Ok(()))
    }

    fn left(&self) -> Option<&[u8]> {
        self.kept.get(self.sent..).filter(|left| !left.is_empty())
    }

    fn note(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.sent += written;
        if self.sent >= self.kept.len() {
            // Connections that wait hold no memory for it.
            *self = Gather::default();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{Arc, Mutex},
    };

    use async_trait::async_trait;
    use pingora::protocols::{
        GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
        TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest,
    };
    use tokio::io::{AsyncRead, ReadBuf};

    use super::*;

    /// A stream that takes at most `most` bytes at a time, and none every other time.
    #[derive(Debug)]
    struct Narrow {
        most: usize,
        is_full: bool,
        writes: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(context, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.is_full = !self.is_full;
            if !self.is_full {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            all.truncate(self.most);
            let length = all.len();
            self.writes.lock().unwrap().push(all);
            Poll::Ready(Ok(length))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Narrow {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[async_trait]
    impl Shutdown for Narrow {
        async fn shutdown(&mut self) {}
    }

    impl UniqueID for Narrow {
        fn id(&self) -> UniqueIDType {
            0
        }
    }

    impl Ssl for Narrow {}

    impl Peek for Narrow {}

    impl GetTimingDigest for Narrow {
        fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
            Vec::new()
        }
    }

    impl GetProxyDigest for Narrow {
        fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
            None
        }
    }

    impl GetSocketDigest for Narrow {
        fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
            None
        }
    }

    /// What arrives of `pieces`, each written whole before the next, on a stream that takes `most` at a time.
    async fn written(most: usize, pieces: &[&[u8]], is_vectored: bool) -> Vec<Vec<u8>> {
        let writes = Arc::default();
        let narrow = Narrow {
            most,
            is_full: true,
            writes: Arc::clone(&writes),
        };
        let mut stream: Stream = Box::new(narrow);
        let mut gather = Gather::default();
        for (place, piece) in pieces.iter().enumerate() {
            let mut left = *piece;
            while !left.is_empty() {
                let written = poll_fn(|context| match is_vectored && place > 0 {
                    true => {
                        let (a, b) = left.split_at(left.len() / 2);
                        let slices = [IoSlice::new(a), IoSlice::new(b)];
                        gather.poll_write_vectored(&mut stream, context, &slices)
                    }
                    false => gather.poll_write(&mut stream, context, left),
                });
                left = &left[written.await.unwrap()..];
            }
        }
        poll_fn(|context| gather.poll_send(&mut stream, context))
            .await
            .unwrap();
        assert_eq!((gather.kept.capacity(), gather.sent), (0, 0));
        let writes = writes.lock().unwrap();
        writes.clone()
    }

    #[tokio::test]
    async fn a_head_goes_with_what_follows_it() {
        for is_vectored in [false, true] {
            let pieces: [&[u8]; 2] = [b"head", &[b'b'; 9_000]];
            let writes = written(64 << 10, &pieces, is_vectored).await;
            assert_eq!(writes, [pieces.concat()]);
        }
    }

    #[tokio::test]
    async fn the_pieces_of_a_chunk_go_at_once_and_as_one() {
        let writes = written(64 << 10, &[b"head", b"5\r\nevent\r\n", b"more"], true).await;
        assert_eq!(writes, [&b"head5\r\nevent\r\n"[..], b"more"]);
    }

    #[tokio::test]
    async fn a_head_alone_goes_when_it_must() {
        assert_eq!(written(64 << 10, &[b"head"], false).await, [b"head"]);
    }

    #[tokio::test]
    async fn what_is_long_goes_at_once() {
        let long = vec![b'b'; MOST + 1];
        let writes = written(64 << 10, &[&long, b"more"], false).await;
        assert_eq!(writes, [&long[..], b"more"]);
    }

    #[tokio::test]
    async fn every_byte_arrives_once_however_little_is_taken_at_a_time() {
        let pieces: [&[u8]; 4] = [b"head: 1\r\n\r\n", b"some", b"body", &[b'x'; 5_000]];
        for is_vectored in [false, true] {
            for most in [1, 3, 10, 11, 12, 4_000] {
                let writes = written(most, &pieces, is_vectored).await;
                assert_eq!(writes.concat(), pieces.concat(), "{most}");
            }
        }
    }

    #[tokio::test]
    async fn a_stream_that_takes_nothing_is_an_error() {
        let narrow = Narrow {
            most: 0,
            is_full: false,
            writes: Arc::default(),
        };
        let mut stream: Stream = Box::new(narrow);
        let mut gather = Gather::default();
        let _ = poll_fn(|context| gather.poll_write(&mut stream, context, b"head")).await;
        let sent = poll_fn(|context| gather.poll_send(&mut stream, context)).await;
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::WriteZero);
    }
}
