//! `gateway user`.

use clap::Args;
use serde_json::{Map, Value};

use super::{Said, team::Blocking};
use crate::cli::terms::{Setting, TermsArguments, say};

/// What may be said of a user.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct User {
    /// What people call it, or `none`
    #[arg(long, alias = "label")]
    alias: Option<Setting<String>>,
    /// Where mail reaches it, or `none`
    #[arg(long)]
    email: Option<Setting<String>>,
    /// What its keys may do on the admin interface: proxy_admin, proxy_admin_viewer, internal_user or
    /// internal_user_viewer
    #[arg(long)]
    role: Option<String>,
    #[command(flatten)]
    blocking: Blocking,
    #[command(flatten)]
    terms: TermsArguments,
}

impl Said for User {
    const WHAT: &'static str = "user";
    const PATH: &'static str = "/admin/users";
    const OF_KEYS: &'static str = "user_id";

    fn is_partial(&self) -> bool {
        self.terms.is_partial()
    }

    fn say(&self, body: &mut Map<String, Value>, current: Option<&Value>) {
        say(body, "alias", self.alias.as_ref());
        say(body, "email", self.email.as_ref());
        if let Some(role) = &self.role {
            body.insert("role".to_owned(), role.as_str().into());
        }
        self.blocking.say(body);
        self.terms.say(body, current);
    }
}
