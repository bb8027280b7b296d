//! What rows come to: by the hour, by tag, and what has been spent by whom.

use std::{borrow::Cow, collections::BTreeMap};

use super::names::Names;
use crate::{
    price::Usd,
    row::{Row, beginning},
};

/// An hour in milliseconds.
pub(super) const HOUR: u64 = 3_600_000;
/// Groups are parts of keys, which Postgres bounds.
const MAX_GROUP_BYTES: usize = 255;

/// What sums are told apart by, as the database has it in the end.
pub(super) type Name<'r> = Cow<'r, str>;

/// What rows come to. In order, so that all who add to the same lines do so one after the other.
#[derive(Debug, Default)]
pub(super) struct Sums<'r> {
    hours: BTreeMap<Group<'r>, ByKey<'r>>,
    tags: BTreeMap<(u64, Name<'r>), Counts>,
    /// By scope and id.
    spent: BTreeMap<(&'static str, Name<'r>), Spent>,
}

/// What requests are summed up by. What is not known is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group<'r> {
    pub(super) hour: u64,
    pub(super) account: Name<'r>,
    pub(super) team: Name<'r>,
    pub(super) user: Name<'r>,
    pub(super) project: Name<'r>,
    pub(super) provider: Name<'r>,
    pub(super) model: Name<'r>,
}

/// The sums of a group, and what people call its key.
#[derive(Debug, Clone, Default)]
pub(super) struct ByKey<'r> {
    pub(super) label: Name<'r>,
    pub(super) counts: Counts,
}

/// A line of sums, with what it is a sum of.
#[derive(Debug, Clone)]
pub(super) struct Line<Of, Sum> {
    pub(super) of: Of,
    pub(super) sum: Sum,
}

/// Sums of requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) failures: u64,
    pub(super) hits: u64,
    pub(super) unpriced: u64,
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) cached: u64,
    pub(super) cache_write: u64,
    pub(super) reasoning: u64,
    pub(super) cost: Usd,
    pub(super) latency_us: u64,
}

/// What somebody has spent.
#[derive(Debug, Clone, Default)]
pub(super) struct Spent {
    pub(super) amount: Usd,
    pub(super) first_at: u64,
    pub(super) last_at: u64,
}

impl<'r> Sums<'r> {
    /// Of these rows.
    pub(super) fn of<'a>(rows: impl IntoIterator<Item = &'a Row<'r>>, names: &mut Names) -> Self
    where
        'r: 'a,
    {
        let mut sums = Sums::default();
        rows.into_iter().for_each(|row| sums.add(row, names));
        sums
    }

    /// The lines by the hour.
    pub(super) fn hours(&mut self) -> Vec<Line<Group<'r>, ByKey<'r>>> {
        lines(&mut self.hours)
    }

    /// The lines by hour and tag.
    pub(super) fn tags(&mut self) -> Vec<Line<(u64, Name<'r>), Counts>> {
        lines(&mut self.tags)
    }

    /// What has been spent, by scope and id.
    pub(super) fn spent(&mut self) -> Vec<Line<(&'static str, Name<'r>), Spent>> {
        lines(&mut self.spent)
    }

    fn add(&mut self, row: &Row<'r>, names: &mut Names) {
        let hour = row.at_ms - row.at_ms % HOUR;
        // Clients make names up: those that nobody served are not told apart.
        let served = names.model(hour, name(row.served_model));
        let group = Group {
            hour,
            account: name(row.account),
            team: name(row.team),
            user: name(row.user),
            project: name(row.project),
            provider: name(row.provider),
            model: served.clone(),
        };
        let by_key = self.hours.entry(group).or_default();
        if row.key.is_some() {
            by_key.label = name(row.key);
        }
        by_key.counts.add(row);
        for tag in row.tags.iter().map(|tag| name(Some(*tag))) {
            let tag = names.tag(hour, tag);
            self.tags.entry((hour, tag.clone())).or_default().add(row);
            let spent = ("tag", names.spent_tag(tag));
            self.spent.entry(spent).or_default().add(row);
        }
        let scopes = [
            ("budget", row.budget),
            ("global", Some("")),
            ("key", row.account),
            ("organization", row.organization),
            ("project", row.project),
            ("provider", row.provider),
            ("team", row.team),
            ("user", row.user),
        ];
        for (scope, id) in scopes {
            if id.is_some() {
                self.spent.entry((scope, name(id))).or_default().add(row);
            }
        }
        // By the name that was asked for, and by the one that served: a budget of either counts it.
        if row.model.is_some() && row.served_model.is_some() {
            let model = names.model(hour, name(row.model));
            if model != served {
                let spent = ("model", names.spent_model(served));
                self.spent.entry(spent).or_default().add(row);
            }
            let spent = ("model", names.spent_model(model));
            self.spent.entry(spent).or_default().add(row);
        }
    }
}

impl Counts {
    fn add(&mut self, row: &Row<'_>) {
        let used = row.tokens.unwrap_or_default();
        let is_hit = matches!(row.cache, Some("hit" | "coalesced" | "semantic"));
        self.requests += 1;
        self.failures += u64::from(row.status >= 400 || row.error.is_some());
        self.hits += u64::from(is_hit);
        self.unpriced += u64::from(row.cost.is_none());
        for (sum, value) in [
            (&mut self.input, used.input),
            (&mut self.output, used.output),
            (&mut self.cached, used.cached_input),
            (&mut self.cache_write, used.cache_write),
            (&mut self.reasoning, used.reasoning),
            (&mut self.latency_us, row.latency_us),
        ] {
            *sum = sum.saturating_add(value);
        }
        self.cost += row.cost.unwrap_or_default();
    }
}

impl Spent {
    fn add(&mut self, row: &Row<'_>) {
        self.amount += row.cost.unwrap_or_default();
        self.first_at = match self.first_at {
            0 => row.at_ms,
            at => at.min(row.at_ms),
        };
        self.last_at = self.last_at.max(row.at_ms);
    }
}

fn lines<Of, Sum>(sums: &mut BTreeMap<Of, Sum>) -> Vec<Line<Of, Sum>> {
    let sums = std::mem::take(sums);
    sums.into_iter().map(|(of, sum)| Line { of, sum }).collect()
}

impl AsRef<Counts> for ByKey<'_> {
    fn as_ref(&self) -> &Counts {
        &self.counts
    }
}

impl AsRef<Counts> for Counts {
    fn as_ref(&self) -> &Counts {
        self
    }
}

/// As much of it as fits, without what databases know not.
fn name(text: Option<&str>) -> Name<'_> {
    let text = text.unwrap_or_default();
    match text.contains('\0') {
        false => beginning(text, MAX_GROUP_BYTES).into(),
        true => {
            let text = text.replace('\0', "");
            beginning(&text, MAX_GROUP_BYTES).to_owned().into()
        }
    }
}
