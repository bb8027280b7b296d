//! What the gateway is told to do: each setting adds one thing to the one before it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::wire::KEY;

/// How much of the gateway is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// No keys are asked for; the model decides where a request goes. Metrics are counted.
    Routing,
    /// A key with limits on requests, tokens and dollars.
    Limits,
    /// The cache is asked for what it does not have, and keeps the answer.
    Misses,
    /// Also a row in SQLite and a line of JSON for each request.
    Everything,
    /// As everything, and the cache is asked for what it has.
    Hits,
}

impl Setting {
    pub(crate) const ALL: [Setting; 5] = [
        Setting::Routing,
        Setting::Limits,
        Setting::Misses,
        Setting::Everything,
        Setting::Hits,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Setting::Routing => "gateway (a) routing",
            Setting::Limits => "gateway (b) + auth, limits",
            Setting::Misses => "gateway (c) + cache misses",
            Setting::Everything => "gateway (d) everything",
            Setting::Hits => "gateway (e) cache hits",
        }
    }

    pub(crate) fn asks_for_keys(self) -> bool {
        self != Setting::Routing
    }

    pub(crate) fn has_cache(self) -> bool {
        matches!(self, Setting::Misses | Setting::Everything | Setting::Hits)
    }

    pub(crate) fn records(self) -> bool {
        matches!(self, Setting::Everything | Setting::Hits)
    }

    /// The configuration.
    pub(crate) fn yaml(
        self,
        ports: (u16, u16),
        threads: usize,
        upstream: SocketAddr,
        data: &Path,
    ) -> String {
        let (port, admin_port) = ports;
        // One address opens more connections here than the default allows it.
        let mut text = format!(
            "listen:\n  address: 127.0.0.1\n  port: {port}\n  admin_port: {admin_port}\n  \
             threads: {threads}\n  connections_per_address: 65536\n\
             providers:\n  openai:\n    base_url: http://{upstream}/v1\n    api_key: sk-bench\n    \
             models: [gpt-4o-mini]\ndata_dir: {}\n",
            data.display()
        );
        if self.asks_for_keys() {
            // Bounds that are counted and never met.
            let _ = writeln!(
                text,
                "auth:\n  keys:\n    - name: bench\n      key: {KEY}\n      limits: {{rpm: 1000000000, \
                 tpm: 1000000000000, max_budget: 1000000000, budget_duration: 30d}}"
            );
        } else {
            text.push_str("rate_limiting: {enabled: false}\n");
        }
        // A cache that is full before the first round is over: what memory costs that is used for the
        // first time is the machine's affair.
        text.push_str(match self.has_cache() {
            true => "cache: {max_bytes: 4MiB, max_entry_bytes: 256KiB}\n",
            false => "cache: {enabled: false}\n",
        });
        let _ = writeln!(text, "usage: {{enabled: {}}}", self.records());
        let requests = if self.records() { "all" } else { "off" };
        let _ = writeln!(
            text,
            "telemetry: {{log: {{format: json, level: info, requests: {requests}}}}}"
        );
        text
    }
}
