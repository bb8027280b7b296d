//! From the store into memory: everything at the start, then what changes. Requests are served from
//! memory alone, and go on by it while the store is away. A record that cannot be read holds up no other.

use std::collections::HashSet;

use super::Gateway;
use crate::{
    auth::table::{GroupKind, standing},
    identity::{
        Standing,
        virtual_key::{self, Hash},
    },
    store::{
        Change, Kind, Opened, Read, Record, Serving, Store, StoreError, budgets::Budget,
        credentials::seal::Sealer, projects::Project, teams::Team, users::User,
    },
};

impl Gateway {
    /// Reads everything anew, and answers up to which change that is.
    ///
    /// # Errors
    /// `Away` and `Unable`. What was read before stays.
    pub async fn read_records(&self, store: &Store, sealer: &Sealer) -> Result<i64, StoreError> {
        // What changes meanwhile is read twice.
        let revision = store.revision().await?;
        self.read_groups::<Project>(store).await?;
        self.read_groups::<Team>(store).await?;
        self.read_groups::<User>(store).await?;
        self.read_groups::<Budget>(store).await?;
        // Before anybody may spend more.
        if let Err(error) = self.sync_spending(store).await {
            log::error!("limits do not know what was spent: {error}");
        }
        let mut loader = self.keys.load_all();
        store.load_keys(|key| loader.put(&key)).await?;
        let unreadable = loader.complete();
        if unreadable > 0 {
            log::error!(
                "{unreadable} keys of the store have terms that this version cannot read; they are blocked"
            );
        }
        self.read_serving(store, sealer).await?;
        Ok(revision)
    }

    /// Reads what has changed. Answers whether that may be who serves requests.
    ///
    /// # Errors
    /// `Away` and `Unable`.
    pub async fn read_changes(
        &self,
        store: &Store,
        changes: &[Change],
    ) -> Result<bool, StoreError> {
        self.sync_spending_of(store, changes).await;
        let projects = records(changes, Kind::Project);
        self.read_some::<Project>(store, &projects).await?;
        let teams = records(changes, Kind::Team);
        self.read_some::<Team>(store, &teams).await?;
        let users = records(changes, Kind::User);
        self.read_some::<User>(store, &users).await?;
        let budgets = records(changes, Kind::Budget);
        self.read_some::<Budget>(store, &budgets).await?;
        self.read_keys(store, &records(changes, Kind::Key)).await?;
        // A project's headers go to its providers.
        Ok(changes.iter().any(|change| {
            matches!(
                change.kind,
                Some(Kind::Project | Kind::Provider | Kind::Credential | Kind::Model)
            )
        }))
    }

    /// Reads who serves requests. They do once the snapshot has been built anew.
    ///
    /// # Errors
    /// `Away` and `Unable`.
    pub async fn read_serving(&self, store: &Store, sealer: &Sealer) -> Result<(), StoreError> {
        let mut serving = store.serving(sealer).await?;
        for problem in &serving.problems {
            log::error!("{problem}; it is not used");
        }
        keep_open(&mut serving, &self.serving.load());
        self.serving.store(serving.into());
        Ok(())
    }

    async fn read_keys(&self, store: &Store, tokens: &[String]) -> Result<(), StoreError> {
        let hashes = tokens
            .iter()
            .filter_map(|token| virtual_key::parse_hex(token));
        let hashes: Vec<Hash> = hashes.collect();
        let mut gone: HashSet<Hash> = hashes.iter().copied().collect();
        let mut loader = self.keys.load();
        let read = store.load_some_keys(&hashes, |key| {
            gone.remove(&key.hash);
            loader.put(&key);
        });
        read.await?;
        for hash in gone {
            self.keys.forget(&hash);
        }
        Ok(())
    }

    async fn read_some<R: GroupRecord>(
        &self,
        store: &Store,
        ids: &[String],
    ) -> Result<(), StoreError> {
        let mut gone: HashSet<&String> = ids.iter().collect();
        for read in store.some::<R>(ids).await? {
            gone.remove(&read.0);
            self.set(read);
        }
        for id in gone {
            self.keys.groups.set(R::GROUP, id, None);
        }
        Ok(())
    }

    async fn read_groups<R: GroupRecord>(&self, store: &Store) -> Result<(), StoreError> {
        let mut known = HashSet::new();
        let mut last = None;
        loop {
            let page = store.page::<R>(last.as_deref()).await?;
            match page.last() {
                Some((id, _)) => last = Some(id.clone()),
                None => break,
            }
            for read in page {
                known.insert(read.0.clone());
                self.set(read);
            }
        }
        self.keys.groups.keep(R::GROUP, |id| known.contains(id));
        Ok(())
    }

    /// What it forbids is not known where it cannot be read: so it forbids all.
    fn set<R: GroupRecord>(&self, (id, read): Read<R>) {
        let (standing, why) = match read {
            Ok(mut record) => {
                let why = record.stamps().unreadable.take();
                (record.standing(), why)
            }
            Err(error) => (Standing::default(), Some(error.to_string())),
        };
        let Some(why) = why else {
            return self.keys.groups.set(R::GROUP, &id, Some(standing));
        };
        log::error!("{} `{}`: {why}; it is blocked", R::WHAT, id.escape_debug());
        let blocked = Standing {
            blocked: true,
            known: true,
            ..standing
        };
        self.keys.groups.set(R::GROUP, &id, Some(blocked));
    }
}

/// Which records of a kind have changed.
fn records(changes: &[Change], kind: Kind) -> Vec<String> {
    let of_kind = changes.iter().filter(|one| one.kind == Some(kind));
    let records: HashSet<&String> = of_kind.map(|one| &one.record).collect();
    records.into_iter().cloned().collect()
}

/// What cannot be opened any more, and was open before, stays so: somebody is replacing the encryption key.
fn keep_open(serving: &mut Serving, before: &Serving) {
    for closed in serving.closed.iter().filter(|one| !one.is_blocked) {
        let is_same = |one: &&Opened| {
            one.id == closed.id
                && one.provider == closed.provider
                && one.project_id == closed.project_id
        };
        if let Some(open) = before.credentials.iter().find(is_same) {
            log::warn!(
                "credential `{}` of `{}`: what was known of it before is used still",
                open.id,
                open.provider
            );
            let mut open = open.clone();
            open.is_reserved = closed.is_reserved;
            serving.credentials.push(open);
        }
    }
    let credentials = &serving.credentials;
    serving
        .closed
        .retain(|one| !credentials.iter().any(|open| open.id == one.id));
}

/// A record to which keys belong.
trait GroupRecord: Record {
    const GROUP: GroupKind;

    fn standing(self) -> Standing;
}

impl GroupRecord for Project {
    const GROUP: GroupKind = GroupKind::Project;

    fn standing(self) -> Standing {
        standing(
            self.alias.as_deref(),
            self.terms,
            self.blocked,
            self.stamps.created_at,
        )
    }
}

impl GroupRecord for Team {
    const GROUP: GroupKind = GroupKind::Team;

    fn standing(self) -> Standing {
        standing(
            self.alias.as_deref(),
            self.terms,
            self.blocked,
            self.stamps.created_at,
        )
    }
}

impl GroupRecord for User {
    const GROUP: GroupKind = GroupKind::User;

    fn standing(self) -> Standing {
        standing(
            self.alias.as_deref(),
            self.terms,
            self.blocked,
            self.stamps.created_at,
        )
    }
}

impl GroupRecord for Budget {
    const GROUP: GroupKind = GroupKind::Budget;

    fn standing(self) -> Standing {
        standing(None, self.terms, false, self.stamps.created_at)
    }
}
