//! From the store into memory: everything at the start, then what changes. Requests are served from
//! memory alone, and go on by it while the store is away.

use std::collections::HashSet;

use super::Gateway;
use crate::{
    auth::table::{GroupKind, standing},
    identity::{Standing, virtual_key},
    store::{
        Change, Kind, List, MAX_LENGTH, Record, Store, StoreError, budgets::Budget,
        credentials::seal::Sealer, projects::Project, teams::Team, users::User,
    },
};

impl Gateway {
    /// Reads everything anew, and answers up to which change that is.
    ///
    /// # Errors
    /// `Away` and `Unreadable`. What was read before stays.
    pub async fn read_records(&self, store: &Store, sealer: &Sealer) -> Result<i64, StoreError> {
        // What changes meanwhile is read twice.
        let revision = store.revision().await?;
        self.read_groups::<Project>(store).await?;
        self.read_groups::<Team>(store).await?;
        self.read_groups::<User>(store).await?;
        self.read_groups::<Budget>(store).await?;
        self.read_serving(store, sealer).await?;
        // Before anybody may spend more.
        self.sync_spending(store).await?;
        let mut loader = self.keys.load_all();
        store.load_keys(|key| loader.put(&key)).await?;
        let unreadable = loader.complete();
        if unreadable > 0 {
            log::error!(
                "{unreadable} keys of the store have terms that this version cannot read; they are blocked"
            );
        }
        Ok(revision)
    }

    /// Reads what has changed. Answers whether that may be who serves requests.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn read_change(&self, store: &Store, change: &Change) -> Result<bool, StoreError> {
        let id = &change.record;
        if let Some(kind) = change.kind {
            self.sync_spending_of(store, kind, id).await?;
        }
        match change.kind {
            Some(Kind::Key) => self.read_key(store, id).await?,
            Some(Kind::Project) => self.read_group::<Project>(store, id).await?,
            Some(Kind::Team) => self.read_group::<Team>(store, id).await?,
            Some(Kind::User) => self.read_group::<User>(store, id).await?,
            Some(Kind::Budget) => self.read_group::<Budget>(store, id).await?,
            Some(Kind::Provider | Kind::Credential | Kind::Model) | None => {}
        }
        // A project's headers go to its providers.
        Ok(matches!(
            change.kind,
            Some(Kind::Project | Kind::Provider | Kind::Credential | Kind::Model)
        ))
    }

    /// Reads who serves requests. They do once the snapshot has been built anew.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn read_serving(&self, store: &Store, sealer: &Sealer) -> Result<(), StoreError> {
        let serving = store.serving(sealer).await?;
        for problem in &serving.problems {
            log::error!("{problem}; it is not used");
        }
        self.serving.store(serving.into());
        Ok(())
    }

    async fn read_key(&self, store: &Store, token: &str) -> Result<(), StoreError> {
        let Some(hash) = virtual_key::parse_hex(token) else {
            return Ok(());
        };
        let mut is_there = false;
        let mut loader = self.keys.load();
        let read = store.load_key(&hash, |key| {
            is_there |= key.hash == hash;
            loader.put(&key);
        });
        read.await?;
        if !is_there {
            self.keys.forget(&hash);
        }
        Ok(())
    }

    async fn read_group<R: GroupRecord>(&self, store: &Store, id: &str) -> Result<(), StoreError> {
        let record = store.find::<R>(id).await?;
        let standing = record.map(GroupRecord::standing);
        self.keys.groups.set(R::GROUP, id, standing);
        Ok(())
    }

    async fn read_groups<R: GroupRecord>(&self, store: &Store) -> Result<(), StoreError> {
        let mut known = HashSet::new();
        let id = R::COLUMNS.first().copied().unwrap_or_default();
        loop {
            let read = i64::try_from(known.len()).unwrap_or(i64::MAX);
            let page = List::default().sorted(id, false).page(MAX_LENGTH, read);
            let records = store.list::<R>(&page).await?;
            let is_last = records.is_empty();
            for record in records {
                let id = record.id().to_owned();
                self.keys.groups.set(R::GROUP, &id, Some(record.standing()));
                known.insert(id);
            }
            if is_last {
                break;
            }
        }
        self.keys.groups.keep(R::GROUP, |id| known.contains(id));
        Ok(())
    }
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
