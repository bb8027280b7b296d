//! The one door to everybody who costs something: may this request proceed, by the limits of all that it belongs to?
//! Asked once for a request, when it is known whether anybody has to be asked ([`super::settle::start`]) or its
//! answer is there already, and once more for the provider of each attempt. What came of it is told when the answer
//! ends ([`super::receipt`]), before its last bytes leave.

use std::{net::IpAddr, sync::Arc};

use http::HeaderMap;
use parking_lot::Mutex;
use pingora::http::RequestHeader;

use super::{
    caching::Caching,
    context::{Context, Role},
    endpoints::Kind as Route,
    refused::{no_room, too_many},
    subjects::{self, Subjects},
    tally,
};
use crate::{
    chat::usage::Usage,
    error::GatewayError,
    gateway::{Gateway, Snapshot},
    limits::{
        Admission, Now, Refusal, Standing, Table,
        edge::Entrance,
        subject::{Estimate, Kind, Rules, Subject},
    },
    price::Usd,
    routing::{Candidate, prompt::Reach},
    usage::record::Used,
};

/// A request's place in all limits that it counts against. Those who race for its answer share it.
pub(super) struct Ticket {
    admission: Mutex<Option<Admission>>,
    /// How the tightest limits stand.
    pub standing: Standing,
}

/// A request's place in the limits of a provider.
#[derive(Default)]
pub(super) enum Place {
    /// Nobody has asked.
    #[default]
    Unknown,
    /// There is one.
    Taken(Box<Admission>),
    /// There is none.
    Full(Box<Refusal>),
    /// Redis has to be waited for.
    Waits,
}

/// Lets a request in at the edge, before anybody knows whose it is.
///
/// # Errors
/// `Limited`.
pub(super) fn enter(
    context: &Context,
    address: Option<IpAddr>,
) -> Result<Option<Entrance>, GatewayError> {
    let edge = context.gateway().edge.load();
    match (&*edge, address) {
        (Some(edge), Some(address)) => edge.enter(address).map(Some).map_err(too_many),
        _ => Ok(None),
    }
}

/// Whether a request's answer has to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Somebody is asked.
    Made,
    /// It is there, or made for another: the request counts as one, and takes neither tokens nor money.
    Found,
}

/// Lets a request in.
///
/// # Errors
/// `Limited`.
pub(super) async fn admit(
    head: &RequestHeader,
    context: &mut Context,
    answer: Answer,
) -> Result<(), GatewayError> {
    match take(&head.headers, context, answer) {
        Taken::Free => Ok(()),
        Taken::Known(admitted) => settled(context, admitted),
        // Rare, and boxed so that the future of an ordinary request stays small.
        Taken::Waits(owned, ask) => Box::pin(wait(context, owned, ask)).await,
    }
}

/// What came of a look at a request's limits.
enum Taken {
    /// It has none.
    Free,
    /// It is in, or is not.
    Known(Result<Admission, Refusal>),
    /// Redis has to be waited for.
    Waits(Owned, Estimate),
}

type Owned = Vec<(Kind, Box<str>, Rules)>;

fn take(headers: &HeaderMap, context: &mut Context, answer: Answer) -> Taken {
    // One who followed another for nothing has counted already.
    context.ticket = None;
    if !context.snapshot.limits.is_on() {
        return Taken::Free;
    }
    let now = Now::read();
    let context = &*context;
    let parts = subjects::Parts::of(context, headers);
    let subjects = parts.subjects(context, now.wall);
    if subjects.is_empty() {
        return Taken::Free;
    }
    let ask = match answer {
        Answer::Made => estimate(context, &subjects, context.plan.current()),
        Answer::Found => Estimate::default(),
    };
    match context.gateway().limits.try_admit(&subjects, &ask, now) {
        Some(admitted) => Taken::Known(admitted),
        None => {
            let owned = |one: &Subject<'_>| (one.kind, one.id.into(), one.rules);
            Taken::Waits(subjects.iter().map(owned).collect(), ask)
        }
    }
}

async fn wait(context: &mut Context, owned: Owned, ask: Estimate) -> Result<(), GatewayError> {
    let limits = context.gateway().limits;
    let admitted = {
        let subjects: Subjects<'_> = owned
            .iter()
            .map(|(kind, id, rules)| Subject::new(*kind, id, *rules))
            .collect();
        limits.admit(&subjects, &ask, Now::read()).await
    };
    settled(context, admitted)
}

fn settled(
    context: &mut Context,
    admitted: Result<Admission, Refusal>,
) -> Result<(), GatewayError> {
    match admitted {
        Ok(admission) => {
            context.ticket = Some(Arc::new(Ticket {
                standing: *admission.standing(),
                admission: Mutex::new(Some(admission)),
            }));
            Ok(())
        }
        Err(refusal) => {
            // Its answer may have been found, and is not given.
            context.caching = Caching::Apart;
            Err(no_room(context, &refusal))
        }
    }
}

/// What a request will use, as far as its limits want to know.
fn estimate(
    context: &Context,
    subjects: &[Subject<'_>],
    candidate: Option<&Candidate>,
) -> Estimate {
    let has_price = subjects.iter().any(|one| one.rules.spend.is_some());
    let counts = has_price || subjects.iter().any(|one| one.rules.counts_tokens());
    let route = context.endpoint.map(|endpoint| endpoint.kind);
    let (true, Some(Route::Generate | Route::Provider(_))) = (counts, route) else {
        return Estimate::default();
    };
    let reach = match context.prompt.get() {
        Some(prompt) => prompt.into(),
        None => Reach::read(&context.body, &context.request.places),
    };
    let candidate = candidate.filter(|_| has_price);
    reserve(&context.snapshot.limits, reach, route, candidate)
}

/// What is reserved for a request that asks for so much, and its cost where a candidate for it is given.
fn reserve(
    table: &Table,
    reach: Reach,
    route: Option<Route>,
    candidate: Option<&Candidate>,
) -> Estimate {
    let most = reach.max_output_tokens.unwrap_or(table.answer_tokens());
    let output = match route {
        Some(Route::Provider("embeddings")) => 0,
        _ => most.saturating_mul(reach.answers.unwrap_or(1).max(1)),
    };
    let price = candidate.and_then(|candidate| candidate.provider.price(&candidate.model));
    Estimate {
        input_tokens: reach.tokens,
        output_tokens: output,
        cost: price.map_or(Usd::ZERO, |price| price.estimate(reach.tokens, output)),
    }
}

/// A copy's place in the limits of the provider that it goes to, which bound whatever is sent there; `None` where it
/// has none. A copy counts against nobody else.
///
/// # Errors
/// There is no room.
pub(super) async fn admit_copy(
    (gateway, snapshot): (&Gateway, &Snapshot),
    candidate: &Candidate,
    reach: impl FnOnce() -> Reach,
    route: Route,
) -> Result<Option<Admission>, Refusal> {
    let name = &candidate.provider.name;
    let table = &snapshot.limits;
    let rules = table.of_subject(Kind::Provider, name);
    if rules.is_empty() {
        return Ok(None);
    }
    let ask = reserve(table, reach(), Some(route), Some(candidate));
    let subject = [Subject::new(Kind::Provider, name, rules)];
    let admitted = gateway.limits.admit(&subject, &ask, Now::read()).await;
    admitted.map(Some)
}

/// Looks for a place in the limits of the current candidate's provider. `false` where Redis has to be waited for
/// ([`wait_for_provider`]).
pub(super) fn find_place(context: &mut Context, candidate: &Candidate) -> bool {
    if !matches!(context.place, Place::Unknown) {
        return true;
    }
    let Some((rules, ask)) = asked_of(context, candidate) else {
        return true;
    };
    let subject = Subject::new(Kind::Provider, &candidate.provider.name, rules);
    let found = context
        .gateway()
        .limits
        .try_admit(&[subject], &ask, Now::read());
    context.place = match found {
        Some(found) => found.into(),
        None => Place::Waits,
    };
    !matches!(context.place, Place::Waits)
}

/// Waits until Redis has said whether the provider has room.
pub(super) async fn wait_for_provider(context: &mut Context) {
    let candidate = context.plan.current().cloned();
    context.place = Place::Unknown;
    if let Some(candidate) = candidate
        && let Some((rules, ask)) = asked_of(context, &candidate)
    {
        let limits = context.gateway().limits;
        let subject = [Subject::new(
            Kind::Provider,
            &candidate.provider.name,
            rules,
        )];
        context.place = limits.admit(&subject, &ask, Now::read()).await.into();
    }
}

/// What a provider's limits are, and what they are asked for; `None` where it has none.
fn asked_of(context: &Context, candidate: &Candidate) -> Option<(Rules, Estimate)> {
    let name = &candidate.provider.name;
    let rules = context.snapshot.limits.of_subject(Kind::Provider, name);
    if rules.is_empty() {
        return None;
    }
    let subject = Subject::new(Kind::Provider, name, rules);
    Some((rules, estimate(context, &[subject], Some(candidate))))
}

impl From<Result<Admission, Refusal>> for Place {
    fn from(found: Result<Admission, Refusal>) -> Self {
        match found {
            Ok(admission) => Place::Taken(Box::new(admission)),
            Err(refusal) => Place::Full(Box::new(refusal)),
        }
    }
}

/// What a request has used of all its limits but its provider's.
pub(super) struct Due {
    ticket: Arc<Ticket>,
    usage: Usage,
    cost: Usd,
}

impl Due {
    /// Tells the limits, unless somebody who raced for the same answer has.
    pub(super) fn settle(self) {
        if let Some(admission) = self.ticket.admission.lock().take() {
            admission.settle(&self.usage, self.cost);
        }
    }
}

/// The answer ends with this status, as its client sees it, and what it has used is known: tells the limits.
/// Where that is nothing, the place is given back once nobody else may have use of it. A child does not know whether
/// its answer is the one that the client gets: it leaves that to its parent, as it does its row.
pub(super) fn settle(context: &mut Context, status: u16) {
    let used = context.spent.and_then(|spent| spent.used);
    let attempt = context.attempt.as_mut();
    let place = attempt.and_then(|attempt| attempt.place.take());
    // A stream whose client left has been answered in part.
    let is_answered = status < 400 || (status == 499 && context.bytes_out > 0);
    if used.is_none() && !is_answered {
        context.ticket = None;
        return;
    }
    if let Some(place) = place {
        let (usage, cost) = of(tally::of_attempt(context, true).as_ref());
        place.settle(&usage, cost);
    }
    let due = |ticket| {
        let (usage, cost) = of(used.as_ref());
        Due {
            ticket,
            usage,
            cost,
        }
    };
    match (&context.relay, context.role) {
        (Some(relay), Role::Child) => relay.leave_due(context.ticket.clone().map(due)),
        _ => context.ticket.take().map(due).map_or((), Due::settle),
    }
}

/// What counts of it: what costs something unknown costs nothing here.
fn of(used: Option<&Used>) -> (Usage, Usd) {
    used.map_or_else(Default::default, |used| {
        (used.usage, used.cost.unwrap_or_default())
    })
}
