//! A closed loop: each client sends its next request when it has its answer. It shows throughput, and
//! CPU time where a target has always something to do.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::wire::Stamp;

/// What a closed loop showed.
pub(crate) struct Closed {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) first_error: Option<String>,
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
        let mut client = Client::warm(target, &request);
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
        let cpu_before = cpu_seconds();
        go.wait();
        let started = Instant::now();
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
