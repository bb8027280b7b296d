//! Forgetting what is older than it is to be kept.

use crate::store::{Backend, Store, StoreError, sql};

/// What is kept for a time, and then is too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Rows of requests.
    Requests,
    /// Sums by the hour.
    Sums,
    /// Sums by hour and tag.
    TagSums,
    /// What tags and models have spent that nobody has used since.
    Unused,
}

impl Store {
    /// Forgets what is from before that time (in milliseconds since 1970), `limit` lines at most, the oldest
    /// first. Gives back how many.
    ///
    /// # Errors
    /// `Away`, `Refused`.
    pub async fn forget(&self, what: Age, before: i64, limit: u32) -> Result<u64, StoreError> {
        let text = match what {
            Age::Requests => {
                "DELETE FROM requests WHERE id IN \
                 (SELECT id FROM requests WHERE at < $1 ORDER BY at, id LIMIT $2"
            }
            Age::Sums => {
                "DELETE FROM usage_hours \
                 WHERE (hour, account, team_id, user_id, project_id, provider, model) IN \
                 (SELECT hour, account, team_id, user_id, project_id, provider, model \
                 FROM usage_hours WHERE hour < $1 ORDER BY hour LIMIT $2"
            }
            Age::TagSums => {
                "DELETE FROM usage_tag_hours WHERE (hour, tag) IN \
                 (SELECT hour, tag FROM usage_tag_hours WHERE hour < $1 ORDER BY hour LIMIT $2"
            }
            Age::Unused => {
                "DELETE FROM spend WHERE (scope, id) IN \
                 (SELECT scope, id FROM spend WHERE scope IN ('tag', 'model') \
                 AND last_used_at < $1 LIMIT $2"
            }
        };
        // Two processes that look at the same time take different ones.
        let rest = match self.backend() {
            Backend::Postgres => " FOR UPDATE SKIP LOCKED)",
            Backend::Sqlite => ")",
        };
        let text = format!("{text}{rest}");
        self.run(sql(text).bind(before).bind(i64::from(limit)))
            .await
    }
}
