//! The two ways to load a target: in a closed loop, for CPU time and throughput, and at a fixed rate,
//! for latency.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, Stamp};

/// What a closed loop showed.
pub(crate) struct Closed {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) first_error: Option<String>,
}

/// What a fixed rate showed, all in seconds and sorted.
#[derive(Default)]
pub(crate) struct Open {
    pub(crate) whole: Vec<f64>,
    pub(crate) first_byte: Vec<f64>,
    pub(crate) events: Vec<f64>,
    pub(crate) errors: u64,
}

/// Lets `connections` clients call one after another until `duration` is over. Each connects and
/// calls once before the clock starts, so that connections are not part of what is measured.
pub(crate) fn closed(
    target: SocketAddr,
    request: &Stamp,
    connections: usize,
    duration: Duration,
    cpu_seconds: impl Fn() -> f64,
) -> Closed {
    let (ready, go, done) = (
        Barrier::new(connections + 1),
        Barrier::new(connections + 1),
        Barrier::new(connections + 1),
    );
    let release = Barrier::new(connections + 1);
    let client = || {
        let mut request = request.clone();
        let mut client = Client::connect(target).and_then(|mut client| {
            client.call(request.next())?;
            Ok(client)
        });
        ready.wait();
        go.wait();
        let end = Instant::now() + duration;
        let (mut requests, mut error) = (0, None);
        while error.is_none() && Instant::now() < end {
            let called = match &mut client {
                Ok(client) => client.call(request.next()).map(drop),
                Err(error) => Err(std::io::Error::other(error.to_string())),
            };
            match called {
                Ok(()) => requests += 1,
                Err(failed) => error = Some(failed.to_string()),
            }
        }
        done.wait();
        release.wait();
        (requests, error)
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..connections).map(|_| scope.spawn(client)).collect();
        ready.wait();
        let (started, cpu_before) = (Instant::now(), cpu_seconds());
        go.wait();
        done.wait();
        let (seconds, cpu_after) = (started.elapsed().as_secs_f64(), cpu_seconds());
        release.wait();
        let mut closed = Closed {
            requests: 0,
            errors: 0,
            seconds,
            cpu_seconds: cpu_after - cpu_before,
            first_error: None,
        };
        for client in clients {
            let (requests, error) = client.join().unwrap_or((0, Some("a client died".into())));
            closed.requests += requests;
            closed.errors += u64::from(error.is_some());
            closed.first_error = closed.first_error.or(error);
        }
        closed
    })
}

/// Sends `rate` requests a second for `duration`, each at its own due time. A request that is late
/// because earlier ones still hold every connection is timed from when it was due, so that a stall
/// is not left out (coordinated omission); one whose connection was free is timed from when it was
/// sent, so that the timer's own lateness is not charged to the target.
pub(crate) fn open(
    target: SocketAddr,
    request: &Stamp,
    connections: usize,
    rate: f64,
    duration: Duration,
    events: bool,
) -> Open {
    let total = (rate * duration.as_secs_f64()) as u64;
    let next = AtomicU64::new(0);
    let ready = Barrier::new(connections);
    let epoch = Instant::now();
    let started = AtomicU64::new(0);
    let client = || {
        let mut open = Open::default();
        let mut request = request.clone();
        let mut client = Client::connect(target).and_then(|mut client| {
            client.call(request.next())?;
            Ok(client)
        });
        if let (Ok(client), true) = (&mut client, events) {
            client.event_delays = Some(Vec::new());
        }
        if ready.wait().is_leader() {
            let at = epoch.elapsed() + Duration::from_millis(5);
            started.store(at.as_nanos() as u64, Ordering::Release);
        }
        ready.wait();
        let start = epoch + Duration::from_nanos(started.load(Ordering::Acquire));
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= total {
                break;
            }
            let due = start + Duration::from_secs_f64(index as f64 / rate);
            let free = Instant::now();
            let from = if free < due {
                thread::sleep(due - free);
                Instant::now()
            } else {
                due
            };
            match client.as_mut().map(|client| client.call(request.next())) {
                Ok(Ok(seen)) => {
                    open.whole.push((seen.done - from).as_secs_f64());
                    let first = seen.first_body_byte.saturating_duration_since(from);
                    open.first_byte.push(first.as_secs_f64());
                }
                _ => {
                    open.errors += 1;
                    break;
                }
            }
        }
        if let Ok(client) = client {
            let delays = client.event_delays.unwrap_or_default();
            open.events = delays.iter().map(Duration::as_secs_f64).collect();
        }
        open
    };
    let mut all = Open::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..connections).map(|_| scope.spawn(client)).collect();
        for client in clients {
            let Ok(open) = client.join() else { continue };
            all.whole.extend(open.whole);
            all.first_byte.extend(open.first_byte);
            all.events.extend(open.events);
            all.errors += open.errors;
        }
    });
    for times in [&mut all.whole, &mut all.first_byte, &mut all.events] {
        times.sort_by(f64::total_cmp);
    }
    all
}

/// Opens `count` streams that stay open, calls `during` while all of them are, and waits for
/// their end.
pub(crate) fn held<T>(
    target: SocketAddr,
    request: &[u8],
    count: usize,
    hold: Duration,
    during: impl FnOnce() -> T,
) -> T {
    thread::scope(|scope| {
        for _ in 0..count {
            let _ = thread::Builder::new()
                .stack_size(256 << 10)
                .spawn_scoped(scope, || {
                    Client::connect(target).and_then(|mut client| client.call(request))
                });
        }
        thread::sleep(hold);
        during()
    })
}
