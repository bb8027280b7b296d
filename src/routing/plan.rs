//! The order in which a request's candidates are tried.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::upstream::provider::Provider;

/// A provider and the model's name there.
#[derive(Clone)]
pub struct Candidate {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The model's name there.
    pub model: Arc<str>,
}

impl Candidate {
    /// A candidate.
    pub fn new(provider: &Arc<Provider>, model: Arc<str>) -> Self {
        Candidate {
            provider: provider.clone(),
            model,
        }
    }
}

/// Candidates in order.
pub type Candidates = SmallVec<[Candidate; 2]>;

/// Where a request's model comes from, for `X-Model-Source`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ModelSource {
    /// The client named it.
    #[default]
    Custom,
    /// The client named none.
    Default,
}

/// Ordered candidates, and which of them is being tried.
#[derive(Clone, Default)]
pub struct Plan {
    candidates: Candidates,
    at: usize,
    source: ModelSource,
}

impl Plan {
    /// A plan that starts with the first of `candidates`.
    pub fn new(candidates: Candidates, source: ModelSource) -> Self {
        Plan {
            candidates,
            at: 0,
            source,
        }
    }

    /// The candidate being tried; `None` where all have been.
    pub fn current(&self) -> Option<&Candidate> {
        self.candidates.get(self.at)
    }

    /// Goes on to the next candidate. `false` where there is none; the last stays current then,
    /// for the answer to name.
    pub fn advance(&mut self) -> bool {
        let more = self.at + 1 < self.candidates.len();
        self.at += usize::from(more);
        more
    }

    /// Whether the current candidate is the last.
    pub fn is_last(&self) -> bool {
        self.at + 1 >= self.candidates.len()
    }

    /// `local`, `custom` or `default`, for `X-Model-Source`.
    pub fn model_source(&self) -> &'static str {
        match (self.current(), self.source) {
            (Some(candidate), _) if candidate.provider.local => "local",
            (_, ModelSource::Default) => "default",
            (_, ModelSource::Custom) => "custom",
        }
    }

    /// All candidates, in order.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }
}
