use std::collections::BTreeMap;

use super::*;
use crate::{
    snapshot::tests::lasting,
    store::{models::ModelSettings, providers::StoredProvider},
    upstream::{credential::Credential, provider::Provider as Upstream},
};

fn credential(provider: &str, project: Option<&str>, key: &str) -> Opened {
    Opened {
        id: format!("cred_{key}"),
        provider: provider.to_owned(),
        project_id: project.map(str::to_owned),
        is_reserved: false,
        secrets: [
            (API_KEY.to_owned(), Secret::new(key)),
            ("header:X-Of".to_owned(), Secret::new(key)),
        ]
        .into(),
    }
}

fn keys(provider: &Upstream) -> Vec<String> {
    let Credential::Keys(keys) = &provider.credential else {
        panic!("no keys")
    };
    let keys = (0..).map_while(|at| keys.get(at));
    keys.map(|(_, value)| value.to_str().unwrap().to_owned())
        .collect()
}

fn headers(provider: &Upstream) -> Vec<&str> {
    let headers = provider.headers.iter();
    headers.map(|(_, value)| value.to_str().unwrap()).collect()
}

#[test]
fn credentials_join_the_keys_of_their_provider_and_those_of_projects_stand_alone() {
    let mut written = Config::default();
    let openai = Provider {
        api_key: Some(Secret::new("configured")),
        ..Provider::default()
    };
    written.providers.insert("openai".into(), openai);
    let serving = Serving {
        credentials: vec![
            credential("openai", None, "stored"),
            credential("openai", None, "configured"),
            credential("openai", Some("shop"), "of-shop"),
            credential("groq", None, "of-the-catalog"),
            credential("nobody", None, "lost"),
            Opened {
                is_reserved: true,
                ..credential("openai", None, "reserved")
            },
        ],
        headers: vec![(
            "blog".into(),
            "*".into(),
            BTreeMap::from([("X-Project".into(), "blog".into())]),
        )],
        ..Serving::default()
    };
    let (config, problems) = merged(&written, &serving);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("nobody") && !problems[0].contains("lost "),
        "{problems:?}"
    );
    let router = crate::snapshot::build(config, lasting()).unwrap().router;
    let openai = &router.members["openai"].provider;
    assert_eq!(keys(openai), ["Bearer configured", "Bearer stored"]);
    assert_eq!(
        headers(openai),
        ["configured"],
        "the last says the last word"
    );
    let of = |project: &str| openai.of_project(Some(project)).unwrap();
    assert_eq!(keys(of("shop")), ["Bearer of-shop"]);
    assert_eq!(headers(of("shop")), ["of-shop"]);
    assert_eq!(keys(of("blog")), keys(openai));
    assert_eq!(headers(of("blog")), ["configured", "blog"]);
    assert!(openai.of_project(Some("other")).is_none() && openai.of_project(None).is_none());
    assert_eq!(
        keys(&router.members["groq"].provider),
        ["Bearer of-the-catalog"]
    );
}

#[test]
fn providers_of_the_store_are_there_unless_the_configuration_has_them_or_they_have_no_key() {
    let mut written = Config::default();
    let mine = Provider {
        base_url: Some("http://configured/v1".into()),
        ..Provider::default()
    };
    written.providers.insert("mine".into(), mine);
    let stored = |name: &str, base_url: Option<&str>| StoredProvider {
        name: name.into(),
        settings: Provider {
            base_url: base_url.map(Into::into),
            ..Provider::default()
        },
        ..StoredProvider::default()
    };
    let serving = Serving {
        providers: vec![
            stored("mine", Some("http://stored/v1")),
            stored("other", Some("http://other/v1")),
            stored("openai", None),
        ],
        ..Serving::default()
    };
    let (config, problems) = merged(&written, &serving);
    let names: Vec<&String> = config.providers.keys().collect();
    assert_eq!(names, ["mine", "other"]);
    assert_eq!(
        config.providers["mine"].base_url.as_deref(),
        Some("http://configured/v1")
    );
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn deployments_share_a_name_and_their_keys_go_to_their_own_address_alone() {
    let mut written = Config::default();
    let openai = Provider {
        api_key: Some(Secret::new("general")),
        ..Provider::default()
    };
    written.providers.insert("openai".into(), openai);
    let model = |id: &str, credential: Option<&str>, base_url: Option<&str>| Model {
        id: id.into(),
        name: "fast".into(),
        provider: "openai".into(),
        model: "gpt-5-mini".into(),
        credential_id: credential.map(Into::into),
        settings: ModelSettings {
            base_url: base_url.map(Into::into),
            weight: Some(3),
            ..ModelSettings::default()
        },
        ..Model::default()
    };
    let serving = Serving {
        credentials: vec![Opened {
            is_reserved: true,
            ..credential("openai", None, "own")
        }],
        models: vec![
            model("a", None, None),
            model("b", Some("cred_own"), None),
            model("c", None, Some("http://elsewhere/v1")),
            model("d", Some("cred_own"), Some("http://elsewhere/v1")),
            model("e", Some("cred_gone"), None),
        ],
        ..Serving::default()
    };
    let (config, problems) = merged(&written, &serving);
    assert_eq!(problems.len(), 2, "{problems:?}");
    let targets = &config.pools["fast"].targets;
    assert_eq!(targets.len(), 4);
    assert!(targets.iter().all(|target| target.weight == 3));
    let router = crate::snapshot::build(config, lasting()).unwrap().router;
    let provider = |name: &str| &router.members[name].provider;
    assert_eq!(keys(provider("openai")), ["Bearer general"]);
    assert_eq!(keys(provider("openai-b")), ["Bearer own"]);
    assert_eq!(keys(provider("openai-d")), ["Bearer own"]);
    assert_eq!(provider("openai-d").host_name(), "elsewhere");
    assert!(
        !router.members.contains_key("openai-c"),
        "it has no key for that address"
    );
    let listed: Vec<String> = router.models().into_iter().map(|(name, _)| name).collect();
    assert!(listed.contains(&"fast".to_owned()));
    let plain = router.fallback("gpt-5-mini", None).unwrap();
    assert_eq!(
        plain.candidates().len(),
        1,
        "deployments are asked by their name alone"
    );
}

#[test]
fn what_the_store_adds_keeps_no_configured_provider_from_being_used() {
    let mut written = Config::default();
    let mut mine = Provider {
        base_url: Some("http://configured/v1".into()),
        ..Provider::default()
    };
    mine.headers.insert("X-Of".into(), Secret::new("file"));
    written.providers.insert("mine".into(), mine);
    let mut bad = credential("mine", None, "bad");
    bad.secrets
        .insert("header:bad name".into(), Secret::new("x"));
    let mut good = credential("mine", None, "good");
    good.secrets
        .insert("header:x-of".into(), Secret::new("store"));
    let serving = Serving {
        credentials: vec![bad, good],
        ..Serving::default()
    };
    let (mut config, problems) = merged(&written, &serving);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let router = crate::snapshot::build(config.clone(), lasting())
        .unwrap()
        .router;
    let mine = &router.members["mine"].provider;
    assert_eq!(keys(mine), ["Bearer good"]);
    assert_eq!(headers(mine), ["file"], "the configuration counts");
    let odd = config.providers.get_mut("mine").unwrap();
    odd.headers.insert("bad name".into(), Secret::new("x"));
    let snapshot = crate::snapshot::build(config, lasting()).unwrap();
    assert!(keys(&snapshot.router.members["mine"].provider).is_empty());
    assert_eq!(snapshot.config.providers["mine"], written.providers["mine"]);
}

#[test]
fn a_project_whose_key_cannot_be_used_uses_nobody_elses() {
    let mut written = Config::default();
    let openai = Provider {
        api_key: Some(Secret::new("everybodys")),
        ..Provider::default()
    };
    written.providers.insert("openai".into(), openai);
    let closed = |project: &str, is_reserved| Closed {
        id: "cred".into(),
        provider: "openai".into(),
        project_id: Some(project.into()),
        is_reserved,
        is_blocked: true,
    };
    let serving = Serving {
        credentials: vec![credential("openai", Some("blog"), "of-blog")],
        closed: vec![
            closed("shop", false),
            closed("blog", false),
            closed("other", true),
        ],
        ..Serving::default()
    };
    let (config, problems) = merged(&written, &serving);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let router = crate::snapshot::build(config, lasting()).unwrap().router;
    let openai = &router.members["openai"].provider;
    assert!(openai.is_closed_to(Some("shop")));
    for project in [Some("blog"), Some("other"), None] {
        assert!(!openai.is_closed_to(project), "{project:?}");
    }
}

#[test]
fn a_deployment_takes_nobody_elses_place() {
    let mut written = Config::default();
    for name in ["openai", "openai-eu"] {
        let provider = Provider {
            kind: Some("openai".into()),
            api_key: Some(Secret::new(name)),
            ..Provider::default()
        };
        written.providers.insert(name.into(), provider);
    }
    let serving = Serving {
        credentials: vec![Opened {
            is_reserved: true,
            ..credential("openai", None, "own")
        }],
        models: vec![Model {
            id: "eu".into(),
            name: "fast".into(),
            provider: "openai".into(),
            model: "m".into(),
            credential_id: Some("cred_own".into()),
            ..Model::default()
        }],
        ..Serving::default()
    };
    let (config, _) = merged(&written, &serving);
    assert_eq!(
        config.providers["openai-eu"],
        written.providers["openai-eu"]
    );
    assert_eq!(config.pools["fast"].targets[0].provider, "openai-eu+");
}

#[test]
fn a_deployment_is_asked_with_no_key_of_another_provider_or_of_a_project() {
    let model = |id: &str, provider: &str, credential: &str| Model {
        id: id.into(),
        name: "fast".into(),
        provider: provider.into(),
        model: "m".into(),
        credential_id: Some(credential.into()),
        ..Model::default()
    };
    let serving = Serving {
        credentials: vec![
            credential("openai", None, "all"),
            credential("openai", Some("shop"), "of-shop"),
        ],
        models: vec![
            model("a", "openai", "cred_all"),
            model("b", "anthropic", "cred_all"),
            model("c", "openai", "cred_of-shop"),
        ],
        ..Serving::default()
    };
    let (config, problems) = merged(&Config::default(), &serving);
    let targets: Vec<&str> = config.pools["fast"]
        .targets
        .iter()
        .map(|target| target.provider.as_str())
        .collect();
    assert_eq!(targets, ["openai-a"]);
    assert!(
        problems.iter().any(|problem| problem.contains("`b`")),
        "{problems:?}"
    );
    assert!(
        problems.iter().any(|problem| problem.contains("`c`")),
        "{problems:?}"
    );
}
