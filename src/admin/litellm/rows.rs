//! Records as LiteLLM's tables have them.

use serde_json::{Value, json};

use super::{Object, object};
use crate::admin::input::Time;
use crate::{
    identity::{Terms, period::Period, terms::ModelLimits},
    price::Usd,
    store::{
        Stamps,
        budgets::Budget,
        keys::{Key, KeyState},
        now,
        teams::{Member, Team},
        users::User,
    },
};

/// A number of dollars.
pub(super) fn dollars(amount: Usd) -> Value {
    json!(amount.dollars())
}

pub(super) fn time(at: Option<i64>) -> Value {
    json!(at.map(Time))
}

/// When a budget's period ends that began at `from`.
fn reset_at(from: i64, period: Option<Period>) -> Value {
    let Some(period) = period else {
        return Value::Null;
    };
    let (mut end, now) = (period.end(from), now());
    if end <= now
        && let Some(span) = period.about().filter(|span| *span > 0)
    {
        // Almost there in one step; months are not all as long.
        let whole = (now - from) / span - 2;
        let start = if whole > 0 { from + whole * span } else { from };
        end = period.end(start);
        while end <= now {
            end = period.end(end);
        }
    }
    json!(Time(end))
}

/// What is said of terms in every table.
fn put_terms(row: &mut Object, terms: &Terms, stamps: &Stamps) {
    let (limits, budget) = (&terms.limits, &terms.budget);
    let of_models = |field: fn(&ModelLimits) -> Option<u64>| -> Object {
        let limit =
            |(name, limits): (&String, &ModelLimits)| Some((name.clone(), field(limits)?.into()));
        limits.models.iter().filter_map(limit).collect()
    };
    let (rpm, tpm) = (
        of_models(|limits| limits.requests_per_minute),
        of_models(|limits| limits.tokens_per_minute),
    );
    let model_budgets: Object = budget
        .models
        .iter()
        .map(|(name, budget)| {
            let said = json!({"budget_limit": dollars(budget.max), "time_period": budget.period});
            (name.clone(), said)
        })
        .collect();
    let mut metadata = terms.metadata.clone();
    for (name, limits) in [("model_rpm_limit", &rpm), ("model_tpm_limit", &tpm)] {
        if !limits.is_empty() {
            metadata.insert(name.to_owned(), limits.clone().into());
        }
    }
    if !terms.tags.is_empty() {
        metadata.insert("tags".to_owned(), json!(terms.tags));
    }
    // As limits have it.
    let began = stamps.created_at;
    let said = json!({
        "models": terms.models, "max_budget": budget.max.map(dollars), "soft_budget": budget.soft.map(dollars),
        "budget_duration": budget.period, "budget_reset_at": reset_at(began, budget.period),
        "model_max_budget": model_budgets, "model_spend": {},
        "max_parallel_requests": limits.parallel_requests, "tpm_limit": limits.tokens_per_minute,
        "rpm_limit": limits.requests_per_minute, "model_rpm_limit": rpm, "model_tpm_limit": tpm,
        "metadata": metadata, "tags": terms.tags, "spend": dollars(stamps.spend),
        "created_at": Time(stamps.created_at), "updated_at": Time(stamps.updated_at),
        "created_by": stamps.created_by, "updated_by": stamps.updated_by,
    });
    row.extend(object(said));
    if let Some(increase) = budget.increase {
        row.insert("temp_budget_increase".into(), dollars(increase.by));
        row.insert("temp_budget_expiry".into(), json!(Time(increase.until)));
    }
    for (name, value) in &terms.kept {
        row.insert(name.clone(), value.clone());
    }
}

/// A key: `LiteLLM_VerificationToken`.
pub(super) fn key(key: &Key) -> Object {
    let mut row = object(json!({
        "token": key.token(), "key_name": key.masked.replace('…', "..."), "key_alias": key.label,
        "expires": time(key.expires_at), "aliases": key.terms.aliases, "config": {},
        "user_id": key.user_id, "team_id": key.team_id, "project_id": key.project_id,
        "organization_id": key.organization_id, "org_id": key.organization_id, "agent_id": null,
        "permissions": key.terms.permissions, "blocked": key.blocked || key.revoked_at.is_some(),
        "allowed_cache_controls": [], "allowed_routes": key.terms.routes, "budget_id": key.budget_id,
        "litellm_budget_table": null, "last_active": time(key.stamps.last_used_at),
        "rotation_count": key.rotation_count, "auto_rotate": false, "rotation_interval": null,
        "last_rotation_at": time(key.rotated_at), "object_permission": null,
        "total_spend": dollars(key.stamps.total_spend),
    }));
    put_terms(&mut row, &key.terms, &key.stamps);
    row
}

/// LiteLLM's word for how a key stands.
pub(super) fn status(key: &Key) -> &'static str {
    match key.state() {
        KeyState::Active => "active",
        KeyState::Expired => "expired",
        KeyState::Blocked | KeyState::Revoked => "revoked",
    }
}

/// A user: `LiteLLM_UserTable`.
pub(super) fn user(user: &User, teams: &[Member]) -> Object {
    let teams: Vec<&str> = teams.iter().map(|member| member.team_id.as_str()).collect();
    let mut row = object(json!({
        "user_id": user.id, "user_alias": user.alias, "user_email": user.email, "user_role": user.role,
        "teams": teams, "blocked": user.blocked, "allowed_cache_controls": [], "organization_memberships": [],
        "sso_user_id": null,
    }));
    put_terms(&mut row, &user.terms, &user.stamps);
    row
}

/// A team: `LiteLLM_TeamTable`.
pub(super) fn team(team: &Team, members: &[Member]) -> Object {
    let with_roles: Vec<Value> = members
        .iter()
        .map(|member| json!({"user_id": member.user_id, "user_email": null, "role": member.role}))
        .collect();
    let table = match team.terms.aliases.is_empty() {
        true => Value::Null,
        false => json!({"model_aliases": team.terms.aliases}),
    };
    let mut row = object(json!({
        "team_id": team.id, "team_alias": team.alias, "organization_id": team.organization_id,
        "admins": [], "members": [], "members_with_roles": with_roles, "blocked": team.blocked,
        "model_aliases": team.terms.aliases, "litellm_model_table": table, "object_permission": null,
    }));
    put_terms(&mut row, &team.terms, &team.stamps);
    row
}

/// A user's place in a team: `LiteLLM_TeamMembership`.
pub(super) fn membership(member: &Member) -> Object {
    let (limits, budget) = (&member.terms.limits, &member.terms.budget);
    let table = match member.terms == Terms::default() {
        true => Value::Null,
        false => json!({
            "max_budget": budget.max.map(dollars), "budget_duration": budget.period,
            "tpm_limit": limits.tokens_per_minute, "rpm_limit": limits.requests_per_minute,
        }),
    };
    object(json!({
        "user_id": member.user_id, "team_id": member.team_id, "budget_id": null, "spend": 0.0,
        "litellm_budget_table": table,
    }))
}

/// A budget: `LiteLLM_BudgetTable`.
pub(super) fn budget(budget: &Budget) -> Object {
    let mut row = object(json!({"budget_id": budget.id}));
    put_terms(&mut row, &budget.terms, &budget.stamps);
    for of_others in [
        "models",
        "metadata",
        "tags",
        "model_spend",
        "model_rpm_limit",
        "model_tpm_limit",
    ] {
        row.remove(of_others);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_in_the_future_however_long_ago_it_began() {
        for period in ["30s", "1d", "1mo", "1y", "45m"] {
            let period: Period = period.parse().unwrap();
            for from in [0, 1_700_000_000_000, now() - 5, now()] {
                let Value::String(text) = reset_at(from, Some(period)) else {
                    panic!("no end")
                };
                let end = Time::parse(&text).unwrap().0;
                assert!(end > now() - 1000, "{period}: {text}");
                assert!(
                    end <= period.end(now()) + 3 * 86_400_000,
                    "{period}: {text}"
                );
            }
        }
        assert_eq!(reset_at(0, None), Value::Null);
    }
}
