//! What one round shows of one target in one case, and what is made of several rounds.

use serde::Serialize;

use crate::open::Open;

/// One round. Times are of the whole answer, of its body's first byte, and of single events between
/// the upstream's write and their receipt.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Numbers {
    /// CPU time for each request in the closed loop, and at the fixed rate.
    pub(crate) closed_cpu_us: Option<f64>,
    pub(crate) fixed_cpu_us: Option<f64>,
    pub(crate) rps: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) first_p50_ms: Option<f64>,
    pub(crate) first_p99_ms: Option<f64>,
    pub(crate) event_p50_ms: Option<f64>,
    pub(crate) event_p99_ms: Option<f64>,
    /// Every answer's time at the fixed rate, in seconds: a round is too short for its own p99.9.
    #[serde(skip)]
    pub(crate) whole: Vec<f64>,
}

/// One of the numbers.
pub(crate) type Field = fn(&Numbers) -> Option<f64>;

impl Numbers {
    /// Takes over what a fixed rate showed. Events that a cache kept carry the times of another day.
    pub(crate) fn set_open(&mut self, open: Open, replayed: bool) {
        let answers = open.whole.len() as f64;
        self.fixed_cpu_us = (answers > 0.0).then(|| open.cpu_seconds / answers * 1e6);
        self.p50_ms = quantile_ms(&open.whole, 0.5);
        self.p99_ms = quantile_ms(&open.whole, 0.99);
        self.first_p50_ms = quantile_ms(&open.first_byte, 0.5);
        self.first_p99_ms = quantile_ms(&open.first_byte, 0.99);
        if !replayed {
            self.event_p50_ms = quantile_ms(&open.events, 0.5);
            self.event_p99_ms = quantile_ms(&open.events, 0.99);
        }
        self.whole = open.whole;
    }
}

/// Of seconds that are sorted.
fn quantile_ms(times: &[f64], share: f64) -> Option<f64> {
    let index = ((times.len() as f64 * share) as usize).min(times.len().checked_sub(1)?);
    times.get(index).map(|seconds| seconds * 1e3)
}

/// Of all rounds' answers together.
pub(crate) fn pooled_ms(rounds: &[Numbers], share: f64) -> Option<f64> {
    let mut all: Vec<f64> = rounds
        .iter()
        .flat_map(|round| round.whole.clone())
        .collect();
    all.sort_by(f64::total_cmp);
    quantile_ms(&all, share)
}

pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        return values.get(middle).copied();
    }
    Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0)
}

/// The median of one number over the rounds.
pub(crate) fn middle(rounds: &[Numbers], field: Field) -> Option<f64> {
    median(rounds.iter().filter_map(field).collect())
}

/// The least and the greatest of several rounds' values.
pub(crate) fn bounds(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    Some((least, values.iter().copied().max_by(f64::total_cmp)?))
}

/// What two targets' numbers are to each other, round by round.
pub(crate) fn paired(
    own: &[Numbers],
    other: &[Numbers],
    field: Field,
    with: fn(f64, f64) -> f64,
) -> Vec<f64> {
    let pairs = own.iter().zip(other);
    pairs
        .filter_map(|(own, other)| Some(with(field(own)?, field(other)?)))
        .collect()
}
