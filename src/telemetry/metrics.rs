//! Prometheus metrics, each declared once. Handles for a provider and model are resolved once and
//! kept ([`Series`]), so that a request pays for atomic additions, not for label look-ups.

pub mod cache;
pub mod limits;
pub mod usage;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::RwLock;
use prometheus::{
    Counter, CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector, proto::MetricFamily,
};

use crate::{chat::usage::Usage, error::Outcome, price::Usd};
use cache::CacheMetrics;
use limits::LimitMetrics;
use usage::UsageMetrics;

/// Beyond this many provider and model pairs, new models are counted as `other`, so that clients
/// cannot grow the metrics by inventing names.
const MAX_SERIES: usize = 2000;
/// The statuses whose counters are kept at hand.
const STATUSES: [u16; 16] = [
    200, 101, 400, 401, 403, 404, 405, 408, 413, 422, 429, 499, 500, 502, 503, 504,
];
const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];
const FINE_SECONDS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5,
];

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    tokens: IntCounterVec,
    cost: CounterVec,
    latency: HistogramVec,
    first_byte: HistogramVec,
    per_output_token: HistogramVec,
    attempts: IntCounterVec,
    series: RwLock<HashMap<Arc<str>, ByModel>>,
    /// Time that requests spent in the gateway itself.
    pub overhead: Histogram,
    /// Requests being served.
    pub in_flight: IntGauge,
    /// Requests whose client left before the answer was complete.
    pub client_disconnects: IntCounter,
    /// Attempts repeated at the same candidate.
    pub retries: IntCounter,
    /// Attempts that went on to the next candidate.
    pub fallbacks: IntCounter,
    /// Streams that broke and were gone on with.
    pub resumed_streams: IntCounter,
    /// Second requests where the first took long.
    pub hedges: IntCounter,
    shadows: IntCounterVec,
    shadow_latency: HistogramVec,
    /// Records of copies that did not reach their file.
    pub shadow_records_dropped: IntCounter,
    /// Answers that broke off after their first byte had reached the client.
    pub broken_answers: IntCounter,
    /// Connections closed at once because their address held too many.
    pub connections_rejected: IntCounter,
    /// Connections closed because a request head did not arrive in time.
    pub slow_heads: IntCounter,
    /// Log lines dropped because standard output did not keep up.
    pub log_lines_dropped: IntCounter,
    /// Reloads of the configuration, by result (`applied`, `rejected`).
    pub reloads: IntCounterVec,
    /// Name look-ups that failed.
    pub dns_failures: IntCounter,
    /// The record of requests.
    pub usage: UsageMetrics,
    /// Whether the store answers: 1 or 0.
    pub store_up: IntGauge,
    /// Keys of the store, those included that may not be used.
    pub keys: IntGauge,
    /// How the cache serves.
    pub cache: CacheMetrics,
    /// How limits are kept.
    pub limits: LimitMetrics,
}

type ByModel = HashMap<Box<str>, Arc<Series>>;

/// The handles of one provider and model.
pub struct Series {
    requests: [OnceLock<IntCounter>; STATUSES.len()],
    provider: Arc<str>,
    model: Box<str>,
    latency: Histogram,
    first_byte: Histogram,
    per_output_token: Histogram,
    input_tokens: IntCounter,
    output_tokens: IntCounter,
    cost: OnceLock<Counter>,
    attempts: [OnceLock<IntCounter>; Outcome::ALL.len()],
}

/// What a finished request adds to its series. Times are in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Observation {
    /// The status that the client saw; 499 where it left.
    pub status: u16,
    /// From the request's head to the answer's end.
    pub latency: f64,
    /// From the request's head to the answer's first byte.
    pub first_byte: Option<f64>,
    /// What the provider counted.
    pub usage: Option<Usage>,
    /// What it cost, where that is known.
    pub cost: Option<Usd>,
    /// Whether the answer was streamed.
    pub stream: bool,
}

impl Metrics {
    /// Declares and registers every metric.
    ///
    /// # Errors
    /// Only where two have the same name, which a test excludes.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let vec = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(vec.clone())).map(|()| vec)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry
                .register(Box::new(counter.clone()))
                .map(|()| counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let histograms = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let vec = HistogramVec::new(options, &["provider", "model"])?;
            registry.register(Box::new(vec.clone())).map(|()| vec)
        };
        let overhead = Histogram::with_opts(
            HistogramOpts::new(
                "gateway_overhead_seconds",
                "Time spent in the gateway itself.",
            )
            .buckets(FINE_SECONDS.to_vec()),
        )?;
        registry.register(Box::new(overhead.clone()))?;
        let in_flight = IntGauge::new("gateway_requests_in_flight", "Requests being served.")?;
        registry.register(Box::new(in_flight.clone()))?;
        let cache = CacheMetrics::new(&registry)?;
        Ok(Metrics {
            requests: counters(
                "gateway_requests_total",
                "Requests by the provider and model that served them and the client's status.",
                &["provider", "model", "status"],
            )?,
            tokens: counters(
                "gateway_tokens_total",
                "Tokens as the provider counted them; direction is input or output.",
                &["provider", "model", "direction"],
            )?,
            cost: {
                let help = "What requests have cost in USD, as far as that is known.";
                let options = Opts::new("gateway_cost_usd_total", help);
                let vec = CounterVec::new(options, &["provider", "model"])?;
                registry.register(Box::new(vec.clone())).map(|()| vec)?
            },
            latency: histograms(
                "gateway_latency_seconds",
                "From the request's head to the answer's end.",
                &SECONDS,
            )?,
            first_byte: histograms(
                "gateway_time_to_first_byte_seconds",
                "From the request's head to the answer's first byte.",
                &SECONDS,
            )?,
            per_output_token: histograms(
                "gateway_time_per_output_token_seconds",
                "Streamed answers: time after the first byte, divided by output tokens.",
                &FINE_SECONDS,
            )?,
            attempts: counters(
                "gateway_upstream_attempts_total",
                "Attempts at providers by how they ended.",
                &["provider", "outcome"],
            )?,
            series: RwLock::default(),
            overhead,
            in_flight,
            client_disconnects: counter(
                "gateway_client_disconnects_total",
                "Requests whose client left before the answer was complete.",
            )?,
            retries: counter(
                "gateway_retries_total",
                "Attempts repeated at the same candidate.",
            )?,
            fallbacks: counter(
                "gateway_fallbacks_total",
                "Attempts that went on to the next candidate.",
            )?,
            hedges: counter(
                "gateway_hedges_total",
                "Second requests that were sent because the first took unusually long.",
            )?,
            resumed_streams: counter(
                "gateway_resumed_streams_total",
                "Streams that broke off and that another candidate went on with.",
            )?,
            shadows: counters(
                "gateway_shadow_requests_total",
                "Copies of requests by how they ended.",
                &["provider", "model", "outcome"],
            )?,
            shadow_latency: histograms(
                "gateway_shadow_latency_seconds",
                "From a copy's start to the end of its answer.",
                &SECONDS,
            )?,
            shadow_records_dropped: counter(
                "gateway_shadow_records_dropped_total",
                "Records of copies that did not reach their file.",
            )?,
            broken_answers: counter(
                "gateway_broken_answers_total",
                "Answers that broke off after their first byte had reached the client.",
            )?,
            connections_rejected: counter(
                "gateway_connections_rejected_total",
                "Connections closed because their address held too many.",
            )?,
            slow_heads: counter(
                "gateway_slow_heads_total",
                "Connections closed because a request head did not arrive in time.",
            )?,
            log_lines_dropped: counter(
                "gateway_log_lines_dropped_total",
                "Log lines dropped because standard output did not keep up.",
            )?,
            reloads: counters(
                "gateway_config_reloads_total",
                "Reloads of the configuration.",
                &["result"],
            )?,
            dns_failures: counter("gateway_dns_failures_total", "Name look-ups that failed.")?,
            limits: LimitMetrics::new(&registry, cache.redis.clone())?,
            usage: UsageMetrics::new(&registry)?,
            store_up: gauge("gateway_store_up", "Whether the store answers.")?,
            keys: gauge(
                "gateway_keys",
                "Keys of the store, those included that may not be used.",
            )?,
            cache,
            registry,
        })
    }

    /// The text form for a scraper (Prometheus exposition format 0.0.4). `breakers` are provider, model and
    /// state of those targets that have been asked: a breaker becomes half open by time alone, so that
    /// nobody could report it.
    pub fn text(&self, breakers: &[(Arc<str>, Arc<str>, i64)]) -> String {
        let mut families = self.registry.gather();
        // The encoder refuses a family without a series.
        if !breakers.is_empty() {
            families.extend(self.breakers(breakers));
        }
        TextEncoder::new()
            .encode_to_string(&families)
            .unwrap_or_default()
    }

    /// The states of breakers, made anew each time: what is gone from the configuration is gone here.
    fn breakers(&self, breakers: &[(Arc<str>, Arc<str>, i64)]) -> Vec<MetricFamily> {
        let options = Opts::new(
            "gateway_breaker_state",
            "Circuit breakers: 0 closed, 1 half open (a probe is under way or next), 2 open.",
        );
        let Ok(gauges) = IntGaugeVec::new(options, &["provider", "model"]) else {
            return Vec::new();
        };
        for (provider, model, state) in breakers {
            // Beyond the limit several models share a name: the worst of them counts.
            let series = self.series(provider, model);
            let gauge = gauges.with_label_values(&[provider.as_ref(), &series.model]);
            gauge.set(gauge.get().max(*state));
        }
        gauges.collect()
    }

    /// The handles of a provider and model. A request without either counts under `none`.
    pub fn series(&self, provider: &Arc<str>, model: &str) -> Arc<Series> {
        if let Some(series) = self
            .series
            .read()
            .get(provider)
            .and_then(|models| models.get(model))
        {
            return series.clone();
        }
        let mut all = self.series.write();
        let count: usize = all.values().map(HashMap::len).sum();
        let model = if count < MAX_SERIES { model } else { "other" };
        all.entry(provider.clone())
            .or_default()
            .entry(model.into())
            .or_insert_with(|| Arc::new(self.new_series(provider, model)))
            .clone()
    }

    /// A copy of a request is over; `took` where its target was asked.
    pub fn shadow(&self, series: &Series, outcome: &str, took: Option<Duration>) {
        let labels = [series.provider.as_ref(), &series.model, outcome];
        self.shadows.with_label_values(&labels).inc();
        if let Some(took) = took {
            let [provider, model, _] = labels;
            let latency = self.shadow_latency.with_label_values(&[provider, model]);
            latency.observe(took.as_secs_f64());
        }
    }

    fn new_series(&self, provider: &Arc<str>, model: &str) -> Series {
        let labels = [provider.as_ref(), model];
        let tokens = |direction| {
            self.tokens
                .with_label_values(&[labels[0], labels[1], direction])
        };
        Series {
            requests: Default::default(),
            latency: self.latency.with_label_values(&labels),
            first_byte: self.first_byte.with_label_values(&labels),
            per_output_token: self.per_output_token.with_label_values(&labels),
            input_tokens: tokens("input"),
            output_tokens: tokens("output"),
            cost: OnceLock::new(),
            attempts: Default::default(),
            provider: provider.clone(),
            model: model.into(),
        }
    }

    /// Counts a finished request.
    pub fn observe(&self, series: &Series, seen: &Observation) {
        let by_status = |status: u16| {
            let labels = [series.provider.as_ref(), &series.model, &status.to_string()];
            self.requests.with_label_values(&labels)
        };
        let slot = STATUSES.iter().position(|&status| status == seen.status);
        match slot.and_then(|slot| series.requests.get(slot)) {
            Some(slot) => slot.get_or_init(|| by_status(seen.status)).inc(),
            None => by_status(seen.status).inc(),
        }
        series.latency.observe(seen.latency);
        if let Some(first_byte) = seen.first_byte {
            series.first_byte.observe(first_byte);
        }
        // What is not known is no series: 0 would say that it was free.
        if let Some(cost) = seen.cost {
            let labels = [series.provider.as_ref(), &series.model];
            let cost_so_far = || self.cost.with_label_values(&labels);
            series.cost.get_or_init(cost_so_far).inc_by(cost.dollars());
        }
        let Some(usage) = seen.usage else { return };
        series.input_tokens.inc_by(usage.input);
        series.output_tokens.inc_by(usage.output);
        if let (true, Some(first_byte), 1..) = (seen.stream, seen.first_byte, usage.output) {
            let tokens = usage.output as f64;
            series
                .per_output_token
                .observe((seen.latency - first_byte) / tokens);
        }
    }

    /// Counts an attempt at the provider of `series`.
    pub fn attempt(&self, series: &Series, outcome: Outcome) {
        if let Some(slot) = series.attempts.get(outcome as usize) {
            slot.get_or_init(|| {
                self.attempts
                    .with_label_values(&[series.provider.as_ref(), outcome.name()])
            })
            .inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shows_under_its_labels() {
        let metrics = Metrics::new().unwrap();
        let series = metrics.series(&"openai".into(), "gpt-4o");
        let usage = Some(Usage {
            input: 3,
            output: 5,
            ..Usage::default()
        });
        let seen = Observation {
            status: 200,
            latency: 0.2,
            first_byte: Some(0.1),
            usage,
            cost: Some(Usd::from_pico(500_000_000_000)),
            stream: true,
        };
        metrics.observe(&series, &seen);
        metrics.attempt(&series, Outcome::Ok);
        assert!(metrics.text(&[]).contains("gateway_requests_in_flight 0"));
        let text = metrics.text(&[("openai".into(), "gpt-4o".into(), 2)]);
        for line in [
            "gateway_requests_total{model=\"gpt-4o\",provider=\"openai\",status=\"200\"} 1",
            "gateway_tokens_total{direction=\"output\",model=\"gpt-4o\",provider=\"openai\"} 5",
            "gateway_cost_usd_total{model=\"gpt-4o\",provider=\"openai\"} 0.5",
            "gateway_upstream_attempts_total{outcome=\"ok\",provider=\"openai\"} 1",
            "gateway_breaker_state{model=\"gpt-4o\",provider=\"openai\"} 2",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn invented_models_do_not_grow_the_metrics() {
        let metrics = Metrics::new().unwrap();
        for number in 0..MAX_SERIES + 10 {
            metrics.series(&"p".into(), &format!("m{number}"));
        }
        let count: usize = metrics.series.read().values().map(HashMap::len).sum();
        assert_eq!(count, MAX_SERIES + 1);
        let more = ["x", "y", "z"].map(|model| ("p".into(), model.into(), i64::from(model == "y")));
        let text = metrics.text(&more);
        assert_eq!(text.matches("gateway_breaker_state{").count(), 1);
        let line = "gateway_breaker_state{model=\"other\",provider=\"p\"} 1";
        assert!(text.contains(line));
    }
}
