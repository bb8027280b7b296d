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

#[cfg(test)]
mod tests {
    use crate::store::{
        keys::{Key, NewKey},
        teams::{Member, Team},
        tests::databases::databases,
    };

    #[tokio::test]
    async fn of_each_team_no_more_is_read_than_is_asked_for_and_all_are_counted() {
        for database in databases().await {
            let store = &database.store;
            for team in ["old", "new", "none"] {
                store.create(Team::new(team), None).await.unwrap();
            }
            for (team, number) in [("old", 0), ("new", 0), ("new", 1), ("new", 2)] {
                let key = Key {
                    team_id: Some(team.to_owned()),
                    label: Some(number.to_string()),
                    ..Key::default()
                };
                let new = NewKey { key, custom: None };
                store.create_key(new, None).await.unwrap();
                let member = Member {
                    team_id: team.to_owned(),
                    user_id: format!("user-{number}"),
                    role: "user".to_owned(),
                    ..Member::default()
                };
                store.put_member(&member).await.unwrap();
            }
            let teams = ["old".to_owned(), "new".to_owned(), "none".to_owned()];
            let keys = store.keys_of_teams(&teams, 2).await.unwrap();
            let counts = |team: &str| (keys[team].those.len(), keys[team].count);
            assert_eq!(
                (counts("old"), counts("new"), keys.len()),
                ((1, 1), (2, 3), 2)
            );
            let members = store.members_of_teams(&teams, 2).await.unwrap();
            assert_eq!((members["new"].those.len(), members["new"].count), (2, 3));
            assert_eq!(members["new"].those[0].user_id, "user-0");
            assert!(store.keys_of_teams(&[], 2).await.unwrap().is_empty());
        }
    }
}
