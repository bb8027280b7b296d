//! Where rows go in the end.

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::{
    row::Row,
    store::{Location, Store, StoreError},
};

/// What settles rows: the store, and in tests whatever stands for it.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Settles each row that has not been; gives back how many that were.
    ///
    /// # Errors
    /// Where none of them has been settled, as far as is known.
    async fn settle(&self, rows: &[Row<'_>]) -> Result<usize, StoreError>;
}

#[async_trait]
impl Ledger for Store {
    async fn settle(&self, rows: &[Row<'_>]) -> Result<usize, StoreError> {
        Store::settle(self, rows).await
    }
}

/// A store that is opened when it is first needed, and again where that has failed.
pub struct Opening {
    location: Location,
    store: OnceCell<Store>,
}

impl Opening {
    /// The store at that place.
    pub fn at(location: Location) -> Self {
        Opening {
            location,
            store: OnceCell::new(),
        }
    }

    /// The store, open.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub async fn get(&self) -> Result<Store, StoreError> {
        let open = || Store::open(&self.location);
        self.store.get_or_try_init(open).await.cloned()
    }
}

#[async_trait]
impl Ledger for Opening {
    async fn settle(&self, rows: &[Row<'_>]) -> Result<usize, StoreError> {
        self.get().await?.settle(rows).await
    }
}
