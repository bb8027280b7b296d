//! A record as the row that goes to the journal.

use std::time::{Duration, UNIX_EPOCH};

use super::{labels::beginning, record::Record};
use crate::{error::Outcome, row::Row};

/// What was tried is left out of the row where it would be longer.
const MAX_TRIED_BYTES: usize = 16 << 10;
/// More tokens than this are a provider's mistake, and would break sums.
const MAX_TOKENS: u64 = 1_000_000_000_000;

impl Record<'_> {
    /// The row for the journal. `tried` is [`Record::tried`], `parts` what each call used where there is
    /// more to say than [`Record::used`] does.
    pub fn row<'r>(&'r self, tried: Option<&'r str>, parts: Option<&'r str>) -> Row<'r> {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let since = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let attempts = self.attempts.len() + usize::from(self.is_trying);
        Row {
            id: self.id,
            at_ms: u64::try_from(since.as_millis()).unwrap_or_default(),
            account: self.account,
            key: self.key,
            team: self.team,
            user: self.user,
            project: self.project,
            budget: self.budget,
            organization: self.organization,
            end_user: self.labels.end_user.as_deref(),
            tags: self.labels.tags.iter().map(AsRef::as_ref).collect(),
            path: beginning(self.path),
            dialect: self.dialect,
            spoken: self.spoken,
            model: self.model.map(beginning),
            provider: self.provider,
            served_model: self.served_model,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            tried,
            status: self.status,
            error: self.error,
            cache: self.cache,
            stream: self.stream,
            tokens: self.used.map(|used| used.usage.capped(MAX_TOKENS)),
            is_estimated: self.used.is_some_and(|used| used.is_estimated),
            cost: self.cost,
            latency_us: micros(self.latency),
            first_byte_us: self.first_byte.map(micros),
            overhead_us: micros(self.overhead),
            bytes_in: self.bytes_in as u64,
            bytes_out: self.bytes_out as u64,
            parts,
            is_complete: true,
        }
    }

    /// The attempts as JSON, where there is more to say than that one went well.
    pub fn tried(&self) -> Option<String> {
        let is_plain = match self.attempts {
            [] => true,
            [one] => one.outcome == Outcome::Ok && !self.is_trying,
            _ => false,
        };
        let json = || serde_json::to_string(self.attempts).ok();
        match is_plain {
            true => None,
            // Providers' words can be long.
            false => json().filter(|json| json.len() <= MAX_TRIED_BYTES),
        }
    }
}
