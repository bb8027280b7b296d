use super::*;
use crate::config::{ByteSize, LogFormat, LogLevel, Seconds};

struct Applied {
    config: Config,
    positions: Positions,
    warnings: Vec<String>,
    problems: Vec<String>,
}

fn apply_to(yaml: &str, variables: &[(&str, &str)]) -> Applied {
    let environment: Environment = variables.iter().copied().collect();
    let (mut config, mut positions) =
        crate::yaml::read::<Config>("gateway.yaml", yaml, &|_| None).unwrap();
    let (warnings, problems) = apply(&environment, &mut config, &mut positions);
    let problems = problems.iter().map(ToString::to_string).collect();
    Applied {
        config,
        positions,
        warnings,
        problems,
    }
}

fn of(variables: &[(&str, &str)]) -> Applied {
    apply_to("", variables)
}

#[test]
fn each_setting_lands_in_its_place() {
    let applied = of(&[
        ("GATEWAY_PORT", "8080"),
        ("PORT", "9090"),
        ("GATEWAY_ADMIN_PORT", "8081"),
        ("GATEWAY_BIND", "0.0.0.0"),
        ("GATEWAY_MAX_BODY_BYTES", "1MiB"),
        ("ADMIN_KEY", "master"),
        ("GATEWAY_API_KEY", "client"),
        ("GATEWAY_DEV", "1"),
        ("GATEWAY_LOG_FORMAT", "Text"),
        ("GATEWAY_LOG_LEVEL", "warn"),
        ("GATEWAY_DEFAULT_MODEL", "gpt-5"),
        ("GATEWAY_DATA_DIR", "/data"),
    ]);
    assert_eq!(applied.problems, [""; 0]);
    assert_eq!(applied.warnings, [""; 0]);
    let config = applied.config;
    assert_eq!((config.listen.port, config.listen.admin_port), (8080, 8081));
    assert_eq!(config.listen.address.to_string(), "0.0.0.0");
    assert_eq!(config.listen.max_body_bytes, ByteSize(1 << 20));
    assert_eq!(config.auth.master_key.unwrap().expose(), "master");
    assert_eq!(
        (
            config.auth.keys[0].name.as_str(),
            config.auth.keys[0].key.expose()
        ),
        ("default", "client")
    );
    assert!(config.auth.dev);
    assert_eq!(config.telemetry.log.format, LogFormat::Text);
    assert_eq!(config.telemetry.log.level, LogLevel::Warn);
    assert_eq!(config.default_model.as_deref(), Some("gpt-5"));
    assert_eq!(config.data_dir.unwrap().to_str(), Some("/data"));
    assert_eq!(
        applied
            .positions
            .problem("listen.port", "taken")
            .to_string(),
        "environment: GATEWAY_PORT: taken"
    );
}

#[test]
fn an_empty_variable_is_not_set() {
    let applied = of(&[
        ("GATEWAY_PORT", ""),
        ("PORT", "9090"),
        ("OPENAI_API_KEY", " "),
    ]);
    assert_eq!(applied.config.listen.port, 9090);
    assert!(applied.config.providers.is_empty());
}

#[test]
fn a_bad_value_names_the_variable_and_what_it_takes_but_not_the_value() {
    let applied = of(&[
        ("GATEWAY_PORT", "sk-canary"),
        ("GATEWAY_DEV", "sk-canary"),
        ("GATEWAY_BIND", "localhost"),
        ("LOCAL_LLM_BASE_URL", "http://host"),
        ("LOCAL_LLM_TIMEOUT_SECONDS", "soon"),
    ]);
    assert_eq!(
        applied.problems,
        [
            "environment: GATEWAY_PORT: takes a port from 0 to 65535",
            "environment: GATEWAY_BIND: takes an IP address such as 127.0.0.1 or 0.0.0.0",
            "environment: GATEWAY_DEV: takes 1 or 0",
            "environment: LOCAL_LLM_TIMEOUT_SECONDS: takes a duration in seconds, such as 120",
        ]
    );
}

#[test]
fn a_key_is_all_that_a_provider_needs() {
    let applied = of(&[
        ("OPENAI_API_KEY", "sk-1"),
        ("GOOGLE_API_KEY", "google"),
        ("CO_API_KEY", "co"),
        ("HF_TOKEN", "hf"),
        ("VLLM_API_KEY", "no address, no provider"),
    ]);
    let names: Vec<_> = applied
        .config
        .providers
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(names, ["openai", "gemini", "cohere", "huggingface"]);
    assert_eq!(
        applied.config.providers["openai"]
            .api_key
            .as_ref()
            .unwrap()
            .expose(),
        "sk-1"
    );
    assert_eq!(applied.config.providers["openai"].base_url, None);
}

#[test]
fn local_servers_come_by_their_address_and_get_its_version() {
    let applied = of(&[
        ("OLLAMA_BASE_URL", "http://box:11434"),
        ("VLLM_BASE_URL", "http://gpu:8000/v1/"),
        ("VLLM_API_KEY", "token"),
    ]);
    let providers = &applied.config.providers;
    assert_eq!(
        providers["ollama"].base_url.as_deref(),
        Some("http://box:11434/v1")
    );
    assert_eq!(
        providers["vllm"].base_url.as_deref(),
        Some("http://gpu:8000/v1")
    );
    assert_eq!(
        providers["vllm"].api_key.as_ref().unwrap().expose(),
        "token"
    );
}

#[test]
fn the_local_provider_of_seed_002_takes_all_its_variables() {
    let applied = of(&[
        ("LOCAL_LLM_BASE_URL", "https://ollama.example.com"),
        ("LOCAL_LLM_DEFAULT_MODEL", "qwen3:4b"),
        ("LOCAL_LLM_TIMEOUT_SECONDS", "90"),
        ("LOCAL_CF_ACCESS_CLIENT_ID", "id"),
        ("LOCAL_CF_ACCESS_CLIENT_SECRET", "secret"),
    ]);
    let local = &applied.config.providers["local"];
    assert_eq!(
        local.base_url.as_deref(),
        Some("https://ollama.example.com/v1")
    );
    assert_eq!(local.timeout_seconds, Some(Seconds(90.0)));
    assert_eq!(local.headers["CF-Access-Client-Id"].expose(), "id");
    assert_eq!(local.headers["CF-Access-Client-Secret"].expose(), "secret");
    assert_eq!(local.default_model.as_deref(), Some("qwen3:4b"));
    assert_eq!(
        local.allowed_models.len(),
        11,
        "the default model must be allowed"
    );
}

#[test]
fn what_the_file_says_of_a_provider_stays_and_its_key_is_filled_in() {
    let yaml = "
providers:
  openai: {base_url: https://proxy.example.com/v1}
  claude: {kind: anthropic, api_key: own}
  mistral: {kind: groq, api_key: own}
";
    let applied = apply_to(
        yaml,
        &[
            ("OPENAI_API_KEY", "sk-1"),
            ("ANTHROPIC_API_KEY", "other"),
            ("MISTRAL_API_KEY", "m"),
        ],
    );
    let providers = &applied.config.providers;
    assert_eq!(providers.len(), 3);
    assert_eq!(providers["mistral"].kind.as_deref(), Some("groq"));
    assert_eq!(
        providers["openai"].base_url.as_deref(),
        Some("https://proxy.example.com/v1")
    );
    assert_eq!(
        providers["openai"].api_key.as_ref().unwrap().expose(),
        "sk-1"
    );
    assert_eq!(
        providers["claude"].api_key.as_ref().unwrap().expose(),
        "own"
    );
}

#[test]
fn the_client_key_of_the_environment_does_not_repeat_one_of_the_file() {
    let yaml = "auth: {keys: [{name: team, key: same}, {name: default, key: old}]}";
    let keys = |variables| {
        let keys = apply_to(yaml, variables).config.auth.keys;
        keys.iter()
            .map(|key| format!("{}={}", key.name, key.key.expose()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        keys(&[("GATEWAY_API_KEY", "new")]),
        ["team=same", "default=new"]
    );
    let yaml_only_team = "auth: {keys: [{name: team, key: same}]}";
    let applied = apply_to(yaml_only_team, &[("GATEWAY_API_KEY", "same")]);
    assert_eq!(applied.config.auth.keys.len(), 1);
}

#[test]
fn typos_and_settings_of_later_versions_are_told_apart() {
    let applied = of(&[
        ("GATEWAY_PROT", "1"),
        ("GATEWAY_XYZZY_PLUGH", "1"),
        ("ENABLE_SMART_ROUTING", "1"),
        ("GATEWAY_CONFIG", "x"),
        ("SOMETHING_ELSE", "1"),
    ]);
    assert_eq!(
        applied.warnings,
        [
            "ENABLE_SMART_ROUTING is understood but has no effect in this version",
            "GATEWAY_PROT is not a known variable; did you mean GATEWAY_PORT?",
            "GATEWAY_XYZZY_PLUGH is not a known variable",
        ]
    );
}

#[test]
fn the_variables_of_a_kubernetes_service_called_gateway_do_no_harm() {
    let applied = of(&[
        ("GATEWAY_PORT", "tcp://10.0.0.1:80"),
        ("PORT", "9090"),
        ("GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("GATEWAY_SERVICE_PORT_HTTP", "80"),
        ("GATEWAY_PORT_80_TCP_ADDR", "10.0.0.1"),
    ]);
    assert_eq!(applied.problems, [""; 0]);
    assert_eq!(applied.warnings.len(), 1, "{:?}", applied.warnings);
    assert_eq!(applied.config.listen.port, 9090);
}

#[test]
fn settings_of_a_provider_that_is_not_there_are_not_ignored_in_silence() {
    let applied = of(&[
        ("LOCAL_LLM_DEFAULT_MODEL", "qwen2.5:7b"),
        ("VLLM_API_KEY", "x"),
    ]);
    assert_eq!(
        applied.warnings,
        [
            "LOCAL_LLM_DEFAULT_MODEL has no effect without LOCAL_LLM_BASE_URL",
            "VLLM_API_KEY has no effect without VLLM_BASE_URL",
        ]
    );
}

#[test]
fn a_provider_that_lacks_its_key_is_left_out_with_a_warning() {
    let applied = of(&[
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("OPENAI_API_KEY", "sk-x"),
    ]);
    assert_eq!(applied.problems, [""; 0]);
    assert!(applied.config.providers.contains_key("openai"));
    assert!(!applied.config.providers.contains_key("bedrock"));
    assert!(
        applied.warnings[0].contains("AWS_SECRET_ACCESS_KEY"),
        "{:?}",
        applied.warnings
    );
}

#[test]
fn azures_variables_bring_it_in_without_a_warning() {
    let applied = of(&[
        ("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com"),
        ("AZURE_OPENAI_API_KEY", "key"),
        ("AZURE_OPENAI_API_VERSION", "2030-01-01"),
    ]);
    assert_eq!(applied.warnings, [""; 0]);
    assert_eq!(
        applied.config.providers["azure"].settings["api_version"],
        "2030-01-01"
    );
}

#[test]
fn an_access_keys_id_and_session_belong_to_its_secret() {
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "session"),
    ];
    let parts = |yaml: &str| {
        let provider = apply_to(yaml, &environment).config.providers["bedrock"].clone();
        let has_id = provider.settings.contains_key("access_key_id");
        (
            has_id,
            provider.headers.contains_key("X-Amz-Security-Token"),
        )
    };
    assert_eq!(parts(""), (true, true));
    assert_eq!(
        parts("providers: {bedrock: {api_key: secret}}"),
        (true, true)
    );
    // A key of Bedrock's own is sent as it is, and another account's has its own id.
    assert_eq!(
        parts("providers: {bedrock: {api_key: ABSK-x}}"),
        (false, false)
    );
    let other = "providers: {bedrock: {api_key: x, settings: {access_key_id: AKIDOTHER}}}";
    assert_eq!(parts(other), (true, false));
}

#[test]
fn providers_that_share_are_named_once_and_their_weights_are_to_blame_for_themselves() {
    let shared = of(&[
        ("GATEWAY_PROVIDERS", "openai, anthropic"),
        ("GATEWAY_WEIGHTS", "70,0"),
    ]);
    assert_eq!(shared.problems, [""; 0]);
    assert_eq!(shared.config.routing.providers["anthropic"], 0);
    for weights in ["0,0", "70", "2000,1", "a,b", "-1,1"] {
        let applied = of(&[
            ("GATEWAY_PROVIDERS", "openai,anthropic"),
            ("GATEWAY_WEIGHTS", weights),
        ]);
        let [problem] = &applied.problems[..] else {
            panic!("{weights}: {:?}", applied.problems)
        };
        assert!(problem.contains("GATEWAY_WEIGHTS: takes"), "{problem}");
    }
    let twice = of(&[("GATEWAY_PROVIDERS", "openai,openai")]);
    assert!(
        twice.problems[0].contains("GATEWAY_PROVIDERS: takes"),
        "{:?}",
        twice.problems
    );
}
