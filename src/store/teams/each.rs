//! What many teams have, read at once: the newest keys of each and those who came into it first, and how many
//! there are altogether.

use std::collections::HashMap;

use super::{
    super::{Row, Statement, Store, StoreError, keys::Key, record, sql},
    Member, members,
};

/// Some of what a team has.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<T> {
    /// Those that were asked for.
    pub those: Vec<T>,
    /// How many there are.
    pub count: i64,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Part {
            those: Vec::new(),
            count: 0,
        }
    }
}

impl Store {
    /// The newest keys of each of these teams, at most `limit` of each. A team without keys is not in it.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn keys_of_teams(
        &self,
        teams: &[String],
        limit: i64,
    ) -> Result<HashMap<String, Part<Key>>, StoreError> {
        let order = "created_at DESC, id DESC";
        let source = numbered("keys", order, teams.len());
        let select = record::select_from::<Key>(&source);
        let select = select.replacen("SELECT ", "SELECT r.count_of_team, ", 1);
        self.first_of_each(select, teams, limit, record::read).await
    }

    /// Those who came into each of these teams first, at most `limit` of each. A team without members is not
    /// in it.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn members_of_teams(
        &self,
        teams: &[String],
        limit: i64,
    ) -> Result<HashMap<String, Part<Member>>, StoreError> {
        let source = numbered("team_members", "created_at, user_id", teams.len());
        let columns = members::COLUMNS;
        let select = format!("SELECT r.count_of_team, {columns} FROM {source} r");
        self.first_of_each(select, teams, limit, members::read)
            .await
    }

    async fn first_of_each<T>(
        &self,
        select: String,
        teams: &[String],
        limit: i64,
        read: fn(&Row) -> Result<T, StoreError>,
    ) -> Result<HashMap<String, Part<T>>, StoreError> {
        let mut each: HashMap<String, Part<T>> = HashMap::new();
        if teams.is_empty() {
            return Ok(each);
        }
        let mut statement = teams.iter().fold(sql(select), Statement::bind);
        let limit = statement.push(limit);
        statement.append(&format!(
            " WHERE r.place_in_team <= ${limit} ORDER BY r.team_id, r.place_in_team"
        ));
        for row in &self.all(statement).await? {
            let of_team = each.entry(row.text("team_id")?).or_default();
            of_team.count = row.integer("count_of_team")?;
            of_team.those.push(read(row)?);
        }
        Ok(each)
    }
}

/// A table whose rows know their places in their teams, in that order.
fn numbered(table: &str, order: &str, count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|at| format!("${at}")).collect();
    format!(
        "(SELECT t.*, ROW_NUMBER() OVER (PARTITION BY team_id ORDER BY {order}) AS place_in_team, \
         COUNT(*) OVER (PARTITION BY team_id) AS count_of_team FROM {table} t WHERE team_id IN ({}))",
        places.join(", ")
    )
}
