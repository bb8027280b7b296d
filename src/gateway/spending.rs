//! What was spent, between the store and the limits: the limits learn at the start what was spent in the periods
//! that last, and the store when one is over.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicI64, Ordering},
};

use super::Gateway;
use crate::{
    limits::{
        Table,
        subject::{Kind, Rules, SpendRules},
    },
    price::Usd,
    store::{self, Change, Store, StoreError, spending::Budgeted},
};

/// When the store has to be asked again, in milliseconds since 1970.
#[derive(Debug, Default)]
pub struct Due(AtomicI64);

impl Due {
    /// At once.
    pub fn now(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// At that time, at the latest.
    pub fn at(&self, time: i64) {
        self.0.fetch_min(time, Ordering::Relaxed);
    }

    /// Whether it is time. If so, it is not time again before somebody says so.
    pub fn take(&self, now: i64) -> bool {
        let is_due = self.0.load(Ordering::Relaxed) <= now;
        if is_due {
            self.0.store(i64::MAX, Ordering::Relaxed);
        }
        is_due
    }
}

/// The kinds of records that may have a budget, and whom limits know by them.
const RECORDS: [(store::Kind, Kind); 5] = [
    (store::Kind::Project, Kind::Project),
    (store::Kind::Team, Kind::Team),
    (store::Kind::User, Kind::User),
    (store::Kind::Budget, Kind::Shared),
    (store::Kind::Key, Kind::Key),
];

/// So many records that change at once are looked at soon, and not one by one.
const MANY: usize = 50;

/// Whom limits know by a kind of record.
fn limited(kind: store::Kind) -> Option<Kind> {
    let found = RECORDS.iter().find(|(record, _)| *record == kind);
    found.map(|(_, kind)| *kind)
}

impl Gateway {
    /// Tells the limits what everybody with a budget has spent in its period, by the store, and begins the periods
    /// anew there that are over.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn sync_spending(&self, store: &Store) -> Result<(), StoreError> {
        let table = Table::of(&self.written.load());
        if !table.is_on() {
            return Ok(());
        }
        let mut known = HashSet::new();
        for (record, kind) in RECORDS {
            for one in store.budgeted(record, None).await? {
                if self.restore(store, &table, kind, &one).await? {
                    known.insert((kind, one.id));
                }
            }
        }
        let kinds = table.budgeted();
        if kinds.is_empty() {
            return Ok(());
        }
        let scopes: Vec<String> = kinds.iter().map(|kind| kind.name().to_owned()).collect();
        for one in store.spent_by(scopes).await? {
            let kind = kinds.iter().find(|kind| kind.name() == one.scope);
            let Some(kind) = kind.copied() else { continue };
            let rules = table.of_subject(kind, &one.id).spend;
            if let (Some(rules), false) = (rules, known.contains(&(kind, one.id.clone()))) {
                self.begin_period(store, (kind, &one.id), &rules, one.spent, one.began)
                    .await?;
            }
        }
        Ok(())
    }

    /// The same for records that have changed: they may have got a budget.
    pub(super) async fn sync_spending_of(&self, store: &Store, changes: &[Change]) {
        let table = Table::of(&self.written.load());
        if !table.is_on() {
            return;
        }
        if changes.len() > MANY {
            self.spending.now();
            return;
        }
        for change in changes {
            let kind = change
                .kind
                .and_then(|record| Some((record, limited(record)?)));
            let Some((record, kind)) = kind else { continue };
            let restored = async {
                for one in store.budgeted(record, Some(&change.record)).await? {
                    self.restore(store, &table, kind, &one).await?;
                }
                Ok::<(), StoreError>(())
            };
            if let Err(error) = restored.await {
                log::error!("limits do not know what was spent: {error}");
                self.spending.now();
            }
        }
    }

    /// An operator says what somebody has spent in its budget's period: the store and the limits are told.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn set_spent(
        &self,
        store: &Store,
        record: store::Kind,
        id: &str,
        amount: Usd,
    ) -> Result<(), StoreError> {
        store.set_spent(record, id, amount).await?;
        if let Some(kind) = limited(record) {
            self.limits.set_spent(kind, id, amount);
        }
        Ok(())
    }

    /// All keys and teams have spent nothing in their budgets' periods.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn reset_spent(&self, store: &Store) -> Result<(), StoreError> {
        store.reset_spent().await?;
        self.limits.reset_spend(Kind::Key);
        self.limits.reset_spend(Kind::Team);
        Ok(())
    }

    /// Whether a record's own terms have a budget; if so, the limits know now what was spent of it.
    async fn restore(
        &self,
        store: &Store,
        table: &Table,
        kind: Kind,
        one: &Budgeted,
    ) -> Result<bool, StoreError> {
        let now = store::now();
        let since = Some(one.created_at);
        let (limits, budget) = (&one.terms.limits, &one.terms.budget);
        let of_models = match kind {
            Kind::Key => Some(Kind::KeyModel),
            Kind::Team => Some(Kind::TeamModel),
            _ => None,
        };
        if let Some(of_model) = of_models {
            for model in budget.models.keys() {
                let rules = Rules::of_model(limits, budget, model, since);
                let Some(rules) = rules.and_then(|rules| rules.spend) else {
                    continue;
                };
                let (began, _) = rules.period_at(now);
                let spent = store.spent_on(kind.name(), &one.id, model, began).await?;
                let id = format!("{}\n{model}", one.id);
                self.limits.restore(of_model, &id, spent, began);
            }
        }
        let own = Rules::of(limits, budget, since, now);
        let Some(rules) = own.or(table.of_subject(kind, &one.id)).spend else {
            return Ok(false);
        };
        self.begin_period(store, (kind, &one.id), &rules, one.spent, one.began)
            .await?;
        Ok(true)
    }

    async fn begin_period(
        &self,
        store: &Store,
        (kind, id): (Kind, &str),
        rules: &SpendRules,
        spent: Usd,
        began: Option<i64>,
    ) -> Result<(), StoreError> {
        let (since, end) = rules.period_at(store::now());
        let is_over = began.is_some_and(|began| began < since) && rules.period.is_some();
        let spent = match is_over {
            true => {
                store.begin_period(kind.name(), id, since).await?;
                Usd::ZERO
            }
            false => spent,
        };
        self.limits.restore(kind, id, spent, since);
        if let Some(end) = end {
            self.spending.at(end);
        }
        Ok(())
    }
}
