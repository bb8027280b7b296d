//! The record of requests, on its way from the journal to the store.

use prometheus::{IntCounter, IntGauge, Registry};

/// The metrics of the journal and of what is made of it. Cloned handles count into the same metrics.
#[derive(Debug, Clone)]
pub struct UsageMetrics {
    /// Rows that were written to the journal.
    pub written: IntCounter,
    /// Rows that were not, because the journal was full or could not be written.
    pub dropped: IntCounter,
    /// Rows of clients without a valid key that were not, because the store did not keep up.
    pub dropped_minor: IntCounter,
    /// Bytes that journals take.
    pub journal_bytes: IntGauge,
    /// Rows that the store has taken, of earlier processes as well.
    pub settled: IntCounter,
    /// Rows that the store would not take, and that are in a file beside the journal instead.
    pub refused: IntCounter,
    /// Batches that the store did not take.
    pub failures: IntCounter,
}

impl UsageMetrics {
    /// Declares and registers them.
    ///
    /// # Errors
    /// Only where two have the same name, which a test excludes.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name, help| {
            let counter = IntCounter::new(name, help)?;
            let registered = registry.register(Box::new(counter.clone()));
            registered.map(|()| counter)
        };
        let journal_bytes = IntGauge::new(
            "gateway_usage_journal_bytes",
            "Bytes that journals of usage take in the data directory.",
        )?;
        registry.register(Box::new(journal_bytes.clone()))?;
        Ok(UsageMetrics {
            written: counter(
                "gateway_usage_rows_written_total",
                "Rows of requests written to the journal.",
            )?,
            dropped: counter(
                "gateway_usage_rows_dropped_total",
                "Rows lost because the journal was full or could not be written.",
            )?,
            dropped_minor: counter(
                "gateway_usage_rows_left_out_total",
                "Rows of clients without a valid key that were left out because the store did not keep up.",
            )?,
            journal_bytes,
            settled: counter(
                "gateway_usage_rows_settled_total",
                "Rows that the store has taken.",
            )?,
            refused: counter(
                "gateway_usage_rows_refused_total",
                "Rows that the store would not take; usage/refused.jsonl has them.",
            )?,
            failures: counter(
                "gateway_usage_settle_failures_total",
                "Batches of rows that the store did not take, and that are offered again.",
            )?,
        })
    }
}
