//! What has been spent, by whom: the sums that budgets go by, and their new beginning.

use super::{
    super::{Kind, Store, StoreError, Transaction, now, sql},
    Which,
    sums::{cost, read_cost},
};
use crate::price::Usd;

/// What somebody has spent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    /// Who: the id of a key, a team, …
    pub id: String,
    /// In the budget's period.
    pub amount: Usd,
    /// Ever.
    pub total: Usd,
}

/// What was spent on somebody's behalf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndUserSum {
    /// On whose.
    pub end_user: Option<String>,
    /// How many requests.
    pub requests: i64,
    /// What they cost.
    pub cost: Usd,
}

impl Store {
    /// What all requests together have cost, in the period and ever.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn spent_by_all(&self) -> Result<Spent, StoreError> {
        let read = "SELECT CAST(amount AS TEXT) AS amount, CAST(total AS TEXT) AS total FROM spend \
                    WHERE scope = 'global' AND id = ''";
        Ok(match self.first(sql(read)).await? {
            None => Spent::default(),
            Some(row) => Spent {
                id: String::new(),
                amount: row.amount("amount")?,
                total: row.amount("total")?,
            },
        })
    }

    /// What was spent on whose behalf, the most first.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn end_users(
        &self,
        which: &Which,
        limit: i64,
    ) -> Result<Vec<EndUserSum>, StoreError> {
        let mut statement = sql(format!(
            "SELECT r.end_user, COUNT(*) AS requests, {} FROM requests r WHERE 1 = 1",
            cost(self.backend())
        ));
        which.conditions(&mut statement, "at", "served_model");
        let limit = statement.push(limit);
        statement.append(&format!(
            " GROUP BY r.end_user ORDER BY cost_millions DESC NULLS LAST, requests DESC LIMIT ${limit}"
        ));
        let rows = self.all(statement).await?;
        let read = |row: &super::super::Row| {
            Ok(EndUserSum {
                end_user: row.optional_text("end_user")?,
                requests: row.integer("requests")?,
                cost: read_cost(row)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Says what somebody has spent in its budget's period, which begins anew; what it has ever spent stays.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn set_spent(&self, kind: Kind, id: &str, amount: Usd) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.set_spent(kind, id, amount).await?;
        transaction.commit().await
    }

    /// All keys and teams have spent nothing in their budgets' periods; what they have ever spent stays.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn reset_spent(&self) -> Result<u64, StoreError> {
        let reset =
            "UPDATE spend SET amount = 0, period_started_at = $1 WHERE scope IN ('key', 'team')";
        self.run(sql(reset).bind(now())).await
    }
}

impl Transaction {
    async fn set_spent(&mut self, kind: Kind, id: &str, amount: Usd) -> Result<(), StoreError> {
        let set = "INSERT INTO spend (scope, id, amount, total, period_started_at, last_used_at) \
                   VALUES ($1, $2, CAST($3 AS NUMERIC), 0, $4, NULL) \
                   ON CONFLICT (scope, id) DO UPDATE SET amount = excluded.amount, \
                   period_started_at = excluded.period_started_at";
        let set = sql(set).bind(kind.name()).bind(id).bind(amount).bind(now());
        self.run(set).await.map(drop)
    }
}
