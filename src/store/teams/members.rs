//! Who is in which team.

use super::{
    super::{Row, Store, StoreError, fields, now, sql},
    Team,
};
use crate::identity::Terms;

/// What a member may do in its team. LiteLLM's names.
pub const ROLES: [&str; 2] = ["admin", USER];
const USER: &str = "user";

/// A user's place in a team.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Member {
    /// The team.
    pub team_id: String,
    /// The user; it need not be known otherwise.
    pub user_id: String,
    /// What it may do there: `admin` or `user`.
    pub role: String,
    /// Its budget and limits there.
    pub terms: Terms,
    /// Since when, in milliseconds since 1970.
    pub created_at: i64,
}

pub(super) const COLUMNS: &str = "team_id, user_id, role, terms, created_at";

pub(super) fn read(row: &Row) -> Result<Member, StoreError> {
    let (terms, unreadable) = row.json_if_readable("terms");
    Ok(Member {
        team_id: row.text("team_id")?,
        user_id: row.text("user_id")?,
        // Under terms that nobody knows it is a member and no more.
        role: match unreadable {
            Some(_) => USER.to_owned(),
            None => row.text("role")?,
        },
        terms,
        created_at: row.integer("created_at")?,
    })
}

impl Store {
    /// Puts a user into a team, or changes its place there.
    ///
    /// # Errors
    /// `NotFound` where there is no such team, `Invalid`.
    pub async fn put_member(&self, member: &Member) -> Result<(), StoreError> {
        fields::name("user_id", &member.user_id)?;
        fields::terms(&member.terms)?;
        if !ROLES.contains(&member.role.as_str()) {
            let why = format!("is one of {}", ROLES.join(", "));
            return Err(StoreError::invalid("role", why));
        }
        let mut transaction = self.begin().await?;
        transaction.hold::<Team>(&member.team_id).await?;
        let put = "INSERT INTO team_members (team_id, user_id, role, terms, created_at) \
                   VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (team_id, user_id) DO UPDATE SET role = $3, terms = $4";
        let put = sql(put)
            .bind(&member.team_id)
            .bind(&member.user_id)
            .bind(&member.role)
            .bind(fields::json("metadata", &member.terms)?)
            .bind(now());
        transaction.run(put).await?;
        transaction.commit().await
    }

    /// Takes a user out of a team; `false` where it was not in it.
    ///
    /// # Errors
    /// `Away`.
    pub async fn remove_member(&self, team_id: &str, user_id: &str) -> Result<bool, StoreError> {
        let remove = "DELETE FROM team_members WHERE team_id = $1 AND user_id = $2";
        let removed = self.run(sql(remove).bind(team_id).bind(user_id)).await?;
        Ok(removed > 0)
    }

    /// Who is in a team, those who came first first.
    ///
    /// # Errors
    /// `Away`.
    pub async fn members(&self, team_id: &str) -> Result<Vec<Member>, StoreError> {
        let read_all = format!(
            "SELECT {COLUMNS} FROM team_members WHERE team_id = $1 ORDER BY created_at, user_id"
        );
        let rows = self.all(sql(read_all).bind(team_id)).await?;
        rows.iter().map(read).collect()
    }

    /// Which teams a user is in.
    ///
    /// # Errors
    /// `Away`.
    pub async fn memberships(&self, user_id: &str) -> Result<Vec<Member>, StoreError> {
        let read_all =
            format!("SELECT {COLUMNS} FROM team_members WHERE user_id = $1 ORDER BY team_id");
        let rows = self.all(sql(read_all).bind(user_id)).await?;
        rows.iter().map(read).collect()
    }
}
