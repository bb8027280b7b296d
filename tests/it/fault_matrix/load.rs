//! Many requests over kept connections, and what became of each.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    CONNECTIONS,
    caller::Caller,
    fault::{GOOD, HALF},
};
use crate::support::{Answer, Http1, Request, all};

/// What a client has of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The whole answer, once.
    Good,
    /// The beginning of the answer and an error event.
    Ended,
    /// A plain answer whose connection was cut, and the client can tell.
    Cut,
    /// An error in the caller's shape.
    Error,
    /// None of these.
    Wrong,
}

/// One request.
#[derive(Debug)]
pub struct Turn {
    pub verdict: Verdict,
    pub answer: Option<Answer>,
    pub took: Duration,
}

impl Turn {
    /// `error.FIELD` of the answer.
    pub fn error(&self, caller: Caller, field: &str) -> String {
        let said = self.answer.as_ref().map(|answer| caller.said(answer));
        let error = said.and_then(|said| said.error).unwrap_or_default();
        error[field].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.as_ref()?.header(name)
    }

    pub fn status(&self) -> u16 {
        self.answer.as_ref().map_or(0, |answer| answer.status)
    }
}

/// Sends `request` `count` times.
pub async fn drive(
    address: SocketAddr,
    caller: Caller,
    request: &Request,
    count: usize,
) -> Vec<Turn> {
    let started = Arc::new(AtomicUsize::new(0));
    let worker = |_| {
        let (started, request) = (started.clone(), request.clone());
        async move {
            let mut turns = Vec::new();
            let mut kept = None;
            while started.fetch_add(1, Ordering::Relaxed) < count {
                let turn = ask(address, &mut kept, caller, &request).await;
                turns.push(turn);
            }
            turns
        }
    };
    let turns = all((0..CONNECTIONS.min(count)).map(worker)).await;
    turns.into_iter().flatten().collect()
}

/// Sends one request; the connection is kept after a good answer, and has to work then.
async fn ask(
    address: SocketAddr,
    kept: &mut Option<Http1>,
    caller: Caller,
    request: &Request,
) -> Turn {
    let begun = Instant::now();
    let mut client = match kept.take() {
        Some(client) => client,
        None => Http1::connect(address).await,
    };
    let answer = client.call(request).await.ok();
    let took = begun.elapsed();
    let verdict = answer
        .as_ref()
        .map_or(Verdict::Wrong, |answer| judge(caller, answer));
    if verdict == Verdict::Good {
        *kept = Some(client);
    }
    Turn {
        verdict,
        answer,
        took,
    }
}

/// What the client of this dialect makes of an answer.
pub fn judge(caller: Caller, answer: &Answer) -> Verdict {
    let kind = answer.header("content-type").unwrap_or_default();
    let is_stream = kind.starts_with("text/event-stream");
    let said = caller.said(answer);
    let has_source = said
        .error
        .as_ref()
        .is_some_and(|error| error["source"].is_string() && error["message"].is_string());
    match (answer.status, answer.whole) {
        (200, true) if said.is_complete && said.error.is_none() && said.text == GOOD => {
            Verdict::Good
        }
        (200, true) if is_stream && !said.is_complete && has_source && said.text == HALF => {
            Verdict::Ended
        }
        (200, false) if !is_stream && !said.is_complete => Verdict::Cut,
        (400.., true) if has_source && !is_stream => Verdict::Error,
        _ => Verdict::Wrong,
    }
}

/// How many turns ended so.
pub fn count(turns: &[Turn], verdict: Verdict) -> usize {
    turns.iter().filter(|turn| turn.verdict == verdict).count()
}

/// Fails with an example where a turn did not end in one of these ways.
#[track_caller]
pub fn expect(turns: &[Turn], allowed: &[Verdict], what: &str) {
    let others = turns.iter().filter(|turn| !allowed.contains(&turn.verdict));
    let others: Vec<&Turn> = others.collect();
    if let Some(example) = others.first() {
        panic!(
            "{what}: {} of {} requests ended otherwise than {allowed:?}, such as {example:?}",
            others.len(),
            turns.len()
        );
    }
}
