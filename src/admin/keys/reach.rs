//! What a caller may see of keys, and what it may make of them. Every route about keys goes through here,
//! LiteLLM's too.

use super::super::{
    access::{Caller, Grant, Scope},
    refusal::Refusal,
};
use crate::identity::virtual_key::{self, Form};
use crate::store::{
    List, Store, StoreError, keys::Key, projects::Project, teams::Team, users::User,
};

/// How many teams of one user are looked at.
const MAX_TEAMS: usize = 1000;

/// The user whose keys an ordinary key sees beside itself, and the team whose part of them alone: whoever
/// administrates a team makes keys for its members, and such a key speaks no further for its user.
fn user(caller: &Caller) -> Option<(&str, Option<&str>)> {
    let identity = caller.identity.as_deref()?;
    Some((identity.user.as_deref()?, identity.team.as_deref()))
}

/// Whether the caller may see a key.
pub(in crate::admin) fn sees(caller: &Caller, key: &Key) -> bool {
    match &caller.scope {
        Scope::All { .. } => true,
        Scope::Team { id, .. } => key.team_id.as_deref() == Some(&**id),
        Scope::Own => {
            let is_itself = caller.key_id().is_some_and(|id| **id == *key.id);
            is_itself
                || user(caller).is_some_and(|(user, team)| {
                    key.user_id.as_deref() == Some(user)
                        && (team.is_none() || key.team_id.as_deref() == team)
                })
        }
        Scope::Nobody => false,
    }
}

/// Those keys alone that the caller may see.
pub(in crate::admin) fn seen_by(caller: &Caller, list: List) -> List {
    match &caller.scope {
        Scope::All { .. } => list,
        Scope::Team { id, .. } => list.equals("team_id", &**id),
        Scope::Own | Scope::Nobody => match user(caller) {
            Some((user, None)) => list.equals("user_id", user),
            Some((user, Some(team))) => list.equals("user_id", user).equals("team_id", team),
            None => {
                let own = caller.key_id().map_or("", |id| id);
                list.equals("id", own)
            }
        },
    }
}

/// The same, and those of the teams that an ordinary key's user administrates.
///
/// # Errors
/// 503.
pub(in crate::admin) async fn seen_with_teams(
    store: &Store,
    caller: &Caller,
    list: List,
) -> Result<List, Refusal> {
    let (Scope::Own, Some((user, None))) = (&caller.scope, user(caller)) else {
        return Ok(seen_by(caller, list));
    };
    let places = store.memberships(user).await?.into_iter();
    let teams = places.filter(|place| place.role == "admin");
    let teams = teams.take(MAX_TEAMS).map(|place| place.team_id);
    Ok(list.either(vec![
        ("user_id", vec![user.to_owned()]),
        ("team_id", teams.collect()),
    ]))
}

/// The key that is meant, by id, text, hash or label.
///
/// # Errors
/// 404, whether there is none or none that the caller may see; 409 where several have that label.
pub(in crate::admin) async fn find(
    store: &Store,
    caller: &Caller,
    reference: &str,
) -> Result<Key, Refusal> {
    match store.find_key(reference).await {
        Ok(key) if sees(caller, &key) => return Ok(key),
        Ok(_) | Err(StoreError::NotFound { .. }) => {}
        Err(StoreError::Ambiguous { .. }) if !caller.sees_all() => {}
        Err(error) => return Err(error.into()),
    }
    // Others may have a key of that label too, which is no business of this caller's.
    let labelled = seen_by(caller, List::default().equals("label", reference));
    let mut keys = store.list::<Key>(&labelled.page(2, 0)).await?;
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        (Some(_), false) => Err(StoreError::Ambiguous {
            what: "key",
            reference: reference.to_owned(),
            ids: "list them to see".to_owned(),
        }
        .into()),
        (None, _) => Err(Refusal::not_found("key", &shown(reference))),
    }
}

/// What was asked for, where it cannot be a key's text.
fn shown(reference: &str) -> String {
    let is_name = virtual_key::form(reference) == Form::Foreign && !reference.starts_with("sk-");
    match is_name {
        true => reference.to_owned(),
        false => virtual_key::masked(reference),
    }
}

/// The same, to be changed.
///
/// # Errors
/// Those of [`find`]; 403 where the key may do what the caller may not: whoever rotates it has its text.
pub(in crate::admin) async fn find_to_change(
    store: &Store,
    caller: &Caller,
    reference: &str,
) -> Result<Key, Refusal> {
    let key = find(store, caller, reference).await?;
    let reaches_further = Grant::of(&key.terms).is_some_and(|grant| !grant.is_of_team());
    match reaches_further && !caller.sees_all() {
        true => Err(Refusal::forbidden(
            "This key may administrate more than its team; only a caller that may do the same changes it.",
        )),
        false => Ok(key),
    }
}

/// Looks at a key that the caller makes or has changed. Who is bound to a team makes keys of that team alone,
/// which cost nobody else and may do nothing that the caller may not.
///
/// # Errors
/// 400 where what is named is not there, 403.
pub(in crate::admin) async fn check(
    store: &Store,
    caller: &Caller,
    before: Option<&Key>,
    after: &Key,
) -> Result<(), Refusal> {
    let grant = Grant::of(&after.terms);
    if grant.is_some_and(Grant::is_of_team) && after.team_id.is_none() {
        let message = "A key whose `admin` grant is over a team needs a `team_id`.";
        return Err(Refusal::invalid(Some("admin"), message));
    }
    let Scope::Team { id, .. } = &caller.scope else {
        return Ok(());
    };
    let refuse = |field: &str, why: &str| {
        let message = format!("This key is bound to the team `{id}`: {why}.");
        let mut refusal = Refusal::forbidden(message);
        refusal.param = Some(field.to_owned());
        Err(refusal)
    };
    if after.team_id.as_deref() != Some(&**id) {
        return refuse("team_id", "its keys are that team's");
    }
    let was = |field: fn(&Key) -> &Option<String>| before.map(field) == Some(field(after));
    if after.budget_id.is_some() && !was(|key| &key.budget_id) {
        return refuse(
            "budget_id",
            "it cannot spend from a budget that others share",
        );
    }
    if grant.is_some_and(|grant| !grant.is_of_team()) {
        return refuse("admin", "it grants `team_read` and `team_write` alone");
    }
    if let Some(project) = after
        .project_id
        .as_deref()
        .filter(|_| !was(|key| &key.project_id))
    {
        let project = store.find::<Project>(project).await?;
        let team = project
            .as_ref()
            .and_then(|project| project.team_id.as_deref());
        if team != Some(&**id) {
            return refuse(
                "project_id",
                "its keys belong to that team's projects alone",
            );
        }
    }
    if let Some(organization) = after
        .organization_id
        .as_deref()
        .filter(|_| !was(|key| &key.organization_id))
    {
        let team = store.find::<Team>(id).await?;
        let own = team
            .as_ref()
            .and_then(|team| team.organization_id.as_deref());
        if own != Some(organization) {
            return refuse(
                "organization_id",
                "its keys belong to that team's organization alone",
            );
        }
    }
    if let Some(user) = after
        .user_id
        .as_deref()
        .filter(|_| !was(|key| &key.user_id))
    {
        let places = store.memberships(user).await?;
        let is_member = places.iter().any(|place| place.team_id == **id);
        let role = store.find::<User>(user).await?.map(|user| user.role);
        let is_admin = role.is_some_and(|role| role.starts_with("proxy_admin"));
        if !is_member || is_admin {
            return refuse("user_id", "its keys belong to that team's members alone");
        }
    }
    Ok(())
}
