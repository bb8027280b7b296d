//! Copies of requests: what another target would have said. Decided once a request has been planned;
//! all else goes on in a thread of its own (`gateway::shadow`), so that the request waits for nothing.
//!
//! ```text
//! copy    whether, and what it takes along           (request's thread)
//! target  who gets it, if it has room                 ┐
//! send    written for that one, sent, answer read     ├ (the copies' thread)
//! report  metrics, one line of the log, one of a file ┘
//! ```

mod answer;
mod report;
mod send;

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, Uri};
use pingora::http::RequestHeader;

use super::{admission, context::Context, endpoints::Kind};
use crate::{
    dialects::{Dialect, Inspection},
    gateway::{Gateway, RequestId, Snapshot},
    health::{Target as TargetHealth, breaker::State},
    identity::Identity,
    limits::{Admission, Refusal},
    price,
    routing::{Candidate, chance, facts::Facts, prompt::Reach},
    upstream::provider::Provider,
};

/// Larger requests are not copied: their bodies would have to be held for a second provider.
const MAX_BODY_BYTES: usize = 8 << 20;

/// A copy, and all that it needs when its request is long over.
struct Shadow {
    gateway: Arc<Gateway>,
    snapshot: Arc<Snapshot>,
    id: RequestId,
    identity: Arc<Identity>,
    caller: &'static dyn Dialect,
    kind: Kind,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    request: Inspection,
    /// A pool, a model or `provider/model`.
    to: Arc<str>,
    /// Who is asked first for the request itself.
    primary: Candidate,
}

/// Has a planned request copied, where its route wants that and chance has it.
pub(super) fn copy(context: &Context, head: &RequestHeader) {
    let (Some((to, share)), Some(endpoint)) = (&context.plan.shadow, context.endpoint) else {
        return;
    };
    let is_copied = matches!(endpoint.kind, Kind::Generate | Kind::Provider(_))
        && chance::below(1_000_000) < u64::from(*share);
    let (true, Some(primary)) = (is_copied, context.plan.current()) else {
        return;
    };
    let gateway = context.gateway();
    let is_small = context.body.len() <= MAX_BODY_BYTES;
    let Some(leave) = gateway.shadows.leave().filter(|_| is_small) else {
        return report::count(gateway, None, "skipped", None);
    };
    let copy = Shadow {
        gateway: gateway.clone(),
        snapshot: context.snapshot.clone(),
        id: context.id,
        identity: context.identity.clone(),
        caller: context.caller,
        kind: endpoint.kind,
        uri: context.uri.clone(),
        headers: head.headers.clone(),
        body: context.body.clone(),
        request: context.request.clone(),
        to: to.clone(),
        primary: primary.clone(),
    };
    leave.use_for(copy.make());
}

impl Shadow {
    async fn make(self) {
        let Some(target) = self.target() else {
            return report::count(&self.gateway, None, "unavailable", None);
        };
        let Ok(place) = self.place(&target).await else {
            return report::count(&self.gateway, None, "skipped", None);
        };
        let began = Instant::now();
        let told = self.send(&target).await;
        let took = began.elapsed();
        if let (Some(place), Some(..400)) = (place, told.status) {
            let usage = told.usage.unwrap_or_default();
            let price = target.provider.price(&target.model);
            place.settle(&usage, price::cost(price, &usage).unwrap_or_default());
        }
        self.report(&target, &told, took);
    }

    /// Its place in the limits of its target's provider.
    async fn place(&self, target: &Candidate) -> Result<Option<Admission>, Refusal> {
        let reach = || Reach::read(&self.body, &self.request.places);
        let house = (&*self.gateway, &*self.snapshot);
        admission::admit_copy(house, target, reach, self.kind).await
    }

    /// Who gets it, picked as for a request; but nobody who is not well: a copy helps nobody to find
    /// out about that, and its failure counts nowhere.
    fn target(&self) -> Option<Candidate> {
        let router = &self.snapshot.router;
        let asked = self.request.model.as_deref().map(Into::into);
        let stage = router.fallback(&self.to, asked.as_ref())?;
        let prompt = OnceLock::new();
        let facts = Facts {
            key: self.identity.key.as_deref(),
            team: self.identity.team.as_deref(),
            own_tags: &[],
            headers: None,
            has_wishes: false,
            stream: false,
            body: &self.body,
            prompt: &prompt,
        };
        let now = Instant::now();
        let project = self.identity.project();
        let project = project.map(|project| &*project.id);
        let is_well = |provider: &Provider, model: &str, health: &TargetHealth| {
            !provider.is_closed_to(project)
                && health.breaker.state(now) == State::Closed
                && provider.health.is_up()
                && provider.credential.has_token()
                && provider.credential.has_free_key(now)
                && provider.allows(model)
        };
        let (_, candidate) = stage.pick(&facts, now, false, &is_well)?;
        Some(candidate.of_project(project))
    }
}
