//! Everything that a request counts against, and what holds for it: by the store's records, and where these say
//! nothing by the configuration.

use http::HeaderMap;
use smallvec::SmallVec;

use super::{caching::Caching, context::Context, receipt};
use crate::{
    identity::{
        Group,
        terms::{Budget, Limits as Terms},
    },
    limits::subject::{Kind, Rules, Subject},
};

/// As many as most requests have, at most.
pub(super) type Subjects<'a> = SmallVec<[Subject<'a>; 6]>;

/// What has to be put together before subjects can point at it.
pub(super) struct Parts {
    /// Limits of one model for a key or a team: their ids are made of both.
    of_models: SmallVec<[(Kind, String, Rules); 1]>,
    tags: Vec<String>,
}

impl Parts {
    /// Those of a request.
    pub(super) fn of(context: &Context, headers: &HeaderMap) -> Self {
        let mut parts = Parts {
            of_models: SmallVec::new(),
            tags: Vec::new(),
        };
        if context.snapshot.limits.limits_tags() {
            let labels = receipt::labels_of(headers, context);
            parts.tags = labels.tags.into_iter().map(Into::into).collect();
        }
        let Some(profile) = &context.identity.profile else {
            return parts;
        };
        let names = names(context);
        let own = &profile.terms;
        parts.note_models(
            Kind::KeyModel,
            &profile.id,
            (&own.limits, &own.budget),
            profile.since,
            names,
        );
        if let Some(team) = &profile.team {
            let now = team.now();
            let terms = (&now.terms.limits, &now.terms.budget);
            parts.note_models(Kind::TeamModel, &team.id, terms, now.since, names);
        }
        parts
    }

    fn note_models(
        &mut self,
        kind: Kind,
        id: &str,
        (limits, budget): (&Terms, &Budget),
        since: i64,
        names: [Option<&str>; 2],
    ) {
        if limits.models.is_empty() && budget.models.is_empty() {
            return;
        }
        let rules = |name: &str| {
            let rules = Rules::of_model(limits, budget, name, Some(since))?;
            Some((kind, format!("{id}\n{name}"), rules))
        };
        self.of_models
            .extend(names.into_iter().flatten().filter_map(rules));
    }

    /// All subjects of the request that have limits. `now` is in milliseconds since 1970.
    pub(super) fn subjects<'a>(&'a self, context: &'a Context, now: i64) -> Subjects<'a> {
        let table = &context.snapshot.limits;
        let identity = &*context.identity;
        let profile = identity.profile.as_ref();
        let mut subjects = Subjects::new();
        let mut add = |kind, id, rules: Rules| {
            if !rules.is_empty() {
                subjects.push(Subject::new(kind, id, rules));
            }
        };
        for (kind, id, rules) in &self.of_models {
            add(*kind, id, *rules);
        }
        if let Some(account) = identity.account() {
            let rules = match profile {
                Some(profile) => {
                    let (limits, budget) = (&profile.terms.limits, &profile.terms.budget);
                    let own = Rules::of(limits, budget, Some(profile.since), now);
                    match limits.is_unlimited() {
                        true => own.or(table.default_key()),
                        false => own,
                    }
                }
                None => table.of_subject(Kind::Key, account),
            };
            add(Kind::Key, account, rules);
        }
        let of_group = |group: &Group| {
            let standing = group.now();
            let (limits, budget) = (&standing.terms.limits, &standing.terms.budget);
            Rules::of(limits, budget, Some(standing.since), now)
        };
        let group = |group: Option<&'a std::sync::Arc<Group>>| group.map(|group| of_group(group));
        if let Some(user) = &identity.user {
            let own = group(profile.and_then(|profile| profile.user.as_ref())).unwrap_or_default();
            add(Kind::User, user, own.or(table.of_subject(Kind::User, user)));
        }
        for tag in &self.tags {
            add(Kind::Tag, tag, table.of_subject(Kind::Tag, tag));
        }
        if let Some(team) = &identity.team {
            let own = group(profile.and_then(|profile| profile.team.as_ref())).unwrap_or_default();
            add(Kind::Team, team, own.or(table.of_subject(Kind::Team, team)));
        }
        if let Some(project) = profile.and_then(|profile| profile.project.as_ref()) {
            add(Kind::Project, &project.id, of_group(project));
        }
        if let Some(budget) = profile.and_then(|profile| profile.budget.as_ref()) {
            add(Kind::Shared, &budget.id, of_group(budget));
        }
        let [asked, served] = names(context);
        for model in table.models(asked, served).into_iter().flatten() {
            add(Kind::Model, model, table.of_subject(Kind::Model, model));
        }
        add(Kind::Global, "", table.of_subject(Kind::Global, ""));
        subjects
    }
}

/// The model that was asked for, and the one that is to serve or has.
fn names(context: &Context) -> [Option<&str>; 2] {
    let asked = context.request.model.as_deref();
    let current = context.plan.current().map(|candidate| &*candidate.model);
    let served = match &context.caching {
        Caching::Hit(entry) => Some(&*entry.labels.model),
        _ => current,
    };
    [asked, served.filter(|served| Some(*served) != asked)]
}
