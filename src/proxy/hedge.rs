//! A second candidate is asked where the first takes unusually long (`routing.hedge`). Whichever answers
//! first serves the request; the other one's client, as far as it can tell, has left.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingora::protocols::http::HttpTask;
use pingora_proxy::Session;

use super::{
    context::Context,
    delegate::{Child, Nursery, is_informational},
    next,
    relay::Relay,
    settle,
};
use crate::{error::GatewayError, routing::Contest};

/// The second of two, before it is asked.
pub(super) struct Rival {
    twin: Option<(Context, Relay)>,
    /// When it is.
    at: Instant,
    contest: Contest,
}

impl Rival {
    /// One that is asked the same as `first` after so long.
    pub(super) fn of(first: &mut Context, relay: &Relay, after: Duration) -> Self {
        Rival {
            twin: Some((first.twin(), relay.twin())),
            at: Instant::now() + after,
            contest: first.plan.contest(),
        }
    }
}

/// Waits for the first good answer of `first` or, once that has taken too long, of its rival. Gives back
/// who it was, and what it has said. Until that is known the rival asks nobody but the one that it was sent
/// to, neither tells what became of it, and none of them asks whom the other has asked.
///
/// # Errors
/// `ClientGone`.
pub(super) async fn race(
    session: &mut Session,
    nursery: &Nursery,
    first: Child,
    mut rival: Rival,
) -> Result<(Child, Vec<HttpTask>), GatewayError> {
    let mut runners = vec![Runner::new(first)];
    let place = loop {
        let is_waiting = rival.twin.is_some();
        let mut runner_iter = runners.iter_mut();
        let (one, other) = (runner_iter.next(), runner_iter.next());
        tokio::select! {
            () = hear(one) => {}
            () = hear(other) => {}
            left = session.downstream_session.read_body_or_idle(true) => {
                if left.is_err() {
                    break None;
                }
            }
            () = tokio::time::sleep_until(rival.at.into()), if is_waiting => {
                if let Some((mut context, relay)) = rival.twin.take()
                    && next::ask(&mut context, |asking, plan| asking.hedge(plan))
                {
                    context.gateway().metrics.hedges.inc();
                    context.relay = Some(Arc::new(relay));
                    runners.push(Runner::new(nursery.child(session, context)));
                }
            }
        }
        if let Some(place) = winner(&runners) {
            break Some(place);
        }
    };
    // Where the client has left, the first one's line is the request's.
    let won = runners.swap_remove(place.unwrap_or_default());
    runners.iter().for_each(|lost| lost.child.relay.lose());
    rival.contest.decide();
    if place.is_none() {
        won.child.abandon(session).await;
        return Err(GatewayError::ClientGone);
    }
    if let Some(mut over) = won.child.relay.win() {
        settle::tell(session, &mut over.context, over.status, over.is_gone);
    }
    Ok((won.child, won.said))
}

struct Runner {
    child: Child,
    said: Vec<HttpTask>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// An answer has begun.
    Good,
    /// An error, or nothing at all.
    Bad,
}

impl Runner {
    fn new(child: Child) -> Self {
        Runner {
            child,
            said: Vec::new(),
            state: State::Running,
        }
    }
}

/// Waits for what a child says next; for ever where it has said what matters, or is none.
async fn hear(runner: Option<&mut Runner>) {
    let Some(runner) = runner.filter(|runner| runner.state == State::Running) else {
        return std::future::pending().await;
    };
    let watchdog = runner.child.watchdog.clone();
    let heard = tokio::select! {
        task = runner.child.handle.rx.recv() => task,
        () = watchdog.expire() => {
            runner.child.poke();
            return;
        }
    };
    runner.state = match &heard {
        Some(task) if is_informational(task) => return,
        Some(HttpTask::Header(head, _)) if head.status.as_u16() < 400 => State::Good,
        _ => State::Bad,
    };
    runner.said.extend(heard);
}

/// The place of the one with a good answer; where all have failed, of the first.
fn winner(runners: &[Runner]) -> Option<usize> {
    let good = runners
        .iter()
        .position(|runner| runner.state == State::Good);
    let all_bad = runners.iter().all(|runner| runner.state == State::Bad);
    good.or(all_bad.then_some(0))
}
