//! Configurations in YAML, short enough to read in a test.

use std::fmt::Write;

/// The gateway's client key in these configurations.
pub const CLIENT_KEY: &str = "test-key";

/// Builds a configuration with ports chosen by the system.
#[derive(Default)]
pub struct Yaml {
    listen: String,
    keys: String,
    providers: String,
    rest: String,
}

impl Yaml {
    /// With one client key, [`CLIENT_KEY`].
    pub fn new() -> Self {
        Yaml::default().key("app", CLIENT_KEY, "")
    }

    /// Without a client key: open on loopback.
    pub fn open() -> Self {
        Yaml::default()
    }

    /// Adds an option of `listen`.
    pub fn listen(mut self, option: &str) -> Self {
        let _ = write!(self.listen, ", {option}");
        self
    }

    /// Adds a client key; `more` such as `, models: ["m"]`.
    pub fn key(mut self, name: &str, key: &str, more: &str) -> Self {
        let _ = writeln!(self.keys, "    - {{name: {name}, key: {key}{more}}}");
        self
    }

    /// Adds a provider that serves model `m`, with timeouts of one second and the key
    /// `provider-secret-NAME`; `more` such as `, http_version: http2`.
    pub fn provider_with(mut self, name: &str, base_url: &str, more: &str) -> Self {
        let _ = writeln!(
            self.providers,
            "  {name}: {{base_url: \"{base_url}\", api_key: provider-secret-{name}, models: [m], \
             timeouts: {{connect_seconds: 1, first_byte_seconds: 1, idle_seconds: 1}}{more}}}"
        );
        self
    }

    /// The same without more.
    pub fn provider(self, name: &str, base_url: &str) -> Self {
        self.provider_with(name, base_url, "")
    }

    /// Adds a provider with the timeouts of production, for tests that wait on purpose.
    pub fn patient(mut self, name: &str, base_url: &str) -> Self {
        let _ = writeln!(
            self.providers,
            "  {name}: {{base_url: \"{base_url}\", api_key: provider-secret-{name}, models: [m]}}"
        );
        self
    }

    /// Adds lines at the top level.
    pub fn and(mut self, lines: &str) -> Self {
        let _ = writeln!(self.rest, "{lines}");
        self
    }

    /// Sends `m` to `one`, then to `two` under the name `other-name`.
    pub fn pooled(self) -> Self {
        self.and("pools: {both: {strategy: priority, targets: [{provider: one}, {provider: two, model: other-name}]}}")
            .and("routes: [{model: m, pool: both}]")
    }

    pub fn build(&self) -> String {
        let mut yaml = format!("listen: {{port: 0, admin_port: 0{}}}\n", self.listen);
        // One call to each, unless a test is about more.
        if !self.rest.contains("routing:") {
            yaml.push_str(
                "routing: {retries: {max: 0}, breaker: {enabled: false}, key_bench_seconds: 0}\n",
            );
        }
        // Each request is a call, unless a test is about caching.
        if !self.rest.contains("cache:") {
            yaml.push_str("cache: {enabled: false}\n");
        }
        if !self.keys.is_empty() {
            let _ = write!(yaml, "auth:\n  keys:\n{}", self.keys);
        }
        if !self.providers.is_empty() {
            let _ = write!(yaml, "providers:\n{}", self.providers);
        }
        yaml + &self.rest
    }
}

/// One provider, `one`.
pub fn single(one: &str) -> Yaml {
    Yaml::new().provider("one", one)
}

/// Two providers in a pool: `one` first.
pub fn pair(one: &str, two: &str) -> Yaml {
    Yaml::new()
        .provider("one", one)
        .provider("two", two)
        .pooled()
}
