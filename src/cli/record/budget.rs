//! `gateway budget`: what keys share by naming it (`gateway key create --shared-budget`).

use clap::Args;
use serde_json::{Map, Value};

use super::Said;
use crate::cli::terms::LimitArguments;

/// What may be said of a budget.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Budget {
    #[command(flatten)]
    limits: LimitArguments,
}

impl Said for Budget {
    const WHAT: &'static str = "budget";
    const PATH: &'static str = "/admin/budgets";
    const OF_KEYS: &'static str = "budget_id";

    fn is_partial(&self) -> bool {
        self.limits.is_partial()
    }

    fn say(&self, body: &mut Map<String, Value>, current: Option<&Value>) {
        self.limits.say(body, current);
    }
}
