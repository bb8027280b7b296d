//! What became of a copy: metrics, one line of the log, one of `shadow.jsonl`.

use std::time::{Duration, Instant};

use super::{Shadow, send::Told};
use crate::{
    config::RequestLog, error::Outcome, gateway::Gateway, routing::Candidate, telemetry::logging,
    usage::shadow,
};

/// Longer texts are cut off in the file.
const MAX_TEXT_BYTES: usize = 64 << 10;
/// Messages of providers are cut off here.
const MAX_ERROR_BYTES: usize = 1 << 10;

/// Counts a copy; `took` where its target was asked.
pub(super) fn count(
    gateway: &Gateway,
    target: Option<&Candidate>,
    outcome: &str,
    took: Option<Duration>,
) {
    let metrics = &gateway.metrics;
    let series = match target {
        Some(target) => metrics.series(&target.provider.name, &target.model),
        None => metrics.series(&"none".into(), "none"),
    };
    metrics.shadow(&series, outcome, took);
}

impl Shadow {
    /// Tells whoever wants to know.
    pub(super) fn report(&self, target: &Candidate, told: &Told, took: Duration) {
        let outcome = told.outcome.map_or("not_sent", Outcome::name);
        let asked = told.outcome.map(|_| took);
        count(&self.gateway, Some(target), outcome, asked);
        if let Some(usage) = &told.usage {
            // Exact up to 2^52, far beyond any answer.
            #[expect(clippy::cast_precision_loss, reason = "a count of tokens")]
            let tokens = usage.total() as f64;
            target.health.minute.add(0.0, tokens, Instant::now());
        }
        let error = told.error.as_deref();
        let record = shadow::Record {
            request: self.id.as_str(),
            provider: &target.provider.name,
            model: &target.model,
            outcome,
            status: told.status,
            latency_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            usage: told.usage,
            primary_provider: &self.primary.provider.name,
            primary_model: &self.primary.model,
            error: error.map(|error| cut(error, MAX_ERROR_BYTES)),
        };
        let is_logged = match self.snapshot.config.telemetry.log.requests {
            RequestLog::All => true,
            RequestLog::Errors => error.is_some(),
            RequestLog::Off => false,
        };
        if is_logged {
            logging::write_line(&record.line(logging::is_json()));
        }
        let text = told.text.as_deref().map(|text| cut(text, MAX_TEXT_BYTES));
        if !self.gateway.shadows.record(record.entry(text)) {
            self.gateway.metrics.shadow_records_dropped.inc();
        }
    }
}

/// The beginning of a text, whole characters of it.
fn cut(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn no_character_is_cut_in_two() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 3), "");
    }
}
