//! Where rows go in the end.

use async_trait::async_trait;

use crate::{row::Row, store::StoreError};

/// What settles rows: the store, and in tests whatever stands for it.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Settles each row that has not been; gives back how many that were.
    ///
    /// # Errors
    /// Where none of them has been settled, as far as is known.
    async fn settle(&self, rows: &[Row<'_>]) -> Result<usize, StoreError>;

    /// Whether it is worth asking yet.
    fn is_open(&self) -> bool {
        true
    }
}
