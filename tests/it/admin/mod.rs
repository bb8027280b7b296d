//! The admin interface as those who administrate meet it: over sockets, on SQLite and on a Postgres.

mod access;
mod cache;
mod daily;
mod deployments;
mod document;
mod injection;
mod keys;
mod litellm;
mod litellm_more;
mod members;
mod on_client_port;
mod own;
mod records;
mod replicas;
mod secrets;
mod teams;
mod terms;
mod usage;

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::{
    Answer, Builder, Http1, Request, Script, ScriptedUpstream, TestGateway,
    database::{self, Looker, Postgres},
    openai,
};

pub const MASTER: &str = "sk-master-canary-5d20e7";
pub const ENCRYPTION_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A gateway with a master key, a provider and a store.
pub struct Administrated {
    pub gateway: TestGateway,
    pub upstream: ScriptedUpstream,
    pub postgres: Option<Postgres>,
    document: Value,
}

pub fn yaml(upstream: &str) -> String {
    format!(
        "listen: {{port: 0, admin_port: 0}}\n\
         auth: {{master_key: {MASTER}}}\n\
         cache: {{enabled: false}}\n\
         routing: {{retries: {{max: 0}}, breaker: {{enabled: false}}, key_bench_seconds: 0}}\n\
         providers:\n  openai: {{base_url: \"{upstream}\", api_key: provider-secret-one, \
         models: [m, gpt-4o]}}\n"
    )
}

fn builder(yaml: &str, postgres: Option<&Postgres>) -> Builder {
    let builder = TestGateway::builder(yaml).env("GATEWAY_ENCRYPTION_KEY", ENCRYPTION_KEY);
    match postgres {
        Some(postgres) => builder.env("GATEWAY_DATABASE_URL", &postgres.url),
        None => builder,
    }
}

impl Administrated {
    pub async fn start(postgres: Option<Postgres>) -> Self {
        Self::with(postgres, |yaml| yaml).await
    }

    /// With that done to its configuration.
    pub async fn with(postgres: Option<Postgres>, change: impl Fn(String) -> String) -> Self {
        let answer = Script::json(200, openai::completion("hi"));
        let upstream = ScriptedUpstream::start([answer]).await;
        let yaml = change(yaml(&upstream.base_url()));
        let builder = builder(&yaml, postgres.as_ref());
        Self::of(builder, upstream, postgres).await
    }

    async fn of(builder: Builder, upstream: ScriptedUpstream, postgres: Option<Postgres>) -> Self {
        let gateway = builder.start().await;
        gateway
            .wait_metric("gateway_store_up", &[], |up| up > 0.5)
            .await;
        let document = call(gateway.admin_address, Request::get("/admin/openapi.json")).await;
        Administrated {
            document: document.json(),
            gateway,
            upstream,
            postgres,
        }
    }

    /// The same with a file beside it.
    pub async fn with_file(
        postgres: Option<Postgres>,
        change: impl Fn(String) -> String,
        name: &str,
        text: &str,
    ) -> Self {
        let answer = Script::json(200, openai::completion("hi"));
        let upstream = ScriptedUpstream::start([answer]).await;
        let yaml = change(yaml(&upstream.base_url()));
        let builder = builder(&yaml, postgres.as_ref());
        builder.write(name, text);
        Self::of(builder, upstream, postgres).await
    }

    /// One on each kind of store.
    pub async fn each() -> Vec<Self> {
        let mut all = Vec::new();
        for postgres in database::each().await {
            all.push(Self::start(postgres).await);
        }
        all
    }

    /// Asks the admin port. What it answers is what its document says that it answers.
    pub async fn ask(&self, key: &str, method: &str, target: &str, body: Option<Value>) -> Answer {
        let mut request = Request::new(method, target).bearer(key);
        if let Some(body) = body {
            request = request.header("content-type", "application/json");
            request.body = body.to_string().into();
        }
        let answer = call(self.gateway.admin_address, request).await;
        self.check(method, target, &answer);
        answer
    }

    /// The same by the master key, which is to succeed.
    #[track_caller]
    pub fn ok<'a>(
        &'a self,
        method: &'a str,
        target: &'a str,
        body: Option<Value>,
    ) -> impl Future<Output = Value> + 'a {
        let place = std::panic::Location::caller();
        async move {
            let answer = self.ask(MASTER, method, target, body).await;
            assert!(
                answer.status < 300,
                "{place}: {method} {target}: {answer:?}"
            );
            answer.json()
        }
    }

    pub async fn post(&self, target: &str, body: Value) -> Value {
        self.ok("POST", target, Some(body)).await
    }

    pub async fn get(&self, target: &str) -> Value {
        self.ok("GET", target, None).await
    }

    /// The status of a chat with that key.
    pub async fn chat(&self, key: &str) -> u16 {
        let request = Request::post("/v1/chat/completions", openai::chat("m")).bearer(key);
        self.gateway.call(request).await.status
    }

    /// Looks into its store.
    pub async fn looker(&self) -> Looker {
        let Some(postgres) = &self.postgres else {
            let data = self.gateway.config_path().with_file_name("data");
            return Looker::at(&database::sqlite_in(&data)).await;
        };
        Looker::at_url(&postgres.url).await
    }

    /// Makes a key by our interface: its text and its record.
    pub async fn key(&self, said: Value) -> (String, Value) {
        let made = self.post("/admin/keys", said).await;
        (made["key"].as_str().unwrap().to_owned(), made)
    }

    /// Looks an answer up in the document.
    #[track_caller]
    fn check(&self, method: &str, target: &str, answer: &Answer) {
        let path = target.split('?').next().unwrap();
        let Some(operation) = operation(&self.document, method, path) else {
            return;
        };
        let response = &operation["responses"][answer.status.to_string()];
        let response = match response["$ref"].as_str() {
            Some(target) => self.document.pointer(&target[1..]).unwrap(),
            None => response,
        };
        let schema = &response["content"]["application/json"]["schema"];
        assert!(
            schema.is_object() || schema == &json!(true),
            "{method} {target}: {} is not documented",
            answer.status
        );
        let mut whole = schema.clone();
        if let Some(members) = whole.as_object_mut() {
            members.insert("components".into(), self.document["components"].clone());
        }
        let validator = jsonschema::validator_for(&whole).expect("a schema");
        let body = answer.json();
        if let Err(error) = validator.validate(&body) {
            panic!("{method} {target}: {error} in {body}");
        }
    }
}

pub async fn call(address: SocketAddr, request: Request) -> Answer {
    let answer = Http1::connect(address).await.call(&request).await;
    answer.unwrap_or_else(|error| panic!("no answer to {} ({error})", request.target))
}

/// What the document says of a path: one with names in it stands for many.
pub fn operation<'d>(document: &'d Value, method: &str, path: &str) -> Option<&'d Value> {
    let paths = document["paths"].as_object()?;
    let is_of = |known: &str| {
        let (known, asked): (Vec<_>, Vec<_>) =
            (known.split('/').collect(), path.split('/').collect());
        known.len() == asked.len()
            && known
                .iter()
                .zip(&asked)
                .all(|(known, asked)| known.starts_with('{') || known == asked)
    };
    let exact = paths.get(path);
    let found = exact.or_else(|| {
        paths
            .iter()
            .find(|(known, _)| is_of(known))
            .map(|(_, it)| it)
    });
    found?.get(method.to_ascii_lowercase())
}
