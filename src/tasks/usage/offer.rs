//! Offers rows to the store. What is refused is halved until it is known which row is at fault; that one is
//! given up only once it has been refused several times while the store took others, so that it does not
//! hold up all behind it. Everything else waits.

use std::{collections::HashMap, time::Duration};

use tokio::time::timeout;

use crate::{row::Row, store::StoreError, usage::ledger::Ledger};

/// How long the store may take for a batch. A connection can go silent without ever closing.
const PATIENCE: Duration = Duration::from_secs(15);
/// Rows by which it is found out whether the store refuses all.
const PROBES: usize = 8;
/// How often a row is refused before it is given up.
const REFUSALS: u32 = 3;

/// Those rows of a batch that the store will never take, and why.
pub(super) type GivenUp<'b, 'r> = Vec<(&'b Row<'r>, StoreError)>;

/// Offers batches, each until all of it is taken or given up.
pub(super) struct Offer<'a> {
    ledger: &'a dyn Ledger,
    /// How often rows of the batch were refused while others were taken.
    refusals: HashMap<String, u32>,
    turn: usize,
}

impl<'a> Offer<'a> {
    /// To that store.
    pub(super) fn to(ledger: &'a dyn Ledger) -> Self {
        Offer {
            ledger,
            refusals: HashMap::new(),
            turn: 0,
        }
    }

    /// Offers a batch. `Ok` where each of its rows is settled or given up; else the same is to be offered
    /// again, later.
    pub(super) async fn rows<'b, 'r>(
        &mut self,
        rows: &'b [Row<'r>],
    ) -> Result<GivenUp<'b, 'r>, StoreError> {
        let given_up = match self.ask(rows).await {
            Ok(()) => Vec::new(),
            Err(refused @ StoreError::Refused(_)) => {
                self.turn += 1;
                if !self.takes_any(rows).await? {
                    return Err(refused);
                }
                self.halves(rows).await?
            }
            Err(error) => return Err(error),
        };
        self.refusals.clear();
        Ok(given_up)
    }

    /// Whether some row is taken by itself. Others each time, so that no few can stand for all.
    async fn takes_any(&self, rows: &[Row<'_>]) -> Result<bool, StoreError> {
        let step = rows.len().div_ceil(PROBES).max(1);
        for row in rows.iter().skip(self.turn % step).step_by(step) {
            match self.ask(std::slice::from_ref(row)).await {
                Ok(()) => return Ok(true),
                Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    async fn halves<'b, 'r>(&mut self, rows: &'b [Row<'r>]) -> Result<GivenUp<'b, 'r>, StoreError> {
        let mut given_up = Vec::new();
        let mut doubt = None;
        let mut parts = vec![rows];
        while let Some(part) = parts.pop() {
            match (self.ask(part).await, part) {
                (Ok(()), _) => {}
                (Err(refused @ StoreError::Refused(_)), [row]) => match self.is_given_up(row.id) {
                    true => given_up.push((row, refused)),
                    false => doubt = Some(refused),
                },
                (Err(StoreError::Refused(_)), _) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                (Err(error), _) => return Err(error),
            }
        }
        doubt.map_or(Ok(given_up), Err)
    }

    fn is_given_up(&mut self, id: &str) -> bool {
        let count = self.refusals.entry(id.to_owned()).or_default();
        *count += 1;
        *count >= REFUSALS
    }

    async fn ask(&self, rows: &[Row<'_>]) -> Result<(), StoreError> {
        match timeout(PATIENCE, self.ledger.settle(rows)).await {
            Ok(settled) => settled.map(drop),
            Err(_) => {
                let why = format!("it has not answered within {} s", PATIENCE.as_secs());
                Err(StoreError::Away(why))
            }
        }
    }
}
