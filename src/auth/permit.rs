//! What a caller may do: with which models, on which routes. A key's own terms hold, and those of its
//! project, team, user and budget.

use crate::{
    error::GatewayError,
    identity::{Identity, Terms},
    pattern,
};

/// Whether the caller may use a model.
pub fn may_use(identity: &Identity, model: &str) -> bool {
    let allowed = &identity.models;
    let by_name = allowed.is_empty() || allowed.iter().any(|glob| pattern::matches(glob, model));
    by_name && refusing(identity, |terms| !terms.allows_model(model)).is_none()
}

/// Checks that the caller may use the model that it asks for.
///
/// # Errors
/// `ModelForbidden`.
pub fn permit(identity: &Identity, model: &str) -> Result<(), GatewayError> {
    if may_use(identity, model) {
        return Ok(());
    }
    let allowed = refusing(identity, |terms| !terms.allows_model(model));
    let allowed = allowed.map_or_else(
        || identity.models.join(", "),
        |terms| terms.models.join(", "),
    );
    Err(GatewayError::ModelForbidden {
        model: model.to_owned(),
        key: identity.key.as_deref().unwrap_or_default().to_owned(),
        allowed,
    })
}

/// Checks that the caller may use a route; `lists` tells one that lists models from one that calls them.
///
/// # Errors
/// `RouteForbidden`.
pub fn permit_route(identity: &Identity, path: &str, lists: bool) -> Result<(), GatewayError> {
    match refusing(identity, |terms| !terms.allows_route(path, lists)) {
        None => Ok(()),
        Some(terms) => Err(GatewayError::RouteForbidden {
            path: path.to_owned(),
            key: identity.key.as_deref().unwrap_or_default().to_owned(),
            allowed: terms.routes.join(", "),
        }),
    }
}

/// The first of the terms that hold for the caller that refuses.
fn refusing(identity: &Identity, refuses: impl Fn(&Terms) -> bool) -> Option<Terms> {
    let profile = identity.profile.as_ref()?;
    if refuses(&profile.terms) {
        return Some(Terms::clone(&profile.terms));
    }
    let mut groups = profile.groups().map(|group| group.now());
    let standing = groups.find(|standing| refuses(&standing.terms))?;
    Some(standing.terms.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::{Group, Profile, Standing};

    fn terms(models: &[&str], routes: &[&str]) -> Terms {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Terms {
            models: owned(models),
            routes: owned(routes),
            ..Terms::default()
        }
    }

    #[test]
    fn a_key_may_do_what_its_terms_and_its_teams_allow() {
        let team = Arc::new(Group::new("red"));
        let profile = Profile {
            id: "key_1".into(),
            terms: Arc::new(terms(&["gpt-*"], &["/v1/chat/*", "/v1/models"])),
            project: None,
            team: Some(team.clone()),
            user: None,
            budget: None,
            organization: None,
            since: 0,
        };
        let identity = Identity {
            key: Some("app".into()),
            profile: Some(Arc::new(profile)),
            ..Identity::default()
        };
        assert!(may_use(&identity, "gpt-5") && !may_use(&identity, "o3"));
        assert!(permit_route(&identity, "/v1/chat/completions", false).is_ok());
        let refused = permit_route(&identity, "/v1/embeddings", false).unwrap_err();
        assert_eq!(refused.status(), 403);
        team.replace(Standing {
            terms: terms(&["gpt-4*", "o3"], &[]),
            ..Standing::default()
        });
        assert!(may_use(&identity, "gpt-4o") && !may_use(&identity, "o3"));
        let refused = permit(&identity, "gpt-5").unwrap_err().to_string();
        assert!(
            refused.contains("gpt-4*") && refused.contains("app"),
            "{refused}"
        );
    }
}
