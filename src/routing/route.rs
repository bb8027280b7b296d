//! Which route a request takes: its model and everything else that the route asks for.

use std::sync::Arc;

use super::{Label, facts::Facts, pool::Pool};
use crate::{
    config::{FailureClass, When},
    identity::CacheChoice,
    pattern,
};

/// A route, ready to be asked.
pub struct Route {
    /// Its name.
    pub name: Label,
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
    /// Where copies go, and how many in 1,000,000.
    pub shadow: Option<(Arc<str>, u32)>,
    /// Dearer candidates are not asked, in USD.
    pub max_cost: Option<f64>,
    /// What it has of its own about keeping answers.
    pub cache: CacheChoice,
}

/// One arm of an experiment, or the only way.
pub struct Arm {
    /// What it is called; `None` where there is only one.
    pub name: Option<Label>,
    /// The pool.
    pub pool: Arc<Pool>,
    /// Its share.
    pub weight: u16,
}

/// The first thing that a route asks for and a request has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch<'a> {
    /// Another model.
    Model,
    /// Another key, or any.
    Key,
    /// Another team, or any.
    Team,
    /// This header with what matches this glob.
    Header(&'a str, &'a str),
    /// A stream, or none.
    Stream,
    /// One of its tags.
    Tags,
    /// Tools, or none.
    Tools,
    /// Images, or none.
    Images,
    /// A longer prompt: of so many tokens.
    TooShort(u64),
    /// A shorter prompt: of so many tokens.
    TooLong(u64),
}

impl Route {
    /// Whether a request for `model` takes it.
    pub fn matches(&self, model: &str, facts: &Facts<'_>) -> bool {
        self.mismatch(model, facts).is_none()
    }

    /// Why a request for `model` does not take it; `None` where it does.
    pub fn mismatch(&self, model: &str, facts: &Facts<'_>) -> Option<Mismatch<'_>> {
        match pattern::matches(&self.model, model) {
            true => mismatch(&self.when, facts),
            false => Some(Mismatch::Model),
        }
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

fn mismatch<'a>(when: &'a When, facts: &Facts<'_>) -> Option<Mismatch<'a>> {
    let is_one_of = |globs: &[String], name: Option<&str>| {
        globs.is_empty()
            || name.is_some_and(|name| globs.iter().any(|glob| pattern::matches(glob, name)))
    };
    let is = |wanted: Option<bool>, found: &dyn Fn() -> bool| {
        wanted.is_none_or(|wanted| wanted == found())
    };
    let is_tag = |tag: &str| when.tags.iter().any(|glob| pattern::matches(glob, tag));
    let is_missing = |(name, glob): &(&String, &String)| {
        let value = facts.header(name);
        !value.is_some_and(|value| pattern::matches(glob, value))
    };
    let range = &when.prompt_tokens;
    if !is_one_of(&when.keys, facts.key) {
        return Some(Mismatch::Key);
    }
    if !is_one_of(&when.teams, facts.team) {
        return Some(Mismatch::Team);
    }
    if let Some((name, glob)) = when.headers.iter().find(is_missing) {
        return Some(Mismatch::Header(name, glob));
    }
    if !is(when.stream, &|| facts.stream) {
        return Some(Mismatch::Stream);
    }
    // What has to be looked for in the body comes last.
    if !when.tags.is_empty() && !facts.tags().any(is_tag) {
        return Some(Mismatch::Tags);
    }
    if !is(when.tools, &|| facts.prompt().has_tools) {
        return Some(Mismatch::Tools);
    }
    if !is(when.images, &|| facts.prompt().has_images) {
        return Some(Mismatch::Images);
    }
    let min = range.min.filter(|min| facts.prompt().tokens < *min);
    let max = range.max.filter(|max| facts.prompt().tokens > *max);
    min.map(Mismatch::TooShort).or(max.map(Mismatch::TooLong))
}
