//! How requests ended: counts of rows that have their route, status and error in common.

use super::{
    super::{Row, Store, StoreError, sql},
    Which,
};

/// How many different ends are told.
const MAX_OUTCOMES: i64 = 10_000;

/// What requests have in common that ended alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The route.
    pub path: String,
    /// The status that clients saw.
    pub status: i64,
    /// A stable word for what went wrong.
    pub error: Option<String>,
    /// Whether they were answered from the cache.
    pub is_hit: bool,
    /// How many there are.
    pub count: i64,
    /// Tokens of their answers.
    pub output_tokens: i64,
}

impl Outcome {
    /// Whether they failed.
    pub fn is_failure(&self) -> bool {
        self.status >= 400 || self.error.is_some()
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Outcome {
            path: row.text("path")?,
            status: row.integer("status")?,
            error: row.optional_text("error")?,
            is_hit: row.integer("is_hit")? == 1,
            count: row.integer("count")?,
            output_tokens: row.integer("output_tokens")?,
        })
    }
}

impl Store {
    /// How requests ended; `key` is what their key was called.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn outcomes(
        &self,
        which: &Which,
        key: Option<&str>,
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut statement = sql(
            "SELECT r.path, r.status, r.error, r.is_hit, COUNT(*) AS count, \
             CAST(COALESCE(SUM(r.output_tokens), 0) AS BIGINT) AS output_tokens FROM \
             (SELECT q.*, CAST(CASE WHEN q.cache IN ('hit', 'coalesced', 'semantic') THEN 1 ELSE 0 END AS BIGINT) \
             AS is_hit FROM requests q) r WHERE 1 = 1",
        );
        which.conditions(&mut statement, "at", "served_model");
        if let Some(key) = key {
            let at = statement.push(key);
            statement.append(&format!(" AND r.key_label = ${at}"));
        }
        let limit = statement.push(MAX_OUTCOMES);
        statement.append(&format!(
            " GROUP BY r.path, r.status, r.error, r.is_hit ORDER BY count DESC LIMIT ${limit}"
        ));
        let rows = self.all(statement).await?;
        rows.iter().map(Outcome::read).collect()
    }

    /// How many requests for a model ended with a status, by spans of that many milliseconds, the earliest
    /// first. The model is what was asked for.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn ended_with(
        &self,
        which: &Which,
        model: &str,
        status: i64,
        span: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let mut statement = sql(
            "SELECT r.at - r.at % CAST($1 AS BIGINT) AS since, COUNT(*) AS count \
                                 FROM requests r WHERE r.model = $2 AND r.status = $3",
        );
        statement = statement.bind(span).bind(model).bind(status);
        which.conditions(&mut statement, "at", "served_model");
        statement.append(" GROUP BY 1 ORDER BY 1");
        let rows = self.all(statement).await?;
        let read = |row: &Row| Ok((row.integer("since")?, row.integer("count")?));
        rows.iter().map(read).collect()
    }
}
