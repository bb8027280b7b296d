//! Which requests are meant: of a time, and perhaps of some key, team or provider only.

use crate::store::Statement;

const HOUR: i64 = 3_600_000;

/// Which requests are meant. What is `None` may be anything.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// From then on, in milliseconds since 1970.
    pub since: i64,
    /// Before then.
    pub until: i64,
    /// The id of a key, or what people call it.
    pub key: Option<String>,
    /// The team.
    pub team: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// The provider that served.
    pub provider: Option<String>,
    /// The model that served.
    pub model: Option<String>,
}

impl Scope {
    /// Whether it is more than a time.
    pub(super) fn is_partial(&self) -> bool {
        self.key.is_some() || self.equal("").iter().any(|(_, value)| value.is_some())
    }

    /// Adds the conditions on sums by the hour.
    pub(super) fn hours(&self, statement: &mut Statement<'_>) {
        let since = statement.push(self.since - self.since.rem_euclid(HOUR));
        let until = statement.push(self.until);
        statement.append(&format!("hour >= ${since} AND hour < ${until}"));
        self.others(statement, "model");
    }

    /// Adds the conditions on requests.
    pub(super) fn requests(&self, statement: &mut Statement<'_>) {
        let since = statement.push(self.since);
        let until = statement.push(self.until);
        statement.append(&format!("at >= ${since} AND at < ${until}"));
        self.others(statement, "served_model");
    }

    fn others(&self, statement: &mut Statement<'_>, model: &'static str) {
        if let Some(key) = &self.key {
            let key = statement.push(key);
            statement.append(&format!(" AND (account = ${key} OR key_label = ${key})"));
        }
        for (column, value) in self.equal(model) {
            if let Some(value) = value {
                let value = statement.push(value);
                statement.append(&format!(" AND {column} = ${value}"));
            }
        }
    }

    fn equal(&self, model: &'static str) -> [(&'static str, &Option<String>); 5] {
        [
            ("team_id", &self.team),
            ("user_id", &self.user),
            ("project_id", &self.project),
            ("provider", &self.provider),
            (model, &self.model),
        ]
    }
}
