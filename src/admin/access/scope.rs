//! How far a key reaches on the admin interface: what its terms grant it, else what its user's role does.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    identity::{Identity, Profile, Terms},
    store::{Store, StoreError, users::User},
};

/// Among a key's permissions: what it may do here.
pub const PERMISSION: &str = "admin";
/// The groups of LiteLLM's routes that are for administrators, and for those who look on.
const MANAGEMENT: &str = "management_routes";
const INFORMATION: &str = "info_routes";

/// What a key is granted on the admin interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// To see everything.
    Read,
    /// To see and change everything.
    Write,
    /// To see what is its team's.
    TeamRead,
    /// To see what is its team's, and to make and change its keys.
    TeamWrite,
}

impl Grant {
    /// What terms grant. A word that is not known grants nothing.
    pub fn of(terms: &Terms) -> Option<Self> {
        let granted = terms.permissions.get(PERMISSION)?;
        Grant::deserialize(granted).ok()
    }

    /// Makes terms grant this, or nothing.
    pub fn put(grant: Option<Self>, terms: &mut Terms) {
        match grant.and_then(|grant| serde_json::to_value(grant).ok()) {
            Some(word) => drop(terms.permissions.insert(PERMISSION.to_owned(), word)),
            None => drop(terms.permissions.remove(PERMISSION)),
        }
    }

    /// Whether it is over the key's team alone.
    pub fn is_of_team(self) -> bool {
        matches!(self, Grant::TeamRead | Grant::TeamWrite)
    }

    /// Its word in JSON.
    pub fn word(self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// How far a caller reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::admin) enum Scope {
    /// Nobody is known to call.
    Nobody,
    /// Its own key.
    Own,
    /// What is one team's.
    Team { id: Arc<str>, writes: bool },
    /// Everything.
    All { writes: bool },
}

impl Scope {
    /// How far a key reaches. What it is granted itself comes before its user's role.
    ///
    /// # Errors
    /// `Away`, where the role would have to be asked for.
    pub(super) async fn of(identity: &Identity, store: Option<&Store>) -> Result<Self, StoreError> {
        if identity.master {
            return Ok(Scope::All { writes: true });
        }
        let Some(profile) = &identity.profile else {
            return Ok(Scope::Own);
        };
        match Grant::of(&profile.terms) {
            Some(grant) => Ok(granted(grant, profile)),
            None => by_role(profile, store).await,
        }
    }
}

fn granted(grant: Grant, profile: &Profile) -> Scope {
    let writes = matches!(grant, Grant::Write | Grant::TeamWrite);
    match (grant.is_of_team(), &profile.team) {
        (false, _) => Scope::All { writes },
        (true, Some(team)) => Scope::Team {
            id: team.id.clone(),
            writes,
        },
        (true, None) => Scope::Own,
    }
}

/// LiteLLM's rule: a user's role is its keys'. But a team's key never reaches beyond its team, for whoever
/// administrates the team makes such keys.
async fn by_role(profile: &Profile, store: Option<&Store>) -> Result<Scope, StoreError> {
    let routes = &profile.terms.routes;
    let names = |group: &str| routes.iter().any(|route| route == group);
    let may_write = routes.is_empty() || names(MANAGEMENT);
    let (Some(user), Some(store), true) = (&profile.user, store, may_write || names(INFORMATION))
    else {
        return Ok(Scope::Own);
    };
    if let Some(team) = &profile.team {
        let places = store.memberships(&user.id).await?;
        let is_admin = |place: &crate::store::teams::Member| {
            place.team_id == *team.id && place.role == "admin"
        };
        return Ok(match places.iter().any(is_admin) {
            true => Scope::Team {
                id: team.id.clone(),
                writes: may_write,
            },
            false => Scope::Own,
        });
    }
    let user = store.find::<User>(&user.id).await?;
    Ok(match user.as_ref().map(|user| user.role.as_str()) {
        Some("proxy_admin") => Scope::All { writes: may_write },
        Some("proxy_admin_viewer") => Scope::All { writes: false },
        _ => Scope::Own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_kept_among_the_permissions() {
        let mut terms = Terms::default();
        for grant in [Grant::Read, Grant::Write, Grant::TeamRead, Grant::TeamWrite] {
            Grant::put(Some(grant), &mut terms);
            assert_eq!(Grant::of(&terms), Some(grant));
            assert_eq!(terms.permissions[PERMISSION], grant.word());
        }
        terms.permissions.insert(PERMISSION.into(), "king".into());
        assert_eq!(Grant::of(&terms), None);
        Grant::put(None, &mut terms);
        assert!(terms.permissions.is_empty());
    }
}
