//! Those whom keys belong to: one cell for each id, which all its keys share.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use crate::identity::{Group, Standing, Terms};

/// What kind of group it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupKind {
    /// A project.
    Project,
    /// A team.
    Team,
    /// A user.
    User,
    /// The keys that share a budget.
    Budget,
}

/// All groups that a key or a record has named.
#[derive(Default)]
pub struct Groups {
    projects: RwLock<Cells>,
    teams: RwLock<Cells>,
    users: RwLock<Cells>,
    budgets: RwLock<Cells>,
}

type Cells = HashMap<Arc<str>, Arc<Group>>;

impl Groups {
    /// The group of that id. One that nothing is known of yet allows everything.
    pub fn get(&self, kind: GroupKind, id: &str) -> Arc<Group> {
        let cells = self.cells(kind);
        if let Some(group) = cells.read().get(id) {
            return group.clone();
        }
        let mut cells = cells.write();
        if let Some(group) = cells.get(id) {
            return group.clone();
        }
        let group = Arc::new(Group::new(id));
        cells.insert(group.id.clone(), group.clone());
        group
    }

    /// What the store says of a group from now on; `None` where it has no record of it.
    pub fn set(&self, kind: GroupKind, id: &str, standing: Option<Standing>) {
        match standing {
            Some(standing) => self.get(kind, id).replace(standing),
            // A cell that nobody holds need not be kept.
            None => {
                let mut cells = self.cells(kind).write();
                if let Some(group) = cells.get(id) {
                    group.forget();
                    if Arc::strong_count(group) == 1 {
                        cells.remove(id);
                    }
                }
            }
        }
    }

    /// Forgets what is said of groups that `is_known` does not know: after everything was read anew.
    pub fn keep(&self, kind: GroupKind, is_known: impl Fn(&str) -> bool) {
        let mut cells = self.cells(kind).write();
        cells.retain(|id, group| {
            if is_known(id) {
                return true;
            }
            if group.now().known {
                group.forget();
            }
            Arc::strong_count(group) > 1
        });
    }

    fn cells(&self, kind: GroupKind) -> &RwLock<Cells> {
        match kind {
            GroupKind::Project => &self.projects,
            GroupKind::Team => &self.teams,
            GroupKind::User => &self.users,
            GroupKind::Budget => &self.budgets,
        }
    }
}

/// How a group stands that the store has a record of.
pub fn standing(alias: Option<&str>, terms: Terms, blocked: bool, since: i64) -> Standing {
    Standing {
        alias: alias.map(Into::into),
        terms: terms.for_requests(),
        blocked,
        known: true,
        since,
    }
}
