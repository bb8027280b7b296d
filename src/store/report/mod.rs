//! What the record of requests says, for whoever asks: sums by the hour, put together as asked for, and rows
//! a page at a time. Nothing here is on a request's way.

mod outcomes;
mod rows;
mod spent;
pub(super) mod sums;
#[cfg(test)]
mod tests;

pub use super::usage::By;
pub use outcomes::Outcome;
pub use rows::{Kinds, RequestRow, Rows};
pub use spent::{EndUserSum, Spent};
pub use sums::Sum;

use super::{Statement, StoreError};

/// Which requests count. What is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Those from this time on, in milliseconds since 1970. Sums know the hour alone.
    pub from: Option<i64>,
    /// Those from before this time.
    pub until: Option<i64>,
    /// Those of that key: the id of a stored one, the name of a configured one.
    pub account: Option<String>,
    /// Those of that team.
    pub team: Option<String>,
    /// Those of that user.
    pub user: Option<String>,
    /// Those of that project.
    pub project: Option<String>,
    /// Those that that provider served.
    pub provider: Option<String>,
    /// Those that that model served, by the provider's name of it.
    pub model: Option<String>,
}

impl Which {
    /// Adds its conditions; `time` is the column of times.
    fn conditions(&self, statement: &mut Statement<'_>, time: &str, model: &str) {
        for (test, value) in [(">=", self.from), ("<", self.until)] {
            if let Some(value) = value {
                let at = statement.push(value);
                statement.append(&format!(" AND r.{time} {test} ${at}"));
            }
        }
        for (column, value) in [
            ("account", &self.account),
            ("team_id", &self.team),
            ("user_id", &self.user),
            ("project_id", &self.project),
            ("provider", &self.provider),
            (model, &self.model),
        ] {
            if let Some(value) = value {
                let at = statement.push(value);
                statement.append(&format!(" AND r.{column} = ${at}"));
            }
        }
    }

    /// Whether anything but the time is said.
    fn is_particular(&self) -> bool {
        let time_alone = Which {
            from: self.from,
            until: self.until,
            ..Which::default()
        };
        *self != time_alone
    }
}

/// An answer about tags for some requests alone: their sums are of all.
fn tags_are_of_all() -> StoreError {
    StoreError::invalid(
        "group_by",
        "`tag` is summed up for all requests together; ask without a filter",
    )
}
