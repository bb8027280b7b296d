//! The record of a request, and its row in the journal: written once, before the last bytes of the answer
//! leave, so that no client has an answer of which nothing is known.
//!
//! A child does not know whether its answer is the one that the client gets, nor when: it leaves its row with
//! its parent ([`super::relay::Relay`]), who writes it before what comes with it.

use std::{borrow::Cow, ops::Range, time::Instant};

use http::{HeaderMap, header};
use pingora::http::ResponseHeader;
use pingora_proxy::Session;
use serde::Deserialize;

use super::{
    admission,
    answer::Answer,
    caching::Caching,
    context::{Context, Role},
    endpoints::Kind,
    local, tally,
};
use crate::{
    dialects::scan::{as_text, scan},
    error::{GatewayError, Outcome},
    price::Usd,
    usage::{
        labels::Labels,
        record::{Record, Used},
    },
};

/// Writes the row of a request whose answer ends now, unless that has been done. `status` is what the client
/// sees.
pub(super) fn write(session: &Session, context: &mut Context, status: u16) {
    if context.is_recorded || context.role == Role::Parent || !is_counted(context) {
        return;
    }
    context.is_recorded = true;
    price(context);
    admission::settle(context, status);
    let Some(journal) = context.gateway().journal() else {
        return;
    };
    // Who is not known says nothing that anybody would vouch for.
    let labels = match context.is_admitted {
        true => labels(session, context),
        false => Labels::default(),
    };
    let record = record(session, context, &labels, status);
    let tried = record.tried();
    let parts = tally::parts(context);
    let row = record.row(tried.as_deref(), parts.as_deref());
    match &context.relay {
        Some(relay) if context.role == Role::Child => relay.leave_row(journal, &row),
        _ if context.is_admitted => journal.append(&row),
        _ => journal.append_minor(&row),
    }
}

/// The same for an answer of a provider, whose last piece is about to be passed on.
pub(super) fn write_end(session: &Session, context: &mut Context) {
    // What is read first is answered later, by whoever has read it.
    if matches!(context.answer, Answer::Gathered(_) | Answer::Withheld(_)) {
        return;
    }
    let status = session.response_written().map(|head| head.status.as_u16());
    let attempt = context.attempt.as_ref();
    let status = status.or(attempt.and_then(|attempt| attempt.status));
    let status = match has_left(context) {
        true => 499,
        false => status.unwrap_or(200),
    };
    write(session, context, status);
}

/// Whether the client has left, and the answer is made for others who asked the same.
fn has_left(context: &Context) -> bool {
    let watchdog = context.watchdog.as_ref();
    let relay = context.relay.as_ref();
    watchdog.is_some_and(|watchdog| watchdog.has_left())
        || relay.is_some_and(|relay| relay.has_left())
}

/// The same for a piece of a stream that is not the last and tells the client that it is over: it may not wait
/// for more.
pub(super) fn write_closing(session: &Session, context: &mut Context, piece: &[u8]) {
    let is_closed = match &context.answer {
        _ if context.is_recorded => false,
        Answer::Plain(watched) => watched.is_closed(),
        Answer::Events(_) | Answer::Streamed(_) => context.caller.closing().is_in(piece),
        _ if matches!(context.caching, Caching::Coalesced(..)) => {
            context.caller.closing().is_in(piece)
        }
        _ => false,
    };
    if is_closed {
        write_end(session, context);
    }
}

/// The same where there will be no piece.
pub(super) fn write_bodyless(session: &Session, context: &mut Context, head: &ResponseHeader) {
    let status = head.status.as_u16();
    let length = head.headers.get(header::CONTENT_LENGTH);
    let is_bodyless = matches!(status, 204 | 304) || length.is_some_and(|length| length == "0");
    if is_bodyless && !matches!(context.answer, Answer::Gathered(_) | Answer::Withheld(_)) {
        write(session, context, status);
    }
}

/// Whether somebody used the gateway. Whoever looks whether it lives or administrates it does not.
fn is_counted(context: &Context) -> bool {
    !context.endpoint.is_some_and(|endpoint| {
        local::is_public(endpoint.kind) || endpoint.kind == Kind::Management
    })
}

/// What a request has used, and what that costs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// Of all attempts; `None` where nothing is known of any.
    pub used: Option<Used>,
    /// `None` where it is not known.
    pub cost: Option<Usd>,
}

/// Finds out what the request has used and cost, once.
pub(super) fn price(context: &mut Context) {
    if context.spent.is_none() {
        let used = tally::total(context);
        let cost = cost(context, used.as_ref());
        context.spent = Some(Spent { used, cost });
    }
}

/// What is known of the request by now; its cost where that has been found out.
pub(super) fn record<'a>(
    session: &'a Session,
    context: &'a Context,
    labels: &'a Labels<'a>,
    status: u16,
) -> Record<'a> {
    let spent = context.spent.unwrap_or_default();
    let head = session.req_header();
    let candidate = context.plan.current();
    let identity = &context.identity;
    let profile = identity.profile.as_ref();
    let refused = match &context.error {
        Some(GatewayError::InvalidKey(refused)) => Some(refused),
        _ => None,
    };
    let since = |at: Instant| at.saturating_duration_since(context.started);
    let latency = context.started.elapsed();
    let (found, served) = match (&context.caching, candidate) {
        (Caching::Hit(entry), _) => {
            let labels = &entry.labels;
            (
                Some(entry.body.len()),
                Some((&labels.provider, &labels.model)),
            )
        }
        (Caching::Coalesced(provider, model), _) => (None, Some((provider, model))),
        (_, Some(candidate)) if context.attempt.is_some() => {
            (None, Some((&candidate.provider.name, &candidate.model)))
        }
        _ => {
            let last = context.attempts.last();
            (None, last.map(|last| (&last.provider, &last.model)))
        }
    };
    let asked = candidate.filter(|_| context.attempt.is_some() || !context.attempts.is_empty());
    let spoken = asked.and_then(|candidate| {
        let attempt = context.attempt.as_ref();
        let current = attempt.map(|attempt| attempt.call.dialect);
        current.or_else(|| candidate.provider.dialect_for(context.caller.name()))
    });
    Record {
        id: context.id.as_str(),
        at: context.arrived,
        client: session
            .client_addr()
            .and_then(|address| Some(address.as_inet()?.ip())),
        account: identity.account().map(AsRef::as_ref),
        key: identity
            .key
            .as_deref()
            .or(refused.and_then(|fault| fault.key.as_deref())),
        team: identity.team.as_deref(),
        user: identity.user.as_deref(),
        project: identity.project().map(|project| &*project.id),
        budget: profile.and_then(|profile| Some(&*profile.budget.as_ref()?.id)),
        organization: profile.and_then(|profile| profile.organization.as_deref()),
        labels,
        method: head.method.as_str(),
        path: head.uri.path(),
        dialect: context.caller.name(),
        spoken: spoken.map(|dialect| dialect.name()),
        status,
        model: context.request.model.as_deref(),
        provider: served.map(|(provider, _)| &**provider),
        served_model: served.map(|(_, model)| &**model),
        cache: context.caching.name(),
        stream: context.request.stream,
        attempts: &context.attempts,
        is_trying: context.attempt.is_some(),
        error: context.error.as_ref().map(GatewayError::code),
        key_fault: refused.map(|refused| refused.fault.name()),
        latency,
        first_byte: context.began.or(context.first_byte).map(since),
        overhead: context.overhead(),
        bytes_in: context.body.len(),
        bytes_out: found.unwrap_or(context.bytes_out),
        used: spent.used,
        cost: spent.cost,
    }
}

/// What the request has cost: nothing where nobody was asked who could charge for it, and `None` where that
/// is not known.
fn cost(context: &Context, used: Option<&Used>) -> Option<Usd> {
    let is_counting = context
        .endpoint
        .is_some_and(|endpoint| endpoint.kind == Kind::CountTokens);
    if let Some(used) = used {
        return used.cost;
    }
    let is_free = |outcome| {
        matches!(
            outcome,
            Outcome::Dns | Outcome::HttpError | Outcome::Refused | Outcome::Tls
        )
    };
    let all_failed = context
        .attempts
        .iter()
        .all(|attempt| is_free(attempt.outcome));
    let is_free = is_counting || (context.attempt.is_none() && all_failed);
    is_free.then_some(Usd::ZERO)
}

/// What is said of the request: by its key, in headers of the gateway's or LiteLLM's, and in its body.
fn labels<'a>(session: &'a Session, context: &'a Context) -> Labels<'a> {
    labels_of(&session.req_header().headers, context)
}

/// The same, by its headers.
pub(super) fn labels_of<'a>(headers: &'a HeaderMap, context: &'a Context) -> Labels<'a> {
    let mut labels = Labels::default();
    // Those first that no client can crowd out.
    for tag in &context.own_tags {
        labels.tag(tag.as_str().into());
    }
    if context.has_wishes {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let tags = text("x-gateway-tags").or_else(|| text("x-litellm-tags"));
        for tag in tags.unwrap_or_default().split(',') {
            labels.tag(tag.trim().into());
        }
        let user = text("x-litellm-end-user-id").or_else(|| text("x-litellm-customer-id"));
        labels.end_user(user.unwrap_or_default().into());
    }
    let said = &context.request.labels;
    let value = |place: &Option<Range<usize>>| context.body.get(place.clone()?);
    if let Some(user) = value(&said.user).and_then(as_text) {
        labels.end_user(user);
    }
    // Where OpenAI's, Anthropic's and LiteLLM's clients put them.
    if let Some(metadata) = value(&said.metadata).and_then(|metadata| scan(metadata).ok()) {
        let tags = metadata.value("tags");
        let tags = tags.and_then(|tags| serde_json::from_slice::<Vec<Text<'_>>>(tags).ok());
        for Text(tag) in tags.unwrap_or_default() {
            labels.tag(tag);
        }
        if let Some(user) = metadata.value("user_id").and_then(as_text) {
            labels.end_user(user);
        }
    }
    labels
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
