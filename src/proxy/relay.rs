//! Answers that may come from more than one provider, one after the other: a stream that breaks is gone
//! on with (`routing.resume`), or begins anew where the client has seen nothing of it
//! (`routing.hold_until_first_event`). Pingora asks nobody else once an answer's head is out; so such a
//! request runs in a child ([`super::delegate`]), and where its provider fails the child hands its
//! [`Context`] back, for another child to take over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use pingora_proxy::Session;

use super::{
    answer::Answer,
    context::{Context, Role},
    headers, next, receipt, respond,
};
use crate::{error::GatewayError, routing::policy::Failure, row::Row, usage::journal::Journal};

/// What a parent and its children share.
#[derive(Default)]
pub struct Relay {
    /// Whether streams that break are gone on with.
    pub resumes: bool,
    /// Whether the client sees nothing before the first event with content.
    pub holds: bool,
    /// When a second candidate is asked the same.
    pub hedge_after: Option<Duration>,
    /// Whether the other of two was faster: then this one never was.
    has_lost: AtomicBool,
    has_content: AtomicBool,
    row: Mutex<Option<LeftRow>>,
    /// Whether somebody served who was not asked for in the first place.
    has_strayed: AtomicBool,
    /// Whether the client has left, and the answer is made for others.
    has_left: AtomicBool,
    next: Mutex<Option<Box<Context>>>,
}

/// The row of a child's answer, ready to be written.
struct LeftRow(Arc<Journal>, Vec<u8>);

/// A child that is still to end when its parent has gone leaves its row to nobody.
impl Drop for Relay {
    fn drop(&mut self) {
        if !self.has_lost() {
            self.write_row();
        }
    }
}

/// What a child leaves behind that could not end its answer itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Leaving {
    /// Nothing: it is over.
    #[default]
    Nothing,
    /// Its context: another child goes on.
    Context,
    /// The last bytes of a stream in which all else was said.
    Ending(Bytes),
}

impl Relay {
    /// For a request that asks for it; `None` for most.
    pub fn wanted(context: &Context) -> Option<Relay> {
        let rules = &context.snapshot.config.routing;
        if !context.generates() {
            return None;
        }
        let is_stream = context.request.stream && !context.is_http10;
        let mut relay = Relay::default();
        relay.resumes = is_stream && rules.resume;
        relay.holds = is_stream && rules.hold_until_first_event;
        relay.hedge_after = hedge_after(context);
        let is_wanted = relay.resumes || relay.holds || relay.hedge_after.is_some();
        is_wanted.then_some(relay)
    }

    /// The same for the second of two.
    pub fn twin(&self) -> Relay {
        let mut twin = Relay::default();
        (twin.resumes, twin.holds) = (self.resumes, self.holds);
        twin
    }

    /// The other one was faster.
    pub fn lose(&self) {
        self.has_lost.store(true, Ordering::Relaxed);
    }

    /// Whether the other one was faster.
    pub fn has_lost(&self) -> bool {
        self.has_lost.load(Ordering::Relaxed)
    }

    /// The client has left, and the answer is made for others.
    pub fn note_left(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }

    /// Whether the client has left, and the answer is made for others.
    pub fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// Learns who serves.
    pub fn note_server(&self, is_planned: bool) {
        self.has_strayed.fetch_or(!is_planned, Ordering::Relaxed);
    }

    /// Whether only those served who were asked for in the first place.
    pub fn is_planned(&self) -> bool {
        !self.has_strayed.load(Ordering::Relaxed)
    }

    /// Whether the client has to wait with what is there.
    pub fn is_holding(&self) -> bool {
        self.holds && !self.has_content.load(Ordering::Relaxed)
    }

    /// Leaves the row of an answer that ends with what comes next.
    pub fn leave_row(&self, journal: &Arc<Journal>, row: &Row<'_>) {
        let left = journal
            .frame(row)
            .map(|frame| LeftRow(journal.clone(), frame));
        *self.row.lock() = left;
    }

    /// Writes the row that the child has left: what ends its answer goes to the client now.
    pub fn write_row(&self) {
        if let Some(LeftRow(journal, frame)) = self.row.lock().take() {
            journal.append_frame(&frame);
        }
    }

    /// The context that the last child left.
    pub fn take(&self) -> Option<Box<Context>> {
        self.next.lock().take()
    }
}

/// How long the first candidate is waited for: as long as nearly all of its answers take.
fn hedge_after(context: &Context) -> Option<Duration> {
    let hedge = &context.snapshot.config.routing.hedge;
    let candidate = context.plan.current().filter(|_| hedge.enabled)?;
    let usual = candidate.health.recent.p95().unwrap_or_default();
    Some(usual.max(hedge.min_seconds.duration()))
}

/// Tells the parent once there is something to see.
pub fn note_content(context: &Context) {
    if let (Some(relay), Answer::Streamed(streamed)) = (&context.relay, &context.answer)
        && relay.is_holding()
        && streamed.has_content()
    {
        relay.has_content.store(true, Ordering::Relaxed);
    }
}

/// An answer broke that had begun: finds out whether somebody can go on with it.
pub fn break_up(context: &mut Context, failure: Failure) {
    let Some(relay) = context.relay.clone() else {
        return;
    };
    if relay.is_holding() {
        // Where nobody is left, the next child says so: the client has not seen a head yet.
        context.is_lost = !next::follow(context, failure);
        context.answer = Answer::Undecided;
        context.usage = None;
        context.leaving = Leaving::Context;
        return;
    }
    let Answer::Streamed(streamed) = &mut context.answer else {
        return;
    };
    if !relay.resumes {
        return;
    }
    if let Some(ending) = streamed.complete() {
        context.failure = None;
        context.leaving = Leaving::Ending(ending);
        return;
    }
    if streamed.can_go_on()
        && next::follow(context, failure)
        && let Answer::Streamed(streamed) = std::mem::take(&mut context.answer)
    {
        context.gateway().metrics.resumed_streams.inc();
        context.resuming = Some(streamed);
        context.leaving = Leaving::Context;
    }
}

/// Carries out what [`break_up`] found. `false` where there was nothing.
pub async fn leave(session: &mut Session, context: &mut Context) -> bool {
    match std::mem::take(&mut context.leaving) {
        Leaving::Nothing => false,
        Leaving::Context => {
            let mut empty = Context::new(context.gateway());
            empty.role = Role::Parent;
            empty.open = context.open.clone();
            let mut next = std::mem::replace(context, empty);
            next.began = next.began.or(next.first_byte.take());
            if let Some(relay) = next.relay.clone() {
                *relay.next.lock() = Some(Box::new(next));
            }
            true
        }
        Leaving::Ending(bytes) => {
            context.bytes_out += bytes.len();
            receipt::write(session, context, 200);
            if session.write_response_body(Some(bytes), true).await.is_ok() {
                let _ = session.as_mut().finish_body().await;
            }
            true
        }
    }
}

/// Ends a stream that nobody could go on with.
pub async fn end(session: &mut Session, context: &mut Context, error: GatewayError) {
    let Some(streamed) = context.resuming.take() else {
        return;
    };
    // The parent knows the head already.
    let head = headers::response(http::StatusCode::OK, http::HeaderMap::new());
    if session
        .write_response_header(Box::new(head), false)
        .await
        .is_ok()
    {
        context.answer = Answer::Streamed(streamed);
        respond::break_off(session, context, error).await;
    }
}
