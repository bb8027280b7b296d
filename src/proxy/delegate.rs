//! Serves a request through a child of its session, where the session itself cannot: a body of
//! unknown length beyond Pingora's retry buffer, and requests over HTTP/2, on whose shared
//! connection no clock of their own can sit.
//!
//! The child is one of Pingora's subrequests. It takes over the whole [`Context`] and runs the
//! same phases; this side carries its answer to the client, watches whether the client is still
//! there, and wakes the child when its deadline has passed. Pingora's own `pipe_subrequest` does
//! neither of the latter two.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, Version, header};
use pingora::{
    Error, ErrorType,
    http::RequestHeader,
    protocols::http::{HttpTask, subrequest::server::SubrequestHandle},
};
use pingora_proxy::{
    Session, SubrequestSpawner,
    subrequest::{BodyMode, Ctx as SubrequestContext},
};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    context::{Context, Role},
    headers, hedge, recording,
    relay::Relay,
    settle,
    watchdog::Watchdog,
};
use crate::{cache::flights::Flight, error::GatewayError};

/// A child's whole body, as far as Pingora is concerned.
const STAND_IN: Bytes = Bytes::from_static(b"!");

/// Pieces of an answer that are held back, at most.
const MAX_HELD: usize = 256;

/// Pieces of an answer that are written to the client in one go, at most.
const MAX_BATCH: usize = 4;

/// Runs the request in a child until it is answered; where the child leaves its context behind, in
/// another one.
///
/// # Errors
/// Where no child could be made, or the client's side failed; the child knows by then.
pub async fn run(
    session: &mut Session,
    context: &mut Context,
    relay: Relay,
) -> Result<(), GatewayError> {
    let Some(spawner) = session.subrequest_spawner.take() else {
        return Err(GatewayError::Internal(
            "no subrequest can be made here".into(),
        ));
    };
    let mut parent = Context::new(context.gateway());
    parent.role = Role::Parent;
    parent.id = context.id;
    parent.caller = context.caller;
    // One request, counted once.
    parent.open = context.open.clone();
    parent.entrance = context.entrance.take();
    let mut next = std::mem::replace(context, parent);
    // What is kept is what the client gets, whoever of the children makes it.
    context.recording = next.recording.take();
    context.hides_usage = std::mem::take(&mut next.hides_usage);
    let nursery = Nursery {
        stand_in: stand_in(session, &next.body),
        spawner,
    };
    as_http1(session.req_header_mut());
    let rival = relay
        .hedge_after
        .map(|after| hedge::Rival::of(&mut next, &relay, after));
    next.relay = Some(Arc::new(relay));
    let mut child = nursery.child(session, next);
    let mut begun = Vec::new();
    if let Some(rival) = rival {
        (child, begun) = hedge::race(session, &nursery, child, rival).await?;
    }
    loop {
        let Child {
            handle,
            watchdog,
            relay,
            task,
        } = child;
        let mut held = Vec::new();
        let first = std::mem::take(&mut begun);
        let carried = carry(
            session, context, handle, &watchdog, &relay, first, &mut held,
        )
        .await;
        // The handle is gone: a child that still runs sees its client leave, and settles.
        let _ = task.await;
        match (carried, relay.take()) {
            (Ok(_), Some(left)) => child = nursery.child(session, *left),
            (Ok(is_done), None) => return end(session, context, &relay, held, is_done).await,
            (Err(error), left) => {
                if let Some(left) = left {
                    settle::abandon(session, *left);
                }
                return Err(error);
            }
        }
    }
}

/// Makes children.
pub(super) struct Nursery {
    spawner: SubrequestSpawner,
    stand_in: (Bytes, Bytes),
}

/// A child that runs.
pub(super) struct Child {
    /// The way to it and from it.
    pub(super) handle: SubrequestHandle,
    /// Its clock.
    pub(super) watchdog: Arc<Watchdog>,
    /// What it shares with its parent.
    pub(super) relay: Arc<Relay>,
    task: JoinHandle<()>,
}

impl Nursery {
    /// A child that goes on with `context`.
    pub(super) fn child(&self, session: &Session, mut context: Context) -> Child {
        let watchdog = Arc::new(Watchdog::new());
        let relay = context.relay.get_or_insert_default().clone();
        context.role = Role::Child;
        context.watchdog = Some(watchdog.clone());
        let subrequest_context = SubrequestContext::builder()
            .body_mode(BodyMode::ExpectBody)
            .user_ctx(Box::new(Some(context)))
            .build();
        let (subrequest, handle) = self
            .spawner
            .create_subrequest(session.as_downstream(), subrequest_context);
        let (before, last) = &self.stand_in;
        if !before.is_empty() {
            let _ = handle
                .tx
                .try_send(HttpTask::Body(Some(before.clone()), false));
        }
        let _ = handle.tx.try_send(HttpTask::Body(Some(last.clone()), true));
        Child {
            handle,
            watchdog,
            relay,
            task: tokio::spawn(subrequest.run()),
        }
    }
}

impl Child {
    /// Lets it go, for its client has left; what becomes of the request is told.
    pub(super) async fn abandon(self, session: &Session) {
        let over = self.relay.win();
        // It sees its client leave, and settles.
        drop(self.handle);
        let _ = self.task.await;
        let left = self.relay.take().map(|left| *left);
        let untold = over.map(|over| over.context).or(left);
        if let Some(context) = untold {
            settle::abandon(session, context);
        }
    }

    /// Wakes it: its deadline has passed. A body where none is expected fails its wait for its client.
    pub(super) fn poke(&self) {
        let _ = self
            .handle
            .tx
            .try_send(HttpTask::Body(Some(STAND_IN), false));
    }
}

/// The last child is over.
async fn end(
    session: &mut Session,
    context: &mut Context,
    relay: &Relay,
    mut held: Vec<HttpTask>,
    mut is_done: bool,
) -> Result<(), GatewayError> {
    if !held.is_empty() {
        keep(context, None, &mut held);
        relay.write_row();
        let written = session.write_response_tasks(held).await;
        is_done |= written.map_err(|_| GatewayError::ClientGone)?;
    }
    match is_done {
        true => Ok(()),
        // The child gave an answer up after it had begun: the client must see that it broke off.
        false if session.response_written().is_some() => Err(GatewayError::ClientGone),
        false => Err(GatewayError::Internal(
            "the request was not answered".into(),
        )),
    }
}

/// A child parses its head anew, and knows HTTP/1.1 only. Its body stands in for the real one, so that
/// Pingora has something to send and `request_body_filter` something to replace. What the provider sees
/// is written from the configuration, so none of this reaches it.
fn as_http1(head: &mut RequestHeader) {
    head.set_version(Version::HTTP_11);
    head.remove_header(&header::TRANSFER_ENCODING);
    let _ = head.insert_header(header::CONTENT_LENGTH, HeaderValue::from_static("1"));
    if !head.headers.contains_key(header::HOST) {
        let _ = head.insert_header(header::HOST, HeaderValue::from_static("gateway"));
    }
}

/// What stands in for a child's body, as long as its head says: its last byte, and what comes before. The
/// child of an HTTP/1.1 session sees the head as it came, that of an HTTP/2 session sees ours.
fn stand_in(session: &Session, body: &Bytes) -> (Bytes, Bytes) {
    let is_sized = session
        .req_header()
        .headers
        .contains_key(header::CONTENT_LENGTH);
    match body.len().checked_sub(1) {
        Some(last) if is_sized && !session.is_http2() => (body.slice(..last), body.slice(last..)),
        _ => (Bytes::new(), STAND_IN),
    }
}

/// Reads what stands in for the body, the last byte of it into Pingora's retry buffer, which holds no more
/// than 64 KiB.
pub async fn read_stand_in(session: &mut Session) -> pingora::Result<()> {
    let length = session.req_header().headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let mut left: usize = length.unwrap_or(1);
    let mut is_kept = false;
    loop {
        if left <= 1 && !is_kept {
            is_kept = true;
            session.as_mut().enable_retry_buffering();
        }
        match session.as_mut().read_request_body().await? {
            Some(piece) => left = left.saturating_sub(piece.len()),
            None => return Ok(()),
        }
    }
}

/// The context that a child inherits.
pub fn inherited(session: &mut Session) -> Option<Context> {
    let data = session.subrequest_ctx.as_mut()?.user_ctx_mut()?;
    data.downcast_mut::<Option<Context>>()?.take()
}

/// Takes a child's answer to the client. Gives back whether that was its end; what the client must not see
/// yet is in `held`.
async fn carry(
    session: &mut Session,
    context: &mut Context,
    handle: SubrequestHandle,
    watchdog: &Watchdog,
    relay: &Relay,
    begun: Vec<HttpTask>,
    held: &mut Vec<HttpTask>,
) -> Result<bool, GatewayError> {
    let SubrequestHandle { tx, mut rx, .. } = handle;
    let mut is_done = false;
    let mut begun = begun.into_iter();
    let mut last_written = Instant::now();
    // Others wait for the answer of a client that has left.
    let mut orphaned: Option<Arc<Flight>> = None;
    loop {
        let beat = watchdog
            .heartbeat
            .every()
            .filter(|_| !is_done && orphaned.is_none());
        let silence = beat.map(|every| last_written + every);
        tokio::select! {
            task = next_task(&mut begun, &mut rx) => {
                let Some(task) = task else { break };
                let mut tasks = batch(task, &mut rx);
                if session.response_written().is_some() {
                    // Of a child that goes on with an answer.
                    tasks.retain(|task| !matches!(task, HttpTask::Header(..)));
                }
                held.append(&mut tasks);
                let may_wait = held.len() < MAX_HELD && !held.iter().any(is_last);
                if held.is_empty() || (relay.is_holding() && may_wait) {
                    continue;
                }
                if !relay.show() {
                    held.clear();
                    continue;
                }
                let mut tasks = std::mem::take(held);
                keep(context, Some(relay), &mut tasks);
                if orphaned.is_some() {
                    is_done |= tasks.iter().any(is_last);
                    continue;
                }
                relay.write_row();
                let began = Instant::now();
                last_written = began;
                match session.write_response_tasks(tasks).await {
                    Ok(done) => {
                        is_done |= done;
                        watchdog.postpone(began.elapsed());
                    }
                    Err(_) => orphaned = Some(others(context, relay)?),
                }
            }
            left = session.downstream_session.read_body_or_idle(true), if !is_done && orphaned.is_none() => {
                if left.is_err() {
                    orphaned = Some(others(context, relay)?);
                }
            }
            () = deserted(orphaned.as_deref()), if orphaned.is_some() => {
                return Err(GatewayError::ClientGone);
            }
            () = reached(silence), if silence.is_some() => {
                last_written = Instant::now();
                let sign = watchdog.heartbeat.sign().filter(|_| session.response_written().is_some());
                if let Some(sign) = sign {
                    let sign = HttpTask::Body(Some(Bytes::copy_from_slice(&sign)), false);
                    let sent = session.write_response_tasks(vec![sign]).await;
                    sent.map_err(|_| GatewayError::ClientGone)?;
                    watchdog.postpone(last_written.elapsed());
                }
            }
            () = watchdog.expire() => {
                // A body where none is expected fails the child's wait for its client.
                let poke = HttpTask::Body(Some(STAND_IN), false);
                let _ = tx.try_send(poke);
            }
        }
    }
    match orphaned {
        // The answer is whole, for the others.
        Some(_) => Err(GatewayError::ClientGone),
        None => Ok(is_done),
    }
}

/// Those who wait for the answer of a client that has left.
fn others(context: &Context, relay: &Relay) -> Result<Arc<Flight>, GatewayError> {
    let flight = context
        .recording
        .as_ref()
        .map(|recording| recording.flight());
    let followed = flight.filter(|flight| flight.is_followed());
    let flight = followed.cloned().ok_or(GatewayError::ClientGone)?;
    relay.note_left();
    Ok(flight)
}

async fn deserted(flight: Option<&Flight>) {
    match flight {
        Some(flight) => flight.deserted().await,
        None => std::future::pending().await,
    }
}

/// Keeps what the client gets.
fn keep(context: &mut Context, relay: Option<&Relay>, tasks: &mut [HttpTask]) {
    if context.recording.is_none() && !context.hides_usage {
        return;
    }
    for task in tasks {
        match task {
            HttpTask::Header(head, is_end) => {
                let is_planned = relay.is_none_or(Relay::is_planned);
                match (head.status, &mut context.recording) {
                    (StatusCode::OK, Some(recording)) if !*is_end => {
                        recording.begin(head, is_planned);
                    }
                    (status, _) => recording::refuse(context, status),
                }
                if context.hides_usage {
                    // The child did not know.
                    headers::without_length(head);
                }
            }
            HttpTask::Body(body, is_end) => recording::pass(context, body, *is_end),
            HttpTask::Done => recording::finish(context),
            _ => {}
        }
    }
}

fn is_last(task: &HttpTask) -> bool {
    match task {
        HttpTask::Header(_, is_end) | HttpTask::Body(_, is_end) => *is_end,
        _ => true,
    }
}

async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

async fn next_task(
    begun: &mut impl Iterator<Item = HttpTask>,
    rx: &mut mpsc::Receiver<HttpTask>,
) -> Option<HttpTask> {
    match begun.next() {
        Some(task) => Some(task),
        None => rx.recv().await,
    }
}

/// Whatever of the answer is here already. Informational heads stay here, as everywhere.
fn batch(first: HttpTask, rx: &mut mpsc::Receiver<HttpTask>) -> Vec<HttpTask> {
    let mut tasks = vec![first];
    while tasks.len() < MAX_BATCH
        && let Ok(task) = rx.try_recv()
    {
        tasks.push(task);
    }
    tasks.retain(|task| !is_informational(task));
    tasks
}

pub(super) fn is_informational(task: &HttpTask) -> bool {
    matches!(task, HttpTask::Header(head, _) if head.status.is_informational())
}

/// The error that makes Pingora drop a client's session without another word.
pub fn dropped() -> Box<Error> {
    Error::new_down(ErrorType::ConnectionClosed)
}
