//! Lists, page after page.

use std::collections::HashSet;

use serde_json::Value;

use super::{Port, with_query};
use crate::cli::failure::Failure;

/// Entries of a page.
const PAGE: u64 = 1000;

impl Port {
    /// Reads a list page by page, `most` entries at most, and hands each page on. Answers how many there are
    /// in all.
    ///
    /// # Errors
    /// Those of [`Port::ask`], and of `take`.
    pub(in crate::cli) async fn pages(
        &self,
        path: &str,
        most: Option<u64>,
        mut take: impl FnMut(Vec<Value>) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let (mut offset, mut seen) = (0, HashSet::new());
        loop {
            let left = most.map_or(PAGE, |most| most.saturating_sub(offset).min(PAGE));
            let pairs = [
                ("limit", Some(left.max(1).to_string())),
                ("offset", Some(offset.to_string())),
            ];
            let mut page = self.get(&with_query(path, &pairs)).await?;
            let total = page.get("total").and_then(Value::as_u64).unwrap_or(0);
            let entries = match page.get_mut("data").map(Value::take) {
                Some(Value::Array(entries)) if left > 0 => entries,
                _ => return Ok(total),
            };
            let count = entries.len() as u64;
            // What is made meanwhile moves the others on.
            let new = entries.into_iter().filter(|entry| match name(entry) {
                Some(name) => seen.insert(name.to_owned()),
                None => true,
            });
            take(new.collect())?;
            offset += count;
            let is_enough = most.is_some_and(|most| offset >= most);
            if count < left || is_enough || offset >= total {
                return Ok(total);
            }
        }
    }

    /// A list as a whole.
    ///
    /// # Errors
    /// Those of [`Port::ask`].
    pub(in crate::cli) async fn all(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        self.pages(path, None, |mut page| {
            all.append(&mut page);
            Ok(())
        })
        .await?;
        Ok(all)
    }
}

fn name(entry: &Value) -> Option<&str> {
    entry.get("id").or_else(|| entry.get("name"))?.as_str()
}
