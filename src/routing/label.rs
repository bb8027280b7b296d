//! A name that answers repeat in a header. The header's value is made once, with the snapshot, so that a
//! request copies nothing.

use std::{fmt, ops::Deref, sync::Arc};

use http::HeaderValue;

use crate::upstream::provider::header_value;

/// The name of a route, a pool or an arm of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Label(Arc<(Box<str>, HeaderValue)>);

impl Label {
    /// It as a header has it.
    pub fn header(&self) -> &HeaderValue {
        &self.0.1
    }
}

impl From<&str> for Label {
    fn from(name: &str) -> Self {
        Label(Arc::new((name.into(), header_value(name))))
    }
}

impl Deref for Label {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self)
    }
}
