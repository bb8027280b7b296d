//! Who is calling, once a key has been read. The plain type that `auth` hands to every stage.

pub mod period;
pub mod terms;

use std::{sync::Arc, time::Duration};

pub use terms::Terms;

/// The caller of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// What logs call the key; never the key itself. `None` where no key is asked for.
    pub key: Option<Arc<str>>,
    /// The team that the key belongs to.
    pub team: Option<Arc<str>>,
    /// The user that the key belongs to.
    pub user: Option<Arc<str>>,
    /// The models that it may use, as globs. Empty means all.
    pub models: Arc<[String]>,
    /// Whether it is the administrator's.
    pub master: bool,
    /// What it has of its own about keeping answers.
    pub cache: CacheChoice,
}

/// What a key or a route has of its own about keeping answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheChoice {
    /// Whether they are kept.
    pub enabled: Option<bool>,
    /// How long.
    pub ttl: Option<Duration>,
}
