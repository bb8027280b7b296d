//! Lists, a bounded page at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::store::{List, Record, Store};

/// How many a page holds at most.
pub(super) const MAX_LIMIT: u32 = 1000;
/// How many it holds unless asked otherwise.
const USUAL_LIMIT: u32 = 100;

/// A page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Page<V> {
    /// Its entries.
    pub data: Vec<V>,
    /// How many there are on all pages.
    pub total: i64,
    /// How many a page holds.
    pub limit: u32,
    /// How many are on the pages before.
    pub offset: u32,
}

/// A query that asks for a page.
pub(super) trait Paging {
    /// How many it asks for, and after how many.
    fn page(&self) -> (Option<u32>, Option<u32>);
    /// In which order: the column, and whether the largest comes first.
    fn order(&self) -> (&'static str, bool) {
        ("created_at", true)
    }
}

/// What [`Paging::page`] is where pages have numbers, from 1 on.
pub(super) fn numbered(number: u64, size: u64) -> (Option<u32>, Option<u32>) {
    let offset = number.saturating_sub(1).saturating_mul(size);
    let whole = |number: u64| Some(u32::try_from(number).unwrap_or(u32::MAX));
    (whole(size), whole(offset))
}

/// Which end of an order comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The smallest.
    Asc,
    /// The largest.
    #[default]
    Desc,
}

impl<V> Page<V> {
    /// Reads a page.
    ///
    /// # Errors
    /// 400 where it is too long, 503.
    pub(super) async fn read<R: Record + Into<V>>(
        store: &Store,
        list: List,
        query: &(impl Paging + Sync),
    ) -> Result<Self, Refusal> {
        let (limit, offset) = query.page();
        let limit = limit.unwrap_or(USUAL_LIMIT);
        if limit == 0 || limit > MAX_LIMIT {
            let message = format!("`limit` is a number from 1 to {MAX_LIMIT}.");
            return Err(Refusal::invalid(Some("limit"), message));
        }
        let offset = offset.unwrap_or(0);
        let (column, descending) = query.order();
        let total = store.count::<R>(&list).await?;
        let list = list.sorted(column, descending);
        let list = list.page(limit.into(), offset.into());
        let records = store.list::<R>(&list).await?;
        Ok(Page {
            data: records.into_iter().map(Into::into).collect(),
            total,
            limit,
            offset,
        })
    }
}
