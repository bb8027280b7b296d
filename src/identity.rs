//! Who is calling, once a key has been read. The plain type that `auth` hands to every stage.

pub mod period;
pub mod profile;
pub mod terms;
pub mod virtual_key;

use std::{sync::Arc, time::Duration};

pub use profile::{Group, Profile, Standing};
pub use terms::Terms;

/// The caller of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Identity {
    /// What the store says of the key; `None` for those of the configuration. First, as in [`Profile`].
    pub profile: Option<Profile>,
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

impl Identity {
    /// By what counters and caches tell callers apart: the id of a stored key, the name of a configured
    /// one. Labels may be given twice; this is not.
    pub fn account(&self) -> Option<&Arc<str>> {
        match &self.profile {
            Some(profile) => Some(&profile.id),
            None => self.key.as_ref(),
        }
    }

    /// The lists of models that hold for it, as globs: its own, and those of its project, team, user and
    /// budget. A model has to be in each; `None` where there is no list.
    pub fn model_lists(&self) -> Option<Arc<[Vec<String>]>> {
        let own = (!self.models.is_empty()).then(|| self.models.to_vec());
        let profile = self.profile.as_ref();
        let of_key = profile.and_then(|profile| profile.terms.model_list());
        let groups = profile.into_iter().flat_map(|profile| profile.groups());
        let of_groups = groups.filter_map(|group| group.now().terms.model_list());
        let lists: Vec<_> = own.into_iter().chain(of_key).chain(of_groups).collect();
        (!lists.is_empty()).then(|| lists.into())
    }

    /// Tags of every request that it sends: the key's own, its project's and its team's.
    pub fn tags(&self) -> Vec<String> {
        let Some(profile) = &self.profile else {
            return Vec::new();
        };
        let mut tags = profile.terms.tags.clone();
        for group in [&profile.project, &profile.team].into_iter().flatten() {
            tags.extend_from_slice(&group.now().terms.tags);
        }
        tags
    }

    /// The project that the key belongs to.
    pub fn project(&self) -> Option<&Arc<Group>> {
        self.profile.as_ref()?.project.as_ref()
    }
}

/// What a key or a route has of its own about keeping answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheChoice {
    /// Whether they are kept.
    pub enabled: Option<bool>,
    /// How long.
    pub ttl: Option<Duration>,
}
