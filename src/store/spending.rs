//! What was spent by those who have a budget, for the limits, and the beginning of their next period.

use super::{Kind, Record, Row, Statement, Store, StoreError, budgets::Budget, keys::Key, sql};
use super::{projects::Project, teams::Team, users::User};
use crate::{
    identity::{Terms, virtual_key},
    price::Usd,
};

/// A record with a budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Budgeted {
    /// Its id.
    pub id: String,
    /// Its terms.
    pub terms: Terms,
    /// When it was made: its first period began then.
    pub created_at: i64,
    /// What was spent since `began`.
    pub spent: Usd,
    /// `None` where nothing has been.
    pub began: Option<i64>,
}

/// What somebody has spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentBy {
    /// What kind of thing: `key`, `model`, …
    pub scope: String,
    /// Which one.
    pub id: String,
    /// What was spent since `began`.
    pub spent: Usd,
    /// When the period began.
    pub began: Option<i64>,
}

impl Store {
    /// The records of a kind whose terms have a budget, and what was spent of it; of all, or of that one: a key's
    /// hash in hexadecimal digits, or an id. Those whose terms cannot be read are left out: they are of no use.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn budgeted(
        &self,
        kind: Kind,
        one: Option<&str>,
    ) -> Result<Vec<Budgeted>, StoreError> {
        let table = match kind {
            Kind::Key => Key::TABLE,
            Kind::Team => Team::TABLE,
            Kind::User => User::TABLE,
            Kind::Project => Project::TABLE,
            Kind::Budget => Budget::TABLE,
            Kind::Provider | Kind::Credential | Kind::Model => return Ok(Vec::new()),
        };
        let mut read = sql(format!(
            "SELECT r.id, r.terms, r.created_at, CAST(s.amount AS TEXT) AS spent, s.period_started_at \
             FROM {table} r LEFT JOIN spend s ON s.scope = '{}' AND s.id = r.id \
             WHERE r.terms LIKE '%\"budget\"%'",
            kind.name()
        ));
        if let Some(one) = one {
            let at = match (kind, virtual_key::parse_hex(one)) {
                (Kind::Key, Some(hash)) => ("hash", read.push(hash)),
                _ => ("id", read.push(one)),
            };
            read.append(&format!(" AND r.{} = ${}", at.0, at.1));
        }
        let rows = self.all(read).await?;
        Ok(rows.iter().filter_map(|row| budgeted(row).ok()).collect())
    }

    /// What everybody of these scopes has spent.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn spent_by(&self, scopes: Vec<String>) -> Result<Vec<SpentBy>, StoreError> {
        let mut read: Statement<'_> = sql(
            "SELECT scope, id, CAST(amount AS TEXT) AS spent, period_started_at FROM spend WHERE scope IN (",
        );
        for (number, scope) in scopes.iter().enumerate() {
            let at = read.push(scope);
            read.append(&format!("{}${at}", if number == 0 { "" } else { ", " }));
        }
        read.append(")");
        let rows = self.all(read).await?;
        let read = |row: &Row| {
            Ok(SpentBy {
                scope: row.text("scope")?,
                id: row.text("id")?,
                spent: row.amount("spent")?,
                began: row.optional_integer("period_started_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// What a key (`scope` is `key`) or a team has spent on requests for that model since then.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn spent_on(
        &self,
        scope: &str,
        id: &str,
        model: &str,
        since: i64,
    ) -> Result<Usd, StoreError> {
        let column = match scope {
            "key" => "account",
            _ => "team_id",
        };
        let read = sql(format!(
            "SELECT CAST(COALESCE(SUM(cost), 0) AS TEXT) AS spent FROM requests \
             WHERE {column} = $1 AND at >= $2 AND (model = $3 OR served_model = $3)"
        ));
        let row = self.first(read.bind(id).bind(since).bind(model)).await?;
        row.map_or(Ok(Usd::ZERO), |row| row.amount("spent"))
    }

    /// A period of a budget has ended, and the next one began then; nothing happens where somebody has said so
    /// before.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn begin_period(&self, scope: &str, id: &str, since: i64) -> Result<(), StoreError> {
        let begin = "UPDATE spend SET amount = 0, period_started_at = $1 \
                     WHERE scope = $2 AND id = $3 AND period_started_at < $1";
        self.run(sql(begin).bind(since).bind(scope).bind(id))
            .await
            .map(drop)
    }
}

fn budgeted(row: &Row) -> Result<Budgeted, StoreError> {
    Ok(Budgeted {
        id: row.text("id")?,
        terms: row.json("terms")?,
        created_at: row.integer("created_at")?,
        spent: row.optional_amount("spent")?.unwrap_or_default(),
        began: row.optional_integer("period_started_at")?,
    })
}
