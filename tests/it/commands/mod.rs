//! The commands, through the admin port of a gateway that runs and on the store itself: either way they do and
//! say the same.

mod appearance;
mod each;
mod find;
mod key;
mod many;

use serde_json::Value;

use crate::support::{
    Builder, Script, ScriptedUpstream, TestGateway,
    database::{self, Postgres},
    openai,
    process::Ran,
    upstream::refused_address,
};

const MASTER: &str = "sk-master-of-commands-91f0";
const ENCRYPTION_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Where commands are typed.
struct Desk {
    /// What they are typed at: for the port a machine that has no store.
    builder: Builder,
    /// What each of them is told.
    more: Vec<String>,
    /// The gateway that they ask.
    gateway: Option<TestGateway>,
    upstream: ScriptedUpstream,
    _postgres: Option<Postgres>,
}

fn yaml(upstream: &str) -> String {
    format!(
        "listen: {{port: 0, admin_port: 0}}\n\
         auth: {{master_key: {MASTER}}}\n\
         store: {{projects: true}}\n\
         cache: {{enabled: false}}\n\
         providers:\n  one: {{base_url: \"{upstream}\", api_key: provider-secret-one, models: [m]}}\n"
    )
}

fn on(builder: Builder, postgres: Option<&Postgres>) -> Builder {
    let builder = builder.env("GATEWAY_ENCRYPTION_KEY", ENCRYPTION_KEY);
    match postgres {
        Some(postgres) => builder.env("GATEWAY_DATABASE_URL", &postgres.url),
        None => builder,
    }
}

async fn upstream() -> ScriptedUpstream {
    ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await
}

impl Desk {
    /// Somewhere without a store, where the port of a gateway is named: what works there works through it.
    async fn at_the_port(postgres: Option<Postgres>) -> Self {
        let upstream = upstream().await;
        let gateway = TestGateway::builder(&yaml(&upstream.base_url()));
        let gateway = on(gateway, postgres.as_ref()).start().await;
        gateway
            .wait_metric("gateway_store_up", &[], |up| up > 0.5)
            .await;
        let nowhere = format!("postgres://nobody@{}/none", refused_address());
        let builder = Builder::without_config()
            .env("GATEWAY_DATABASE_URL", &nowhere)
            .env("GATEWAY_MASTER_KEY", MASTER);
        Desk {
            more: vec!["--admin-url".into(), gateway.admin_url()],
            builder,
            gateway: Some(gateway),
            upstream,
            _postgres: postgres,
        }
    }

    /// Beside a store that no gateway uses.
    async fn at_the_store(postgres: Option<Postgres>) -> Self {
        let upstream = upstream().await;
        let builder = TestGateway::builder(&yaml(&upstream.base_url()));
        Desk {
            builder: on(builder, postgres.as_ref()),
            more: vec!["--config".into(), "gateway.yaml".into()],
            gateway: None,
            upstream,
            _postgres: postgres,
        }
    }

    /// Both, on each kind of store.
    async fn each() -> Vec<Self> {
        let mut all = Vec::new();
        for postgres in database::each().await {
            all.push(Desk::at_the_port(postgres).await);
        }
        for postgres in database::each().await {
            all.push(Desk::at_the_store(postgres).await);
        }
        all
    }

    async fn run(&self, line: &[&str]) -> Ran {
        self.run_with(line, "").await
    }

    async fn run_with(&self, line: &[&str], input: &str) -> Ran {
        let more = self.more.iter().map(String::as_str);
        let line: Vec<&str> = line.iter().copied().chain(more).collect();
        self.builder.run_with(&line, input).await
    }

    /// What a command says as JSON, and nothing beside it.
    #[track_caller]
    fn json<'a>(&'a self, line: &'a [&'a str]) -> impl Future<Output = Value> + 'a {
        self.json_with(line, "")
    }

    #[track_caller]
    fn json_with<'a>(
        &'a self,
        line: &'a [&'a str],
        input: &'a str,
    ) -> impl Future<Output = Value> + 'a {
        let place = std::panic::Location::caller();
        async move {
            let line: Vec<&str> = line.iter().copied().chain(["--json"]).collect();
            let ran = self.run_with(&line, input).await;
            assert_eq!(
                ran.status.code(),
                Some(0),
                "{place}: {line:?}: {}",
                ran.output
            );
            assert_eq!(ran.stderr, "", "{place}: {line:?}");
            serde_json::from_str(&ran.stdout)
                .unwrap_or_else(|_| panic!("{place}: {line:?} is no JSON: {}", ran.stdout))
        }
    }

    /// What a command prints, which ends with this code.
    #[track_caller]
    fn says<'a>(&'a self, code: i32, line: &'a [&'a str]) -> impl Future<Output = String> + 'a {
        let place = std::panic::Location::caller();
        async move {
            let ran = self.run(line).await;
            assert_eq!(
                ran.status.code(),
                Some(code),
                "{place}: {line:?}: {}",
                ran.output
            );
            ran.output
        }
    }
}
