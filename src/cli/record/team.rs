//! `gateway team`.

use clap::Args;
use serde_json::{Map, Value};

use super::Said;
use crate::cli::terms::{Setting, TermsArguments, say};

/// What may be said of a team.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Team {
    /// What people call it, or `none`
    #[arg(long, alias = "label")]
    alias: Option<Setting<String>>,
    #[command(flatten)]
    blocking: Blocking,
    #[command(flatten)]
    terms: TermsArguments,
}

/// Whether keys that belong to it may be used.
#[derive(Debug, Clone, Args)]
pub(super) struct Blocking {
    /// Its keys may not be used for now
    #[arg(long, conflicts_with = "unblock")]
    block: bool,
    /// Its keys may be used again
    #[arg(long)]
    unblock: bool,
}

impl Blocking {
    /// Puts what was said into a change.
    pub(super) fn say(&self, body: &mut Map<String, Value>) {
        if self.block || self.unblock {
            body.insert("blocked".to_owned(), self.block.into());
        }
    }
}

impl Said for Team {
    const WHAT: &'static str = "team";
    const PATH: &'static str = "/admin/teams";
    const OF_KEYS: &'static str = "team_id";

    fn is_partial(&self) -> bool {
        self.terms.is_partial()
    }

    fn say(&self, body: &mut Map<String, Value>, current: Option<&Value>) {
        say(body, "alias", self.alias.as_ref());
        self.blocking.say(body);
        self.terms.say(body, current);
    }
}
