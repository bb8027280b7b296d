//! A client's stream, guarded: reading from it fails once when the deadline of its [`Watchdog`] has
//! passed, and while it is read from, a silent answer shows signs of life ([`super::heartbeat`]).

use std::{
    any::Any,
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use pingora::{
    http::ResponseHeader,
    prelude::fast_timeout::fast_sleep,
    protocols::{
        ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
        Stream, TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
    },
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{gather::Gather, watchdog::Watchdog};
use crate::gateway::departure::Passenger;

/// A client's stream whose reads fail once when the deadline of its watchdog has passed.
/// The watchdog travels in the proxy digest, which has no other use on this side.
pub struct Guarded {
    inner: Stream,
    gather: Gather,
    watchdog: Arc<Watchdog>,
    departure: Passenger,
    digest: Arc<ProxyDigest>,
    timer: Option<Timer>,
    /// Since when the client has taken nothing.
    blocked_since: Option<Instant>,
    /// When the client was last sent something, while a stream is under way.
    last_written: Instant,
    /// What is left to send of a sign of life.
    sign: Bytes,
    /// The client has left, and others wait for its answer: until they have, nobody is told.
    orphaned: Option<Orphaned>,
}

/// Waits until nobody wants the answer any more.
type Orphaned = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

impl Guarded {
    /// Guards `inner` by `watchdog`, until `departure`.
    pub fn new(inner: Stream, watchdog: Arc<Watchdog>, departure: Passenger) -> Self {
        let data: Box<dyn Any + Send + Sync> = Box::new(watchdog.clone());
        let (head, ()) = http::Response::new(()).into_parts();
        let digest = ProxyDigest::new(Box::new(ResponseHeader::from(head)), Some(data));
        Guarded {
            inner,
            gather: Gather::default(),
            watchdog,
            departure,
            digest: Arc::new(digest),
            timer: None,
            blocked_since: None,
            last_written: Instant::now(),
            sign: Bytes::new(),
            orphaned: None,
        }
    }

    /// The client has left. Pending while others wait for its answer; the deadline holds meanwhile.
    fn poll_orphaned(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.orphaned.is_none() {
            let Some(flight) = self.watchdog.patrons() else {
                return Poll::Ready(Ok(()));
            };
            self.orphaned = Some(Box::pin(async move { flight.deserted().await }));
        }
        if let Some(waiting) = &mut self.orphaned
            && waiting.as_mut().poll(context).is_pending()
            && self.watchdog.patrons().is_some()
        {
            ready!(self.poll_deadline(context))?;
            let passed = io::Error::new(io::ErrorKind::TimedOut, "deadline passed");
            return Poll::Ready(Err(passed));
        }
        self.orphaned = None;
        Poll::Ready(Ok(()))
    }

    /// Whether what is written goes nowhere: the client has left, and others wait for its answer.
    fn swallows<T>(&self, written: &Poll<io::Result<T>>) -> bool {
        matches!(written, Poll::Ready(Err(_))) && self.watchdog.patrons().is_some()
    }

    /// An error once connections are over.
    fn poll_departure(&self, context: &Context<'_>) -> io::Result<()> {
        match self.departure.poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// What has to wait for the client waits until connections are over.
    fn until_departure<T>(
        &self,
        written: Poll<io::Result<T>>,
        context: &Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_pending() {
            self.poll_departure(context)?;
        }
        written
    }

    /// Notes whether a write has to wait for the client, which is not the provider's time.
    fn note<T>(&mut self, written: Poll<T>) -> Poll<T> {
        match (&written, self.blocked_since) {
            (Poll::Pending, None) => self.blocked_since = Some(Instant::now()),
            (Poll::Ready(_), Some(since)) => {
                self.watchdog.postpone(since.elapsed());
                self.blocked_since = None;
            }
            _ => {}
        }
        written
    }

    /// Ready once the deadline has passed; else the task is woken when it does. A deadline that
    /// moves away costs nothing here: the timer rings early, and another is set then. A sign of life
    /// that is due is given meanwhile.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let deadline = self.watchdog.due();
            let every = self.watchdog.heartbeat.every();
            let beat = every.map(|every| self.last_written + every);
            let Some(next) = deadline.into_iter().chain(beat).min() else {
                return Poll::Pending;
            };
            match &mut self.timer {
                Some(timer) if timer.rings_at <= next => {
                    ready!(timer.sleep.as_mut().poll(context));
                    self.timer = None;
                    let now = Instant::now();
                    if deadline.is_some_and(|deadline| now >= deadline) {
                        self.watchdog.fire();
                        return Poll::Ready(Ok(()));
                    }
                    // A client that takes nothing for now must not stop the clock.
                    if beat.is_some_and(|beat| now >= beat)
                        && let Poll::Ready(Err(error)) = self.give_sign(context)
                    {
                        return Poll::Ready(Err(error));
                    }
                }
                _ => self.timer = Some(Timer::new(next)),
            }
        }
    }

    /// Writes a sign of life. Pingora flushes every piece of an answer, so that between two of them the
    /// stream stands at the end of a chunk.
    fn give_sign(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.gather.poll_send(&mut self.inner, context))?;
        self.last_written = Instant::now();
        if self.sign.is_empty()
            && let Some(sign) = self.watchdog.heartbeat.sign()
        {
            self.sign = Bytes::copy_from_slice(&sign);
        }
        ready!(self.poll_sign(context))?;
        // Where the client takes nothing for now, the next write or flush goes on with it.
        let _ = Pin::new(&mut self.inner).poll_flush(context)?;
        Poll::Ready(Ok(()))
    }

    /// Sends what was written.
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Guarded { gather, inner, .. } = self;
        ready!(gather.poll_send(inner, context))?;
        Pin::new(inner).poll_flush(context)
    }

    /// Writes what is left of a sign of life: nothing may come into the middle of it.
    fn poll_sign(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sign.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.sign))?;
            self.sign.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Ready once nothing stands in front of what is to be written.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.poll_sign(context);
        if sent.is_pending() {
            return self.note(Poll::Pending);
        }
        sent
    }

    fn note_time(&mut self) {
        if self.watchdog.heartbeat.every().is_some() {
            self.last_written = Instant::now();
        }
    }
}

/// Pingora's timer, which costs the runtime nothing while it waits.
struct Timer {
    rings_at: Instant,
    sleep: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Timer {
    fn new(rings_at: Instant) -> Self {
        let wait = rings_at.saturating_duration_since(Instant::now());
        Timer {
            rings_at,
            sleep: Box::pin(fast_sleep(wait)),
        }
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Guarded({:?})", self.inner)
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.inner).poll_read(context, buffer) {
            Poll::Ready(read) if read.is_err() || buffer.filled().len() == before => {
                ready!(self.poll_orphaned(context))?;
                Poll::Ready(read)
            }
            Poll::Pending => {
                self.poll_departure(context)?;
                ready!(self.poll_deadline(context))?;
                let passed = io::Error::new(io::ErrorKind::TimedOut, "deadline passed");
                Poll::Ready(Err(passed))
            }
            ready => ready,
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(context))?;
        self.note_time();
        let Guarded { gather, inner, .. } = &mut *self;
        let written = gather.poll_write(inner, context, bytes);
        let written = self.until_departure(written, context);
        if self.swallows(&written) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(context))?;
        self.note_time();
        let Guarded { gather, inner, .. } = &mut *self;
        let written = gather.poll_write_vectored(inner, context, slices);
        let written = self.until_departure(written, context);
        if self.swallows(&written) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_room(context))?;
        let flushed = self.poll_out(context);
        let flushed = self.until_departure(flushed, context);
        if self.swallows(&flushed) {
            return Poll::Ready(Ok(()));
        }
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for Guarded {
    async fn shutdown(&mut self) {
        // Where it cannot be sent, the client is not there to miss it.
        let _ = poll_fn(|context| self.poll_out(context)).await;
        self.inner.shutdown().await;
    }
}

#[async_trait]
impl Peek for Guarded {
    /// Pingora peeks for HTTP/2's preface before it reads; the deadline holds here too.
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        tokio::select! {
            peeked = self.inner.try_peek(buffer) => peeked,
            () = self.watchdog.expire() => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "deadline passed"))
            }
        }
    }
}

impl UniqueID for Guarded {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Guarded {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Guarded {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for Guarded {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(self.digest.clone())
    }
}

impl GetSocketDigest for Guarded {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}
