use super::*;
use crate::yaml::read;

fn found(yaml: &str) -> Vec<String> {
    let (config, positions) = read::<Config>("g.yaml", yaml, &|_| None).unwrap();
    validate(&config, &positions, false)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_defaults_are_sound() {
    assert_eq!(found(""), [""; 0]);
}

#[test]
fn references_that_lead_nowhere() {
    let yaml = "
providers:
  openai: {api_key: k}
  own: {base_url: http://host/v1, models: [org/model-1]}
pools:
  main: [{provider: openia}, {provider: groq, model: ''}]
  none: []
routes:
  - {model: gpt-*, pool: mian}
  - {model: '', pool: main}
aliases:
  fine: openai/gpt-5
  also-fine: org/model-1
  plain: gpt-5
  pool: main
  typo: opnai/gpt-5
  short: openai/
default_model: nobody/x
";
    let expected = [
        "g.yaml:6:21: pools.main.0.provider: there is no provider `openia`; \
         did you mean `openai`?",
        "g.yaml:6:41: pools.main.1.provider: the provider `groq` is not configured; set \
         GROQ_API_KEY, or list it under providers",
        "g.yaml:6:54: pools.main.1.model: is empty; leave it out for the name that the client \
         asked for",
        "g.yaml:7:3: pools.none: the pool `none` is empty; give it a target",
        "g.yaml:9:26: routes.0.pool: there is no pool `mian`; did you mean `main`?",
        "g.yaml:10:13: routes.1.model: is empty; write a model's name or a glob such as `gpt-*`",
        "g.yaml:16:9: aliases.typo: there is no provider `opnai`; did you mean `openai`?",
        "g.yaml:17:10: aliases.short: a model is missing after `openai/`",
        "g.yaml:18:16: default_model: there is no provider `nobody`",
    ];
    assert_eq!(found(yaml), expected);
}

#[test]
fn fallbacks_and_copies_that_lead_nowhere() {
    let yaml = "
providers:
  openai: {api_key: k}
  own: {base_url: http://host/v1, models: [mine-1], allowed_models: [mine-1, extra]}
pools:
  main: [{provider: own, model: mine-1}, {provider: own, model: other}]
aliases: {there: mine-1, gone: minne}
routes:
  - {name: a, pool: main, fallbacks: [mian, gpt-5-anything, there, gone], shadow: {to: mine-2}}
  - {name: a, pool: main, shadow: {to: main, percent: 0.00001}}
routing:
  fallbacks: {x: [claude-x]}
  default_fallbacks: [own/other, 'local:qwen', ' ']
  context_window_fallbacks: {x: [openai/any]}
  providers: {openai: 0}
";
    let expected = [
        "g.yaml:6:65: pools.main.1.model: `own` may not be asked for `other`: its `allowed_models` do not hold it",
        "g.yaml:9:39: routes.0.fallbacks.0: nobody serves the model `mian`, and there is no such pool; did you \
         mean `main`?",
        "g.yaml:9:68: routes.0.fallbacks.3: nobody serves the model `minne`, and there is no such pool",
        "g.yaml:9:88: routes.0.shadow.to: nobody serves the model `mine-2`, and there is no such pool; did you \
         mean `mine-1`?",
        "g.yaml:10:12: routes.1.name: there is another route `a`; headers could not tell them apart",
        "g.yaml:10:55: routes.1.shadow.percent: must be 0, or from 0.0001 to 100",
        "g.yaml:12:19: routing.fallbacks.x.0: nobody serves the model `claude-x`: the provider `anthropic` is not \
         configured; set ANTHROPIC_API_KEY, or list it under providers",
        "g.yaml:13:23: routing.default_fallbacks.0: `own` may not be asked for `other`: its `allowed_models` do not \
         hold it",
        "g.yaml:13:34: routing.default_fallbacks.1: there is no local provider; set LOCAL_LLM_BASE_URL or \
         OLLAMA_BASE_URL",
        "g.yaml:13:48: routing.default_fallbacks.2: is empty; write a pool, a model or `provider/model`",
        "g.yaml:15:3: routing.providers: nobody has a weight above 0",
    ];
    assert_eq!(found(yaml), expected);
}

#[test]
fn a_provider_that_takes_any_name_makes_every_fallback_right() {
    let yaml = "
providers:
  vllm: {base_url: http://host/v1}
routing: {default_fallbacks: [qwen, Qwen/Qwen3-32B]}
";
    assert_eq!(found(yaml), [""; 0]);
}

#[test]
fn aliases_that_go_in_circles_are_told_once() {
    let yaml = "aliases: {in: b, a: a, b: c, c: d, d: b}";
    assert_eq!(
        found(yaml),
        [
            "g.yaml:1:21: aliases.a: the aliases `a` → `a` never end",
            "g.yaml:1:27: aliases.b: the aliases `b` → `c` → `d` → `b` never end",
        ]
    );
}

#[test]
fn a_provider_needs_an_address_and_a_key() {
    let yaml = "
providers:
  opnai: {api_key: k}
  other: {kind: antropic}
  groq: {}
  local: {}
  ollama:
  mine: {base_url: 'http://host:1234/v1'}
";
    let expected = [
        "g.yaml:3:3: providers.opnai: unknown provider `opnai`; a provider that is not in the \
         catalog needs a base_url; did you mean `openai`?",
        "g.yaml:4:17: providers.other.kind: unknown kind `antropic`; `gateway config catalog` \
         lists all; did you mean `anthropic`?",
        "g.yaml:5:3: providers.groq: has no key; set GROQ_API_KEY, or api_key here",
        "g.yaml:6:3: providers.local: has no base_url; set it here or by LOCAL_LLM_BASE_URL",
    ];
    assert_eq!(found(yaml), expected);
}

#[test]
fn base_urls_are_plain_http_and_never_shown() {
    for (url, why) in [
        ("ftp://host/v1", "not an http:// or https:// URL"),
        ("localhost:11434", "not an http:// or https:// URL"),
        ("https://user:canary@host/v1", "holds a user or password"),
        ("https://host/v1?key=canary", "without `?` or `#`"),
        ("https://host/v1#x", "without `?` or `#`"),
        ("http:///v1", "not an http:// or https:// URL"),
    ] {
        let problems = found(&format!("providers: {{x: {{base_url: '{url}'}}}}"));
        assert_eq!(problems.len(), 1, "{url}: {problems:?}");
        assert!(problems[0].contains(why), "{url}: {problems:?}");
        assert!(!problems[0].contains("canary"), "{problems:?}");
    }
    let yaml = "providers: {x: {base_url: 'http://h/v1', tls: {server_name: h}}}";
    assert!(
        found(yaml)[0].contains("providers.x.tls: has no effect"),
        "{:?}",
        found(yaml)
    );
}

#[test]
fn keys_and_headers_that_http_cannot_carry() {
    let yaml = r#"
providers:
  openai:
    api_key: "canary\nx"
    api_keys: [a, a]
    headers: {"bad name": x, Host: y, X-Ok: "a\u0000canary"}
"#;
    let problems = found(yaml);
    assert_eq!(problems.len(), 5, "{problems:#?}");
    assert!(problems[0].contains("api_key: holds characters that no HTTP header can carry"));
    assert!(problems[1].contains("api_keys.1: the same key as api_keys.0"));
    assert!(problems[2].contains("`bad name` cannot be a header's name"));
    assert!(problems[3].contains("`host` is the gateway's own to set"));
    assert!(problems[4].contains("headers.X-Ok: holds characters"));
    assert!(!problems.join("").contains("canary"));
}

#[test]
fn client_keys_have_names_and_values_of_their_own() {
    let yaml = "
auth:
  master_key: ''
  keys:
    - {name: a, key: canary}
    - {name: a, key: other}
    - {name: b, key: canary, models: ['']}
    - {name: '', key: ''}
";
    let problems = found(yaml);
    assert_eq!(problems.len(), 6, "{problems:#?}");
    assert!(problems[0].contains("auth.master_key: is empty"));
    assert!(problems[1].contains("keys.1.name: another key is called `a` too"));
    assert!(problems[2].contains("keys.2.key: the same key as `a`"));
    assert!(problems[3].contains("keys.2.models.0: is empty"));
    assert!(!problems.join("").contains("canary"));
}

#[test]
fn a_bind_that_others_can_reach_needs_a_key() {
    let open = found("listen: {address: 0.0.0.0}");
    assert_eq!(open.len(), 1);
    assert!(open[0].starts_with("g.yaml:1:19: listen.address: 0.0.0.0 can be reached"));
    assert!(open[0].contains("GATEWAY_API_KEY"));
    for auth in ["keys: [{name: a, key: b}]", "master_key: m", "dev: true"] {
        let yaml = format!("listen: {{address: 0.0.0.0}}\nauth: {{{auth}}}");
        assert_eq!(found(&yaml), [""; 0]);
    }
    assert_eq!(found("listen: {address: '::1'}"), [""; 0]);
}

#[test]
fn sockets_and_times_that_no_server_could_use() {
    let yaml = "
listen:
  port: 4081
  threads: 0
  max_body_bytes: 0
  body_timeout_seconds: 0
  tls: {certificate: not-there.pem, key: not-there.key}
providers:
  ollama:
    timeouts: {idle_seconds: 0, total_seconds: 5}
    timeout_seconds: 5
    tls: {ca_file: not-there.pem}
";
    let problems = found(yaml).join("\n");
    for expected in [
        "listen.admin_port: port 4081 is the client port too",
        "listen.threads: at least 1",
        "listen.max_body_bytes: every request would be refused",
        "listen.body_timeout_seconds: no time at all",
        "listen.tls.certificate: not-there.pem cannot be read",
        "listen.tls.key: not-there.key cannot be read",
        "providers.ollama.timeouts.idle_seconds: no time at all",
        "providers.ollama.timeout_seconds: is short for timeouts.total_seconds",
        "providers.ollama.tls.ca_file: not-there.pem cannot be read",
    ] {
        assert!(problems.contains(expected), "{expected} in\n{problems}");
    }
    assert_eq!(found("listen: {port: 0, admin_port: 0}"), [""; 0]);
}

#[test]
fn the_built_in_provider_can_be_named_when_it_is_asked_for() {
    let yaml = "pools: {main: [{provider: demo}]}";
    let (config, positions) = read::<Config>("g.yaml", yaml, &|_| None).unwrap();
    assert_eq!(validate(&config, &positions, true), []);
    assert_eq!(validate(&config, &positions, false).len(), 1);
}

#[test]
fn settings_that_no_placeholder_asks_for() {
    let yaml = "
providers:
  azure: {api_key: k, base_url: https://x.openai.azure.com, settings: {api_verison: '2030-01-01'}}
  own: {base_url: 'https://host.example/{place}/v1', settings: {place: '', other: x}}
";
    let found = found(yaml);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].contains("settings.api_verison") && found[0].contains("`api_version`"));
    assert!(found[1].contains("settings.place"), "{}", found[1]);
    assert!(found[2].contains("settings.other"), "{}", found[2]);
}

#[test]
fn a_cache_that_could_keep_nothing() {
    let yaml = "
auth: {keys: [{name: a, key: b, cache: {ttl_seconds: 0}}]}
cache:
  backend: tiered
  ttl_seconds: 0
  max_bytes: 0
  max_entries: 0
  max_entry_bytes: 0
  lookup_timeout_ms: 0
  redis_prefix: 'a*'
";
    let problems = found(yaml).join("\n");
    for expected in [
        "auth.keys.0.cache.ttl_seconds: no time at all",
        "cache.backend: keeps answers in Redis; say where",
        "cache.ttl_seconds: no time at all",
        "cache.max_bytes: is no memory at all",
        "cache.max_entries: is not one answer",
        "cache.max_entry_bytes: keeps no answer",
        "cache.lookup_timeout_ms: takes milliseconds",
        "cache.redis_prefix: takes letters",
    ] {
        assert!(problems.contains(expected), "{expected} in\n{problems}");
    }
    let wrong = found("cache: {redis_url: 'http://:canary@host'}").join("\n");
    assert!(
        wrong.contains("cache.redis_url: has an unknown scheme"),
        "{wrong}"
    );
    assert!(!wrong.contains("canary"));
}
