//! What a caller may do: with which models, on which routes. A key's own terms hold, and those of its
//! project, team, user and budget.

use std::ops::ControlFlow;

use crate::{
    error::GatewayError,
    identity::{Identity, Terms},
    pattern,
};

/// Whether the caller may use a model.
pub fn may_use(identity: &Identity, model: &str) -> bool {
    resolve(identity, model).is_ok()
}

/// Checks that the caller may use the model that it asks for, and answers which one it means, where its
/// terms have that name for another.
///
/// # Errors
/// `ModelForbidden`.
pub fn permit(identity: &Identity, model: &str) -> Result<Option<String>, GatewayError> {
    resolve(identity, model).map_err(|allowed| GatewayError::ModelForbidden {
        model: model.to_owned(),
        key: identity.key.as_deref().unwrap_or_default().to_owned(),
        allowed: allowed.join(", "),
    })
}

/// The model that a name means; an error holds those that are allowed. Whoever gives a model another name
/// allows that name and what it stands for, and nothing to those above: a key's name for a model is looked
/// through before its team is asked.
fn resolve(identity: &Identity, model: &str) -> Result<Option<String>, Vec<String>> {
    let allowed = &identity.models;
    if !allowed.is_empty() && !allowed.iter().any(|glob| pattern::matches(glob, model)) {
        return Err(allowed.to_vec());
    }
    let mut target: Option<String> = None;
    let looked = each(identity, |terms| {
        let name = target.as_deref().unwrap_or(model);
        let next = terms.aliases.get(name);
        let allows = |name: &String| terms.allows_model(name);
        if !terms.allows_model(name) && !next.is_some_and(allows) {
            return ControlFlow::Break(terms.models.clone());
        }
        if let Some(next) = next {
            target = Some(next.clone());
        }
        ControlFlow::Continue(())
    });
    match looked {
        ControlFlow::Break(allowed) => Err(allowed),
        ControlFlow::Continue(()) => Ok(target),
    }
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
    match each(identity, |terms| match refuses(terms) {
        true => ControlFlow::Break(terms.clone()),
        false => ControlFlow::Continue(()),
    }) {
        ControlFlow::Break(terms) => Some(terms),
        ControlFlow::Continue(()) => None,
    }
}

/// Shows all terms that hold for the caller: the key's own, and those of its project, team, user and budget.
fn each<B>(identity: &Identity, mut look: impl FnMut(&Terms) -> ControlFlow<B>) -> ControlFlow<B> {
    let Some(profile) = identity.profile.as_ref() else {
        return ControlFlow::Continue(());
    };
    look(&profile.terms)?;
    for group in profile.groups() {
        look(&group.now().terms)?;
    }
    ControlFlow::Continue(())
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
            profile: Some(profile),
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

    #[test]
    fn a_name_of_a_keys_own_is_looked_through_by_those_above_it() {
        let team = Arc::new(Group::new("red"));
        let aliases = |pairs: &[(&str, &str)]| {
            let owned = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
            pairs.iter().map(owned).collect()
        };
        let own = Terms {
            aliases: aliases(&[("smart", "fast"), ("sly", "o3")]),
            ..terms(&["smart", "sly"], &[])
        };
        let profile = Profile {
            id: "key_1".into(),
            terms: Arc::new(own),
            project: None,
            team: Some(team.clone()),
            user: None,
            budget: None,
            organization: None,
            since: 0,
        };
        let identity = Identity {
            profile: Some(profile),
            ..Identity::default()
        };
        let means = |model: &str| permit(&identity, model).map(Option::unwrap_or_default);
        assert_eq!(means("smart").unwrap(), "fast");
        team.replace(Standing {
            terms: Terms {
                aliases: aliases(&[("fast", "gpt-5-mini")]),
                ..terms(&["gpt-*"], &[])
            },
            ..Standing::default()
        });
        assert_eq!(means("smart").unwrap(), "gpt-5-mini");
        for refused in ["sly", "fast", "gpt-5-mini", "o3"] {
            assert!(means(refused).is_err(), "{refused}");
        }
    }
}
