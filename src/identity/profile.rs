//! What the store says of a key: its own terms, and those of whom it belongs to. The latter change while
//! the key does not, and a team may have a million keys: so they are shared cells, and a change of one is
//! seen by every request that begins after it.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use arc_swap::{ArcSwap, Guard};

use super::Terms;

/// What the store says of a key. What is looked at to let a request in comes first: with a million keys each line
/// of memory is one that no processor's cache has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(C)]
pub struct Profile {
    /// Its project.
    pub project: Option<Arc<Group>>,
    /// Its team.
    pub team: Option<Arc<Group>>,
    /// Its user.
    pub user: Option<Arc<Group>>,
    /// Terms that it shares with others by naming them.
    pub budget: Option<Arc<Group>>,
    /// The key's id in the store.
    pub id: Arc<str>,
    /// Its own terms.
    pub terms: Arc<Terms>,
    /// LiteLLM's organization, an id that nothing here is known of.
    pub organization: Option<Arc<str>>,
    /// When it was made, in milliseconds since 1970: its budget's first period began then.
    pub since: i64,
}

impl Profile {
    /// All that it belongs to.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        [&self.project, &self.team, &self.user, &self.budget]
            .into_iter()
            .flatten()
    }
}

/// Those who share terms: a project, a team, a user, or the keys of one budget. The cell stays while
/// what is in it changes.
pub struct Group {
    /// Its id in the store.
    pub id: Arc<str>,
    now: ArcSwap<Standing>,
}

/// How a group stands now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// What people call it.
    pub alias: Option<Arc<str>>,
    /// Its terms.
    pub terms: Terms,
    /// Whether its keys may not be used.
    pub blocked: bool,
    /// Whether the store has a record of it. Without one its id is a label and no more.
    pub known: bool,
    /// When that was made, in milliseconds since 1970: its budget's first period began then.
    pub since: i64,
}

/// How all stand that nothing is known of: there may be a million.
static NOTHING: LazyLock<Arc<Standing>> = LazyLock::new(Arc::default);

impl Group {
    /// A group of which nothing is known yet.
    pub fn new(id: &str) -> Self {
        Group {
            id: id.into(),
            now: ArcSwap::new(NOTHING.clone()),
        }
    }

    /// How it stands, for a short look.
    pub fn now(&self) -> Guard<Arc<Standing>> {
        self.now.load()
    }

    /// It stands so from now on.
    pub fn replace(&self, standing: Standing) {
        self.now.store(Arc::new(standing));
    }

    /// Nothing is known of it any more.
    pub fn forget(&self) {
        self.now.store(NOTHING.clone());
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Group").field(&self.id).finish()
    }
}

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Group {}
