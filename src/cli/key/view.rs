//! Keys as the command line shows them.

use serde::Serialize;

use super::super::{
    table::{NOTHING, Table},
    time::shown,
};
use crate::{
    identity::Terms,
    store::keys::{Created, Key},
};

/// A key, for programs. Times as RFC 3339 writes them, amounts as decimal texts.
#[derive(Serialize)]
pub(super) struct View<'k> {
    id: &'k str,
    label: Option<&'k str>,
    masked: &'k str,
    token: String,
    state: &'static str,
    user: Option<&'k str>,
    team: Option<&'k str>,
    project: Option<&'k str>,
    organization: Option<&'k str>,
    shared_budget: Option<&'k str>,
    terms: &'k Terms,
    spend: String,
    total_spend: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    rotated_at: Option<String>,
    rotation_count: i64,
    last_used_at: Option<String>,
    created_at: String,
    created_by: Option<&'k str>,
    updated_at: String,
    updated_by: Option<&'k str>,
}

impl<'k> View<'k> {
    /// How that key is shown.
    pub(super) fn of(key: &'k Key) -> Self {
        let stamps = &key.stamps;
        View {
            id: &key.id,
            label: key.label.as_deref(),
            masked: &key.masked,
            token: key.token(),
            state: key.state().name(),
            user: key.user_id.as_deref(),
            team: key.team_id.as_deref(),
            project: key.project_id.as_deref(),
            organization: key.organization_id.as_deref(),
            shared_budget: key.budget_id.as_deref(),
            terms: &key.terms,
            spend: stamps.spend.to_string(),
            total_spend: stamps.total_spend.to_string(),
            expires_at: key.expires_at.map(shown),
            revoked_at: key.revoked_at.map(shown),
            rotated_at: key.rotated_at.map(shown),
            rotation_count: key.rotation_count,
            last_used_at: stamps.last_used_at.map(shown),
            created_at: shown(stamps.created_at),
            created_by: stamps.created_by.as_deref(),
            updated_at: shown(stamps.updated_at),
            updated_by: stamps.updated_by.as_deref(),
        }
    }
}

/// A key that has just been made, for programs: the only time that its text is shown.
#[derive(Serialize)]
pub(super) struct Made<'k> {
    key: &'k str,
    #[serde(flatten)]
    view: View<'k>,
}

impl<'k> Made<'k> {
    /// How that key is shown.
    pub(super) fn of(made: &'k Created) -> Self {
        Made {
            key: made.secret.expose(),
            view: View::of(&made.key),
        }
    }
}

/// Keys, a line each.
pub(super) fn table(keys: &[Key]) -> Table {
    let mut table = Table::titled(&[
        "ID",
        "LABEL",
        "KEY",
        "STATE",
        "TEAM",
        "USER",
        "PROJECT",
        "MODELS",
        "RPM",
        "BUDGET",
        "SPENT",
        "EXPIRES",
        "LAST USED",
    ]);
    let or_nothing = |value: Option<String>| value.unwrap_or_else(|| NOTHING.to_owned());
    for key in keys {
        let (terms, spend) = (&key.terms, key.stamps.spend);
        let models = Some(terms.models.join(", ")).filter(|models| !models.is_empty());
        table.row([
            key.id.clone(),
            or_nothing(key.label.clone()),
            key.masked.clone(),
            key.state().name().to_owned(),
            or_nothing(key.team_id.clone()),
            or_nothing(key.user_id.clone()),
            or_nothing(key.project_id.clone()),
            or_nothing(models),
            or_nothing(
                terms
                    .limits
                    .requests_per_minute
                    .map(|limit| limit.to_string()),
            ),
            or_nothing(terms.budget.max.map(|most| format!("${most}"))),
            or_nothing((spend.pico() > 0).then(|| format!("${:.4}", spend.dollars()))),
            or_nothing(key.expires_at.map(shown)),
            or_nothing(key.stamps.last_used_at.map(shown)),
        ]);
    }
    table
}

/// All that is known of a key, a line for each thing.
pub(super) fn details(key: &Key) -> String {
    let mut table = Table::default();
    let view = serde_json::to_value(View::of(key)).unwrap_or_default();
    for (name, value) in view.as_object().into_iter().flatten() {
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        table.row([name.replace('_', " "), text]);
    }
    table.to_string()
}
