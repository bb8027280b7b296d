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

use super::{admission::Due, answer::Answer, context::Context, headers, next, receipt, respond};
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
    /// Whether it belongs to the second of two.
    is_second: bool,
    fate: Mutex<Fate>,
    held: Mutex<Held>,
    row: Mutex<Option<LeftRow>>,
    /// What its limits are to be told then.
    due: Mutex<Option<Due>>,
    /// Whether somebody served who was not asked for in the first place.
    has_strayed: AtomicBool,
    /// Whether the client has left, and the answer is made for others.
    has_left: AtomicBool,
    /// What a child left behind. It has no relay of its own meanwhile: they would hold each other for ever.
    next: Mutex<Option<Box<Context>>>,
}

/// What becomes of one of two that are asked the same: the request's one line is that of the winner.
#[derive(Default)]
enum Fate {
    /// There is no other, or it was slower.
    #[default]
    Winner,
    /// Nobody knows yet.
    Racing,
    /// Nobody knows yet, and it is over.
    Over(Box<Over>),
    /// The other was faster: this one never was.
    Loser,
}

/// A child that was over before anybody knew whether it was the request's.
pub struct Over {
    /// All that is known of it.
    pub context: Context,
    /// What the client got, if it got it.
    pub status: u16,
    /// Whether the client had left.
    pub is_gone: bool,
}

/// What becomes of an answer that is held back; decided once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Held {
    /// Nobody knows yet.
    #[default]
    Back,
    /// The client sees it.
    Shown,
    /// The client never sees it: another one takes its place.
    Dropped,
}

/// The row of a child's answer, ready to be written.
struct LeftRow(Arc<Journal>, Vec<u8>);

/// A child that is still to end when its parent has gone leaves its row to nobody.
impl Drop for Relay {
    fn drop(&mut self) {
        if !matches!(self.fate.get_mut(), Fate::Loser) {
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
        let hedge_after = hedge_after(context);
        let fate = match hedge_after {
            Some(_) => Fate::Racing,
            None => Fate::Winner,
        };
        let mut relay = Relay::default();
        relay.resumes = is_stream && rules.resume;
        relay.holds = is_stream && rules.hold_until_first_event;
        relay.hedge_after = hedge_after;
        relay.fate = Mutex::new(fate);
        let is_wanted = relay.resumes || relay.holds || relay.hedge_after.is_some();
        is_wanted.then_some(relay)
    }

    /// The same for the second of two.
    pub fn twin(&self) -> Relay {
        let mut twin = Relay::default();
        (twin.resumes, twin.holds) = (self.resumes, self.holds);
        twin.is_second = true;
        twin.fate = Mutex::new(Fate::Racing);
        twin
    }

    /// Whether it belongs to the second of two that race.
    pub fn is_second(&self) -> bool {
        self.is_second && matches!(*self.fate.lock(), Fate::Racing | Fate::Over(_))
    }

    /// The other one was faster.
    pub fn lose(&self) {
        *self.fate.lock() = Fate::Loser;
    }

    /// The other one was slower, or there is none. Gives back what is to be told where this one is over.
    pub fn win(&self) -> Option<Over> {
        match std::mem::take(&mut *self.fate.lock()) {
            Fate::Over(over) => Some(*over),
            _ => None,
        }
    }

    /// A child is over. Whether that is to be told now; where nobody knows yet, it is kept.
    pub fn conclude(&self, context: &mut Context, status: u16, is_gone: bool) -> bool {
        let mut fate = self.fate.lock();
        match *fate {
            Fate::Winner => true,
            Fate::Loser | Fate::Over(_) => false,
            Fate::Racing => {
                let mut context = context.hand_over();
                // They would hold each other for ever.
                context.relay = None;
                *fate = Fate::Over(Box::new(Over {
                    context,
                    status,
                    is_gone,
                }));
                false
            }
        }
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
        self.holds && *self.held.lock() == Held::Back
    }

    /// Leaves the row of an answer that ends with what comes next.
    pub fn leave_row(&self, journal: &Arc<Journal>, row: &Row<'_>) {
        let left = journal
            .frame(row)
            .map(|frame| LeftRow(journal.clone(), frame));
        *self.row.lock() = left;
    }

    /// Leaves what limits are to be told of an answer that ends with what comes next.
    pub(super) fn leave_due(&self, due: Option<Due>) {
        *self.due.lock() = due;
    }

    /// Writes the row that the child has left, and tells its limits: what ends its answer goes to the client now.
    pub fn write_row(&self) {
        if let Some(due) = self.due.lock().take() {
            due.settle();
        }
        if let Some(LeftRow(journal, frame)) = self.row.lock().take() {
            journal.append_frame(&frame);
        }
    }

    /// From now on the client sees the answer. `false` where it has been given up: nobody sees it.
    pub fn show(&self) -> bool {
        if !self.holds {
            return true;
        }
        let mut held = self.held.lock();
        if *held == Held::Back {
            *held = Held::Shown;
        }
        *held == Held::Shown
    }

    /// Gives an answer up of which the client sees nothing. `false` where it does.
    pub fn give_up(&self) -> bool {
        let mut held = self.held.lock();
        let is_unseen = self.holds && *held == Held::Back;
        if is_unseen {
            *held = Held::Dropped;
        }
        is_unseen
    }

    /// The context that the last child left, for another one to go on with.
    pub fn take(self: &Arc<Self>) -> Option<Box<Context>> {
        let mut left = self.next.lock().take()?;
        left.relay = Some(self.clone());
        let mut held = self.held.lock();
        if *held == Held::Dropped {
            *held = Held::Back;
        }
        Some(left)
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
        relay.show();
    }
}

/// An answer broke that had begun: finds out whether somebody can go on with it.
pub fn break_up(context: &mut Context, failure: Failure) {
    let Some(relay) = context.relay.clone() else {
        return;
    };
    if relay.give_up() {
        // Where nobody is left, the next child says so: the client has not seen a head yet.
        context.is_lost = !next::follow(context, failure);
        context.answer = Answer::Undecided;
        context.usage = None;
        (context.is_recorded, context.spent) = (false, None);
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
        context.usage = None;
        context.resuming = Some(streamed);
        context.leaving = Leaving::Context;
    }
}

/// Carries out what [`break_up`] found. `false` where there was nothing.
pub async fn leave(session: &mut Session, context: &mut Context) -> bool {
    match std::mem::take(&mut context.leaving) {
        Leaving::Nothing => false,
        Leaving::Context => {
            let mut next = context.hand_over();
            next.began = next.began.or(next.first_byte.take());
            if let Some(relay) = next.relay.take() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn holding() -> Relay {
        let mut relay = Relay::default();
        relay.holds = true;
        relay
    }

    #[test]
    fn an_answer_that_is_held_is_shown_or_given_up_and_never_both() {
        let relay = holding();
        assert!(relay.is_holding() && relay.show());
        assert!(!relay.is_holding() && !relay.give_up(), "the client has it");
        let relay = holding();
        assert!(relay.give_up() && !relay.show(), "another one comes");
        assert!(Relay::default().show() && !Relay::default().give_up());
    }
}
