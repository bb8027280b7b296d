//! The order in which names are looked for, and what conditions ask for.

mod next;

use pingora::upstreams::peer::ALPN;
use std::{
    sync::{LazyLock, OnceLock},
    time::{Duration, Instant},
};

use super::*;
use crate::{
    chat::target::Quirks,
    config::{Routing, StrategyName},
    dialects,
    health::ProviderHealth,
    routing::{
        policy::Asking,
        pool::{Target, Tier},
        prompt::Prompt,
        route::Arm,
    },
    upstream::{
        credential::{Credential, Keys},
        discovery::Hosts,
        provider::{Patience, Settings},
    },
};

static GPT: LazyLock<Vec<String>> = LazyLock::new(|| vec!["gpt-*".to_owned()]);

/// A provider that nobody calls.
pub(super) fn provider(name: &str, kind: &str) -> Arc<Provider> {
    let wait = Duration::from_secs(1);
    let settings = Settings {
        name,
        base_url: &http::Uri::from_static("http://127.0.0.1:1/v1"),
        kind,
        dialects: vec![dialects::by_name("openai_chat").unwrap()],
        paths: HashMap::default(),
        quirks: Quirks::default(),
        credential: Credential::Keys(Keys::new(http::header::AUTHORIZATION, Vec::new())),
        secrets: &[],
        headers: Vec::new(),
        usual_headers: Vec::new(),
        alpn: ALPN::H1,
        ca_file: None,
        server_name: None,
        timeouts: Patience {
            connect: wait,
            first_byte: wait,
            idle: wait,
            total: wait,
        },
        local: name == "local",
        lists_models: true,
        prices: crate::providers::pricing::embedded().clone(),
        allowed_models: match name {
            "local" => vec!["qwen*".to_owned()],
            _ => Vec::new(),
        },
        health: Arc::new(ProviderHealth::default()),
    };
    Arc::new(Provider::new(settings, &Hosts::default()).unwrap())
}

fn member(name: &str, models: &[&str]) -> Member {
    Member {
        provider: provider(name, name),
        models: models.iter().map(ToString::to_string).collect(),
        patterns: if name == "openai" { &GPT } else { &[] },
        priority: 0,
        any_model: models.is_empty(),
        default_model: None,
    }
}

fn router() -> Router {
    let mut router = Router::default();
    for (name, models) in [
        ("proxy", &["gpt-4o", "claude-x"][..]),
        ("openai", &["gpt-4o"]),
        ("vllm", &[]),
        ("local", &["qwen"]),
    ] {
        router.members.insert(name.into(), member(name, models));
    }
    router.aliases.insert("fast".into(), "vllm/tiny".into());
    let target = |provider: &str, model: Option<&str>| Target {
        provider: router.members[provider].provider.clone(),
        model: model.map(Into::into),
        health: model.map(|model| router.members[provider].provider.health.target(model)),
        price: None,
        weight: 1,
        rpm: None,
        tpm: None,
    };
    let both = pool(
        "both",
        vec![target("vllm", None), target("openai", Some("gpt-5"))],
    );
    let solo = pool("solo", vec![target("local", Some("qwen"))]);
    router.pools.insert("both".into(), both.clone());
    router.pools.insert("solo".into(), solo);
    router.routes.push(route("team-*", &both));
    router.fallback_on = Routing::default().fallback_on;
    router
        .unconfigured
        .insert("groq".into(), "GROQ_API_KEY".into());
    router
}

fn pool(name: &str, targets: Vec<Target>) -> Arc<Pool> {
    let strategy = strategies::build(StrategyName::Priority, &targets);
    Arc::new(Pool {
        name: name.into(),
        strategy: StrategyName::Priority,
        tiers: vec![Tier {
            priority: 0,
            targets,
            strategy,
        }],
        identity: Default::default(),
    })
}

fn route(model: &str, pool: &Arc<Pool>) -> Route {
    Route {
        name: "r".into(),
        model: model.into(),
        when: Default::default(),
        arms: vec![Arm {
            name: None,
            pool: pool.clone(),
            weight: 1,
        }],
        fallbacks: None,
        fallback_on: None,
        shadow: None,
        max_cost: None,
        cache: Default::default(),
    }
}

static NO_PROMPT: OnceLock<Prompt> = OnceLock::new();
const NOTHING: Facts<'_> = Facts {
    key: None,
    team: None,
    own_tags: &[],
    headers: None,
    has_wishes: false,
    stream: false,
    body: b"",
    prompt: &NO_PROMPT,
};

fn asking<'a>(router: &'a Router, rules: &'a Routing) -> Asking<'a> {
    Asking {
        router,
        rules,
        facts: &NOTHING,
        now: Instant::now(),
        deadline: None,
    }
}

fn who(plan: &Plan) -> &str {
    &plan.current().unwrap().provider.name
}

fn ask(model: &str) -> Vec<String> {
    let plan = router().plan(Some(model), None, &NOTHING).unwrap();
    plan.candidates()
        .iter()
        .map(|candidate| format!("{}:{}", candidate.provider.name, candidate.model))
        .collect()
}

#[test]
fn names_lead_where_they_should() {
    for (model, candidates) in [
        ("gpt-4o", &["openai:gpt-4o", "proxy:gpt-4o"][..]),
        ("gpt-next", &["openai:gpt-next"]),
        ("claude-x", &["proxy:claude-x"]),
        ("unheard-of", &["vllm:unheard-of"]),
        ("fast", &["vllm:tiny"]),
        ("both", &["vllm:both", "openai:gpt-5"]),
        ("team-a", &["vllm:team-a", "openai:gpt-5"]),
        ("openai/anything", &["openai:anything"]),
        ("local:qwen2", &["local:qwen2"]),
        ("org/model", &["vllm:org/model"]),
    ] {
        assert_eq!(ask(model), candidates, "{model}");
    }
}

#[test]
fn a_lower_number_is_asked_first() {
    let mut router = router();
    router.members["proxy"].priority = -1;
    let mut plan = router.plan(Some("gpt-4o"), None, &NOTHING).unwrap();
    assert!(asking(&router, &Routing::default()).start(&mut plan));
    assert_eq!(who(&plan), "proxy");
}

#[test]
fn what_cannot_be_served_is_told_apart() {
    let mut router = router();
    router.members.shift_remove("vllm");
    let code = |model, provider| {
        router
            .plan(model, provider, &NOTHING)
            .map(|_| ())
            .unwrap_err()
            .code()
    };
    assert_eq!(code(None, None), "missing_model");
    assert_eq!(code(Some("gp-4o"), None), "model_not_found");
    assert_eq!(code(Some("local:llama"), None), "model_not_allowed");
    assert_eq!(code(Some("groq/x"), None), "provider_not_configured");
    assert_eq!(code(Some("x"), Some("groq")), "provider_not_configured");
    assert_eq!(code(Some("x"), Some("nobody")), "invalid_body");
    let unknown = router
        .plan(Some("gp-4o"), None, &NOTHING)
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(unknown.contains("Did you mean gpt-4o"), "{unknown}");
}

#[test]
fn conditions_choose_among_routes() {
    let mut router = router();
    let (both, solo) = (router.pools["both"].clone(), router.pools["solo"].clone());
    router.routes.clear();
    let mut tools = route("*", &solo);
    tools.when.tools = Some(true);
    let mut team = route("gpt-*", &solo);
    team.when.teams = vec!["red*".into()];
    team.when.prompt_tokens.max = Some(100);
    let mut header = route("*", &solo);
    header.when.headers.insert("x-env".into(), "prod*".into());
    router.routes = vec![tools, team, header, route("*", &both)];
    let pool = |facts: &Facts<'_>| {
        let plan = router.plan(Some("gpt-x"), None, facts).unwrap();
        plan.pool().unwrap().name.to_string()
    };
    assert_eq!(pool(&NOTHING), "both");
    let prompt = OnceLock::new();
    let offering = Facts {
        body: br#"{"tools": [{"type": "function"}]}"#,
        prompt: &prompt,
        ..NOTHING
    };
    assert_eq!(pool(&offering), "solo");
    let red = Facts {
        team: Some("redshift"),
        ..NOTHING
    };
    assert_eq!(pool(&red), "solo");
    let prompt = OnceLock::from(Prompt {
        tokens: 101,
        ..Prompt::default()
    });
    let long = Facts {
        prompt: &prompt,
        ..red
    };
    assert_eq!(pool(&long), "both");
    let headers = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("x-env"),
        http::HeaderValue::from_static("production"),
    )]);
    let production = Facts {
        headers: Some(&headers),
        has_wishes: true,
        ..NOTHING
    };
    assert_eq!(pool(&production), "solo");
}

#[test]
fn a_caller_stays_in_its_arm_and_arms_get_their_share() {
    let mut router = router();
    let mut split = route("m", &router.pools["both"].clone());
    let arm = |name: &str, weight| Arm {
        name: Some(name.into()),
        pool: router.pools["solo"].clone(),
        weight,
    };
    split.arms = vec![arm("a", 90), arm("b", 10)];
    router.routes = vec![split];
    let variant = |key: &str| {
        let facts = Facts {
            key: Some(key),
            ..NOTHING
        };
        let plan = router.plan(Some("m"), None, &facts).unwrap();
        plan.reason.variant.unwrap().to_string()
    };
    let names: Vec<String> = (0..5000).map(|number| format!("key-{number}")).collect();
    let in_b = names.iter().filter(|name| variant(name) == "b").count();
    assert!((400..600).contains(&in_b), "{in_b}");
    assert!(
        names
            .iter()
            .take(50)
            .all(|name| variant(name) == variant(name))
    );
}
