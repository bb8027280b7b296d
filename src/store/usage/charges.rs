//! What requests used and cost, for whoever prices them anew, and their new costs: a batch at a time, with all
//! sums and all spending that follow from them in the same transaction.

use std::collections::{BTreeMap, HashMap};

use super::{
    kept::Place,
    names::{Names, OTHER},
    scope::Scope,
    sums::{Group, Sums},
};
use crate::{
    chat::usage::{Tier as Service, Usage},
    price::Usd,
    row,
    store::{Backend, Row, Store, StoreError, Transaction, sql},
};

/// What a request used and cost, and what it counts in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Charge {
    /// Its id.
    pub id: String,
    /// When its head had arrived, in milliseconds since 1970.
    pub at: i64,
    /// The provider that served.
    pub provider: Option<String>,
    /// The model that served.
    pub served_model: Option<String>,
    /// What the cache did.
    pub cache: Option<String>,
    /// Tokens by kind; `None` where that is not known.
    pub usage: Option<Usage>,
    /// Whether all kinds are known: of rows from before they were kept some only are.
    pub is_complete: bool,
    /// What each of several calls used, as JSON.
    pub parts: Option<String>,
    /// How many attempts were made.
    pub attempts: i64,
    /// What it cost; `None` where that is not known.
    pub cost: Option<Usd>,
    account: Option<String>,
    team: Option<String>,
    user: Option<String>,
    project: Option<String>,
    organization: Option<String>,
    budget: Option<String>,
    tags: Vec<String>,
    model: Option<String>,
}

/// A request and its new cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Repriced {
    /// The request.
    pub charge: Charge,
    /// What it costs now.
    pub cost: Option<Usd>,
}

const COLUMNS: &str = "id, at, provider, served_model, cache, input_tokens, output_tokens, cached_tokens, \
    cache_write_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens, cache_write_1h_tokens, \
    cached_audio_tokens, image_input_tokens, image_output_tokens, searches, unbilled_input_tokens, \
    unbilled_output_tokens, service, CAST(stated_cost AS TEXT) AS stated_cost, parts, attempts, \
    CAST(cost AS TEXT) AS cost, account, team_id, user_id, project_id, organization_id, budget_id, tags, model";

impl Charge {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let tags = row.optional_text("tags")?;
        let tags = tags.and_then(|tags| serde_json::from_str(&tags).ok());
        let (usage, is_complete) = usage(row)?;
        Ok(Charge {
            id: row.text("id")?,
            at: row.integer("at")?,
            provider: row.optional_text("provider")?,
            served_model: row.optional_text("served_model")?,
            cache: row.optional_text("cache")?,
            usage,
            is_complete,
            parts: row.optional_text("parts")?,
            attempts: row.integer("attempts")?,
            cost: row.optional_amount("cost")?,
            account: row.optional_text("account")?,
            team: row.optional_text("team_id")?,
            user: row.optional_text("user_id")?,
            project: row.optional_text("project_id")?,
            organization: row.optional_text("organization_id")?,
            budget: row.optional_text("budget_id")?,
            tags: tags.unwrap_or_default(),
            model: row.optional_text("model")?,
        })
    }

    /// As much of its row as decides what it counts in.
    fn row(&self, cost: Option<Usd>) -> row::Row<'_> {
        row::Row {
            id: &self.id,
            at_ms: u64::try_from(self.at).unwrap_or_default(),
            account: self.account.as_deref(),
            team: self.team.as_deref(),
            user: self.user.as_deref(),
            project: self.project.as_deref(),
            organization: self.organization.as_deref(),
            budget: self.budget.as_deref(),
            tags: self.tags.iter().map(String::as_str).collect(),
            model: self.model.as_deref(),
            provider: self.provider.as_deref(),
            served_model: self.served_model.as_deref(),
            cost,
            ..row::Row::default()
        }
    }
}

/// Tokens by kind, and whether all kinds are known.
fn usage(row: &Row) -> Result<(Option<Usage>, bool), StoreError> {
    if row.optional_integer("input_tokens")?.is_none() {
        return Ok((None, true));
    }
    let count = |column: &str| {
        let count = row.optional_integer(column)?.unwrap_or(0);
        Ok::<_, StoreError>(u64::try_from(count).unwrap_or_default())
    };
    let stated = row.optional_amount("stated_cost")?;
    let usage = Usage {
        input: count("input_tokens")?,
        output: count("output_tokens")?,
        cached_input: count("cached_tokens")?,
        cache_write: count("cache_write_tokens")?,
        cache_write_1h: count("cache_write_1h_tokens")?,
        reasoning: count("reasoning_tokens")?,
        audio_input: count("audio_input_tokens")?,
        cached_audio: count("cached_audio_tokens")?,
        audio_output: count("audio_output_tokens")?,
        image_input: count("image_input_tokens")?,
        image_output: count("image_output_tokens")?,
        searches: count("searches")?,
        unbilled_input: count("unbilled_input_tokens")?,
        unbilled_output: count("unbilled_output_tokens")?,
        tier: row
            .optional_text("service")?
            .as_deref()
            .and_then(Service::read),
        stated_cost_pico: stated.and_then(|stated| u64::try_from(stated.pico()).ok()),
    };
    let is_complete = row.optional_integer("cache_write_1h_tokens")?.is_some();
    Ok((Some(usage), is_complete))
}

impl Store {
    /// The requests of `scope` behind `after`, the earliest first, `limit` at most, and where they end.
    ///
    /// # Errors
    /// `Away`, `Refused`, `Unreadable`.
    pub async fn charges(
        &self,
        scope: &Scope,
        after: &Place,
        limit: u32,
    ) -> Result<(Vec<Charge>, Place), StoreError> {
        let mut statement = sql(format!("SELECT {COLUMNS} FROM requests WHERE "));
        scope.requests(&mut statement);
        after.behind(&mut statement, limit);
        let rows = self.all(statement).await?;
        let charges: Result<Vec<_>, StoreError> = rows.iter().map(Charge::read).collect();
        let charges = charges?;
        let end = charges.last().map_or_else(
            || after.clone(),
            |last| Place::new(last.at, last.id.clone()),
        );
        Ok((charges, end))
    }

    /// Sets new costs, and what follows from them in sums and spending: all of it or nothing. A request whose
    /// cost is no longer what it was when it was read keeps it, so that nobody's change counts twice. Gives back
    /// how many were set.
    ///
    /// # Errors
    /// `Away`: then it may or may not have happened. `Refused`.
    pub async fn reprice(&self, repriced: &[Repriced]) -> Result<usize, StoreError> {
        let mut transaction = self.begin().await?;
        if self.backend() == Backend::Postgres {
            // Whoever settles rows begins with this table, too: nobody waits in a circle.
            let lock = "LOCK TABLE requests IN SHARE ROW EXCLUSIVE MODE";
            transaction.run(sql(lock)).await?;
        }
        let set = transaction.set_costs(repriced).await?;
        let by_id: HashMap<&str, &Repriced> = repriced
            .iter()
            .map(|one| (one.charge.id.as_str(), one))
            .collect();
        let changed: Vec<&Repriced> = set
            .iter()
            .filter_map(|id| by_id.get(id.as_str()).copied())
            .collect();
        transaction.follow(&changed).await?;
        transaction.commit().await?;
        Ok(changed.len())
    }
}

/// By how much sums change.
#[derive(Debug, Clone, Copy, Default)]
struct Delta {
    cost: i128,
    unpriced: i64,
}

impl Delta {
    fn between(old: (Usd, u64), new: (Usd, u64)) -> Self {
        let signed = |amount: Usd| i128::try_from(amount.pico()).unwrap_or(i128::MAX);
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Delta {
            cost: signed(new.0).saturating_sub(signed(old.0)),
            unpriced: count(new.1).saturating_sub(count(old.1)),
        }
    }

    fn add(&mut self, other: Delta) {
        self.cost = self.cost.saturating_add(other.cost);
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
    }
}

/// What a line of sums is found by, as texts.
type Key = Vec<String>;

impl Transaction {
    /// Sets costs; gives back the ids of those that were still what they had been.
    async fn set_costs(&mut self, repriced: &[Repriced]) -> Result<Vec<String>, StoreError> {
        let pico = |cost: Option<Usd>| cost.map(|cost| cost.pico().to_string());
        let lines: Vec<_> = repriced
            .iter()
            .map(|one| (&one.charge.id, pico(one.charge.cost), pico(one.cost)))
            .collect();
        let lines = serde_json::to_string(&lines).unwrap_or_default();
        let text = format!(
            "UPDATE requests SET cost = CAST(lines.value ->> 2 AS NUMERIC) FROM {} \
             WHERE requests.id = lines.value ->> 0 \
             AND requests.cost IS NOT DISTINCT FROM CAST(lines.value ->> 1 AS NUMERIC) RETURNING id",
            self.lines()
        );
        let rows = self.all(sql(text).bind(lines)).await?;
        rows.iter().map(|row| row.text("id")).collect()
    }

    /// Adds what has changed to sums and spending.
    async fn follow(&mut self, changed: &[&Repriced]) -> Result<(), StoreError> {
        let mut names = Names::unbounded();
        let mut hours: BTreeMap<Key, Delta> = BTreeMap::new();
        let mut tags: BTreeMap<Key, Delta> = BTreeMap::new();
        let mut spent: BTreeMap<Key, Vec<(i64, i128)>> = BTreeMap::new();
        for one in changed {
            let (old, new) = (one.charge.row(one.charge.cost), one.charge.row(one.cost));
            let mut old = Sums::of([&old], &mut names);
            let mut new = Sums::of([&new], &mut names);
            for (old, new) in old.hours().into_iter().zip(new.hours()) {
                let (before, after) = (&old.sum.counts, &new.sum.counts);
                let delta =
                    Delta::between((before.cost, before.unpriced), (after.cost, after.unpriced));
                hours.entry(key_of(&old.of)).or_default().add(delta);
            }
            for (old, new) in old.tags().into_iter().zip(new.tags()) {
                let delta = Delta::between(
                    (old.sum.cost, old.sum.unpriced),
                    (new.sum.cost, new.sum.unpriced),
                );
                let key = vec![old.of.0.to_string(), old.of.1.into_owned()];
                tags.entry(key).or_default().add(delta);
            }
            for (old, new) in old.spent().into_iter().zip(new.spent()) {
                let delta = Delta::between((old.sum.amount, 0), (new.sum.amount, 0));
                let key = vec![old.of.0.to_owned(), old.of.1.into_owned()];
                spent
                    .entry(key)
                    .or_default()
                    .push((one.charge.at, delta.cost));
            }
        }
        self.add_to(&HOURS, hours).await?;
        self.add_to(&TAGS, tags).await?;
        self.add_to_spent(spent).await
    }

    /// Adds to sums. What counts as `other` there, for clients made up too many names, does here too.
    async fn add_to(
        &mut self,
        table: &Table,
        deltas: BTreeMap<Key, Delta>,
    ) -> Result<(), StoreError> {
        let deltas: BTreeMap<Key, Delta> = deltas
            .into_iter()
            .filter(|(_, delta)| delta.cost != 0 || delta.unpriced != 0)
            .collect();
        let known = self.known(table, deltas.keys()).await?;
        let mut merged: BTreeMap<Key, Delta> = BTreeMap::new();
        for (mut key, delta) in deltas {
            if !known.contains_key(&key)
                && let Some(name) = key.last_mut()
            {
                OTHER.clone_into(name);
            }
            merged.entry(key).or_default().add(delta);
        }
        let lines: Vec<_> = merged
            .iter()
            .map(|(key, delta)| (key, delta.cost.to_string(), delta.unpriced))
            .collect();
        let lines = serde_json::to_string(&lines).unwrap_or_default();
        let name = table.name;
        let text = format!(
            "UPDATE {name} SET cost = {}, unpriced = {} FROM {} WHERE {}",
            raised("cost", "CAST(lines.value ->> 1 AS NUMERIC)", name),
            raised("unpriced", "CAST(lines.value ->> 2 AS BIGINT)", name),
            self.lines(),
            table.matches(),
        );
        self.run(sql(text).bind(lines)).await.map(drop)
    }

    /// The same for what has been spent: in the period that began, what belongs to it.
    async fn add_to_spent(
        &mut self,
        spent: BTreeMap<Key, Vec<(i64, i128)>>,
    ) -> Result<(), StoreError> {
        let known = self.known(&SPEND, spent.keys()).await?;
        let mut merged: BTreeMap<Key, (i128, i128)> = BTreeMap::new();
        for (mut key, changes) in spent {
            let is_made_up = matches!(key.first().map(String::as_str), Some("tag" | "model"));
            if is_made_up
                && !known.contains_key(&key)
                && let Some(name) = key.last_mut()
            {
                OTHER.clone_into(name);
            }
            let began = known.get(&key).copied().flatten().unwrap_or(0);
            let (amount, total) = merged.entry(key).or_default();
            for (at, delta) in changes {
                *total = total.saturating_add(delta);
                if at >= began {
                    *amount = amount.saturating_add(delta);
                }
            }
        }
        merged.retain(|_, (amount, total)| *amount != 0 || *total != 0);
        let lines: Vec<_> = merged
            .iter()
            .map(|(key, (amount, total))| (key, amount.to_string(), total.to_string()))
            .collect();
        let lines = serde_json::to_string(&lines).unwrap_or_default();
        let text = format!(
            "UPDATE spend SET amount = {}, total = {} FROM {} WHERE {}",
            raised("amount", "CAST(lines.value ->> 1 AS NUMERIC)", "spend"),
            raised("total", "CAST(lines.value ->> 2 AS NUMERIC)", "spend"),
            self.lines(),
            SPEND.matches(),
        );
        self.run(sql(text).bind(lines)).await.map(drop)
    }

    /// Those lines that are there, and for spending when its period began.
    async fn known<'k>(
        &mut self,
        table: &Table,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Result<HashMap<Key, Option<i64>>, StoreError> {
        let keys: Vec<_> = keys.map(|key| (key,)).collect();
        let began = match table.name {
            "spend" => "spend.period_started_at",
            _ => "CAST(NULL AS BIGINT)",
        };
        let columns: Vec<String> = (0_usize..)
            .zip(table.key)
            .map(|(at, (column, _))| format!("CAST({}.{column} AS TEXT) AS key_{at}", table.name))
            .collect();
        let text = format!(
            "SELECT {}, {began} AS began FROM {} CROSS JOIN {} WHERE {}",
            columns.join(", "),
            self.lines(),
            table.name,
            table.matches(),
        );
        let keys = serde_json::to_string(&keys).unwrap_or_default();
        let rows = self.all(sql(text).bind(keys)).await?;
        let line = |row: &Row| {
            let key: Result<Key, StoreError> = (0..table.key.len())
                .map(|at| row.text(&format!("key_{at}")))
                .collect();
            Ok((key?, row.optional_integer("began")?))
        };
        rows.iter().map(line).collect()
    }

    /// The lines of a JSON array that is the first value.
    fn lines(&self) -> &'static str {
        match self.backend() {
            Backend::Sqlite => "json_each($1) AS lines",
            Backend::Postgres => "jsonb_array_elements(CAST($1 AS JSONB)) AS lines (value)",
        }
    }
}

fn key_of(group: &Group<'_>) -> Key {
    let mut key = vec![group.hour.to_string()];
    let names = [
        &group.account,
        &group.team,
        &group.user,
        &group.project,
        &group.provider,
        &group.model,
    ];
    key.extend(names.map(|name| name.to_string()));
    key
}

/// A column with something added; never less than nothing.
fn raised(column: &str, by: &str, table: &str) -> String {
    let sum = format!("{table}.{column} + {by}");
    format!("CASE WHEN {sum} < 0 THEN 0 ELSE {sum} END")
}

/// A table of sums, and what its lines are found by: a column, and whether it is a number.
struct Table {
    name: &'static str,
    key: &'static [(&'static str, bool)],
}

const HOURS: Table = Table {
    name: "usage_hours",
    key: &[
        ("hour", true),
        ("account", false),
        ("team_id", false),
        ("user_id", false),
        ("project_id", false),
        ("provider", false),
        ("model", false),
    ],
};
const TAGS: Table = Table {
    name: "usage_tag_hours",
    key: &[("hour", true), ("tag", false)],
};
const SPEND: Table = Table {
    name: "spend",
    key: &[("scope", false), ("id", false)],
};

impl Table {
    /// Whether a line of the table is that of `lines`.
    fn matches(&self) -> String {
        let column = |(at, (column, is_number)): (usize, &(&str, bool))| {
            let value = format!("((lines.value -> 0) ->> {at})");
            match is_number {
                true => format!("{}.{column} = CAST({value} AS BIGINT)", self.name),
                false => format!("{}.{column} = {value}", self.name),
            }
        };
        let columns: Vec<String> = self.key.iter().enumerate().map(column).collect();
        columns.join(" AND ")
    }
}
