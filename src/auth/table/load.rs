//! From the store's keys to those in the table: all of them at the start and whenever it is not known what
//! has changed, else those that have.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use super::{Entry, GroupKind, KeyTable, split};
use crate::{
    error::Fault,
    identity::{Group, Identity, Profile, Terms, virtual_key::Hash},
    store::keys::LoadedKey,
};

/// Terms that differ from key to key are not worth remembering.
const MAX_KNOWN_TERMS: usize = 10_000;

/// Puts keys into the table. What many keys have in common they share.
pub struct Loader<'t> {
    table: &'t KeyTable,
    generation: u32,
    terms: HashMap<Box<str>, Arc<Terms>>,
    nothing: Arc<Terms>,
    no_models: Arc<[String]>,
    /// Those of the key before: keys of one team come together more often than not.
    groups: [Option<Arc<Group>>; 4],
    /// Keys whose terms cannot be read. They may not be used: what they forbid is not known.
    unreadable: usize,
}

impl KeyTable {
    /// Begins to put keys in. Those that are there stay until the loading is complete.
    pub fn load(&self) -> Loader<'_> {
        Loader {
            table: self,
            generation: self.generation.load(Ordering::Relaxed),
            terms: HashMap::new(),
            nothing: Arc::default(),
            no_models: Arc::default(),
            groups: [const { None }; 4],
            unreadable: 0,
        }
    }

    /// Begins to put all keys in: those that are not put in by the end are taken out.
    pub fn load_all(&self) -> Loader<'_> {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.load()
    }

    /// The key of that hash is no more.
    pub fn forget(&self, hash: &Hash) {
        self.remove(hash);
    }
}

impl Loader<'_> {
    /// Puts a key in.
    pub fn put(&mut self, key: &LoadedKey<'_>) {
        let terms = self.terms(key.terms);
        let fault = match (key.revoked, key.blocked, &terms) {
            (true, ..) => Some(Fault::Revoked),
            (false, true, _) | (false, false, None) => Some(Fault::Blocked),
            (false, false, Some(_)) => None,
        };
        let (_, rest) = split(&key.hash);
        let until = key.expires_at.unwrap_or(i64::MAX);
        let is_retired = key.retires_at.is_some_and(|at| at < until);
        let entry = Entry {
            rest,
            until: key.retires_at.map_or(until, |at| at.min(until)),
            fault,
            is_retired,
            generation: self.generation,
            identity: Arc::new(self.identity(key, terms.unwrap_or_default())),
        };
        self.table.put(&key.hash, entry);
    }

    /// All keys have been put in: the others are no more. Answers how many have terms that cannot be
    /// read.
    pub fn complete(self) -> usize {
        for shard in &self.table.shards {
            let mut shard = shard.write();
            let before = shard.len();
            shard.retain(|_, entry| entry.generation == self.generation);
            let gone = before - shard.len();
            self.table.count.fetch_sub(gone, Ordering::Relaxed);
        }
        self.table.is_loaded.store(true, Ordering::Release);
        self.unreadable
    }

    fn identity(&mut self, key: &LoadedKey<'_>, terms: Arc<Terms>) -> Identity {
        let id: Arc<str> = key.id.into();
        let team = self.group(GroupKind::Team, key.team_id);
        let user = self.group(GroupKind::User, key.user_id);
        Identity {
            key: Some(key.label.map_or_else(|| id.clone(), Into::into)),
            team: team.as_ref().map(|team| team.id.clone()),
            user: user.as_ref().map(|user| user.id.clone()),
            models: self.no_models.clone(),
            profile: Some(Profile {
                id,
                terms,
                project: self.group(GroupKind::Project, key.project_id),
                team,
                user,
                budget: self.group(GroupKind::Budget, key.budget_id),
                organization: key.organization_id.map(Into::into),
                since: key.created_at,
            }),
            ..Identity::default()
        }
    }

    fn group(&mut self, kind: GroupKind, id: Option<&str>) -> Option<Arc<Group>> {
        let id = id?;
        let last = self.groups.get_mut(kind as usize)?;
        match last {
            Some(group) if &*group.id == id => {}
            _ => *last = Some(self.table.groups.get(kind, id)),
        }
        last.clone()
    }

    fn terms(&mut self, text: &str) -> Option<Arc<Terms>> {
        if text == "{}" {
            return Some(self.nothing.clone());
        }
        if let Some(terms) = self.terms.get(text) {
            return Some(terms.clone());
        }
        let Ok(terms) = serde_json::from_str::<Terms>(text) else {
            self.unreadable += 1;
            return None;
        };
        let terms = terms.for_requests();
        if terms == *self.nothing {
            return Some(self.nothing.clone());
        }
        // Keys that differ in what is kept of them alone share the rest.
        let text = serde_json::to_string(&terms).unwrap_or_default();
        if let Some(known) = self.terms.get(&*text) {
            return Some(known.clone());
        }
        let terms = Arc::new(terms);
        if self.terms.len() < MAX_KNOWN_TERMS {
            self.terms.insert(text.into(), terms.clone());
        }
        Some(terms)
    }
}
