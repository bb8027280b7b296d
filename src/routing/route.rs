//! Which route a request takes: its model and everything else that the route asks for.

use std::sync::Arc;

use super::{facts::Facts, pool::Pool};
use crate::{
    config::{FailureClass, When},
    pattern,
};

/// A route, ready to be asked.
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// The model's glob.
    pub model: Box<str>,
    /// What else must hold.
    pub when: When,
    /// Where it leads: one pool, or several arms of an experiment.
    pub arms: Vec<Arm>,
    /// Who is asked behind them; `None` for those of the model.
    pub fallbacks: Option<Arc<[Box<str>]>>,
    /// Which failures lead on; `None` for the usual.
    pub fallback_on: Option<Arc<[FailureClass]>>,
    /// Where copies go, and how many in 10,000.
    pub shadow: Option<(Arc<str>, u32)>,
    /// Dearer candidates are not asked, in USD.
    pub max_cost: Option<f64>,
}

/// One arm of an experiment, or the only way.
pub struct Arm {
    /// What it is called; `None` where there is only one.
    pub name: Option<Arc<str>>,
    /// The pool.
    pub pool: Arc<Pool>,
    /// Its share.
    pub weight: u16,
}

impl Route {
    /// Whether a request for `model` takes it.
    pub fn matches(&self, model: &str, facts: &Facts<'_>) -> bool {
        pattern::matches(&self.model, model) && holds(&self.when, facts)
    }

    /// The arm of this caller: always the same one. Callers without a name share one.
    pub fn arm(&self, facts: &Facts<'_>) -> Option<&Arm> {
        if let [only] = self.arms.as_slice() {
            return Some(only);
        }
        let all: u64 = self.arms.iter().map(|arm| u64::from(arm.weight)).sum();
        let place = super::digest(&[&self.name, facts.caller()]) % all.max(1);
        let mut before = 0;
        self.arms.iter().find(|arm| {
            before += u64::from(arm.weight);
            place < before
        })
    }
}

fn holds(when: &When, facts: &Facts<'_>) -> bool {
    let is_one_of = |globs: &[String], name: Option<&str>| {
        globs.is_empty()
            || name.is_some_and(|name| globs.iter().any(|glob| pattern::matches(glob, name)))
    };
    let is = |wanted: Option<bool>, found: &dyn Fn() -> bool| {
        wanted.is_none_or(|wanted| wanted == found())
    };
    let is_tag = |tag: &str| when.tags.iter().any(|glob| pattern::matches(glob, tag));
    let has_headers = when.headers.iter().all(|(name, glob)| {
        let value = facts.header(name);
        value.is_some_and(|value| pattern::matches(glob, value))
    });
    let range = &when.prompt_tokens;
    // What has to be looked for in the body comes last.
    is_one_of(&when.keys, facts.key)
        && is_one_of(&when.teams, facts.team)
        && has_headers
        && is(when.stream, &|| facts.stream)
        && (when.tags.is_empty() || facts.has_tag(&is_tag))
        && is(when.tools, &|| facts.prompt().has_tools)
        && is(when.images, &|| facts.prompt().has_images)
        && range.min.is_none_or(|min| facts.prompt().tokens >= min)
        && range.max.is_none_or(|max| facts.prompt().tokens <= max)
}
