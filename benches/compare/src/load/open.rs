//! A fixed rate: requests are sent when they are due, whatever became of those before. It shows
//! latency, and CPU time where a target sleeps between requests.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::wire::Stamp;

/// What a fixed rate showed, all in seconds; times are sorted.
#[derive(Default)]
pub(crate) struct Open {
    pub(crate) whole: Vec<f64>,
    pub(crate) first_byte: Vec<f64>,
    pub(crate) events: Vec<f64>,
    pub(crate) errors: u64,
    /// Of the target.
    pub(crate) cpu_seconds: f64,
}

/// How requests are sent.
pub(crate) struct Pace {
    pub(crate) connections: usize,
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) duration: Duration,
    /// Whether single events are timed.
    pub(crate) events: bool,
}

/// The clients' common clock and the requests that are still to be sent.
struct Queue<'a> {
    pace: &'a Pace,
    total: u64,
    next: AtomicU64,
    epoch: Instant,
    /// Nanoseconds from the epoch to the first due time.
    start: AtomicU64,
}

/// Sends requests at the rate of `pace`, each at its own due time. A request that is late
/// because earlier ones still hold every connection is timed from when it was due, so that a stall
/// is not left out (coordinated omission); one whose connection was free is timed from when it was
/// sent, so that the timer's own lateness is not charged to the target.
pub(crate) fn open(
    target: SocketAddr,
    request: &Stamp,
    pace: &Pace,
    cpu_seconds: impl Fn() -> f64,
) -> Open {
    let queue = Queue {
        pace,
        total: (pace.rate * pace.duration.as_secs_f64()) as u64,
        next: AtomicU64::new(0),
        epoch: Instant::now(),
        start: AtomicU64::new(0),
    };
    // Everyone has connected; the clock is set; the last answer is there; the CPU time is read.
    let phases = [(); 4].map(|()| Barrier::new(pace.connections + 1));
    let client = || {
        let mut client = Client::warm(target, request);
        if let (Ok(client), true) = (&mut client, pace.events) {
            client.event_delays = Some(Vec::new());
        }
        phases[0].wait();
        phases[1].wait();
        let open = queue.work(&mut client, request.clone());
        phases[2].wait();
        phases[3].wait();
        open
    };
    let mut all = Open::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..pace.connections).map(|_| scope.spawn(client)).collect();
        phases[0].wait();
        let cpu_before = cpu_seconds();
        let start = queue.epoch.elapsed() + Duration::from_millis(5);
        queue
            .start
            .store(start.as_nanos() as u64, Ordering::Release);
        phases[1].wait();
        phases[2].wait();
        all.cpu_seconds = cpu_seconds() - cpu_before;
        phases[3].wait();
        for client in clients {
            all.add(client.join().unwrap_or_default());
        }
    });
    for times in [&mut all.whole, &mut all.first_byte, &mut all.events] {
        times.sort_by(f64::total_cmp);
    }
    all
}

impl Queue<'_> {
    /// One client's part of the requests.
    fn work(&self, client: &mut std::io::Result<Client>, mut request: Stamp) -> Open {
        let mut open = Open::default();
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.total {
                break;
            }
            let from = self.wait_for(index);
            let Some(Ok(seen)) = client.as_mut().ok().map(|it| it.call(request.next())) else {
                open.errors += 1;
                break;
            };
            open.whole.push((seen.done - from).as_secs_f64());
            let first = seen.first_body_byte.saturating_duration_since(from);
            open.first_byte.push(first.as_secs_f64());
        }
        if let Ok(client) = client {
            let delays = client.event_delays.take().unwrap_or_default();
            open.events = delays.iter().map(Duration::as_secs_f64).collect();
        }
        open
    }

    /// Waits until a request is due; from when it is timed.
    fn wait_for(&self, index: u64) -> Instant {
        let start = Duration::from_nanos(self.start.load(Ordering::Acquire));
        let due = self.epoch + start + Duration::from_secs_f64(index as f64 / self.pace.rate);
        let free = Instant::now();
        if free >= due {
            return due;
        }
        thread::sleep(due - free);
        Instant::now()
    }
}

impl Open {
    fn add(&mut self, other: Open) {
        self.whole.extend(other.whole);
        self.first_byte.extend(other.first_byte);
        self.events.extend(other.events);
        self.errors += other.errors;
    }
}
