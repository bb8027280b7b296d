//! `gateway usage`, while a gateway runs and after it.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::rows;
use crate::support::{
    Builder, Request, Script, ScriptedUpstream, TestGateway,
    config::{CLIENT_KEY, Yaml},
    openai,
    process::Ran,
};

/// A gateway that has served two teams: three requests that are priced, and one that is not.
async fn scene() -> TestGateway {
    let upstream = ScriptedUpstream::start([Script::json(200, openai::completion("hi"))]).await;
    let providers = format!(
        "providers:\n  openai: {{base_url: \"{}\", api_key: provider-secret, models: [gpt-4o, m]}}",
        upstream.base_url()
    );
    let yaml = Yaml::open()
        .key("shop", CLIENT_KEY, ", team: blue")
        .key("lab", "lab-key", ", team: red")
        .and(&providers);
    let gateway = TestGateway::with(&yaml).await;
    for (key, model) in [
        (CLIENT_KEY, "gpt-4o"),
        (CLIENT_KEY, "gpt-4o"),
        ("lab-key", "gpt-4o"),
        ("lab-key", "m"),
    ] {
        let body = json!({"model": model, "user": "=cmd()", "messages": [{"role": "user", "content": "hi"}]});
        let request = Request::post("/v1/chat/completions", body.to_string()).bearer(key);
        assert_eq!(gateway.call(request).await.status, 200);
    }
    rows(&gateway, 4).await;
    gateway
}

fn printed(ran: &Ran) -> &str {
    assert!(ran.status.success(), "{}", ran.output);
    &ran.output
}

#[tokio::test]
async fn usage_is_summed_up_and_printed_whether_a_gateway_runs_or_not() {
    let mut gateway = scene().await;
    let config = gateway.config_path().to_string_lossy().into_owned();
    let run = async |gateway: &TestGateway, more: &[&str]| {
        let args = [&["usage"], more, &["--config", &config]].concat();
        gateway.run(&args).await
    };
    let ran = run(&gateway, &["summary", "--by", "team", "--json"]).await;
    let said: Value = serde_json::from_str(printed(&ran)).unwrap();
    // Three tokens at 2.5 USD and two at 10 for a million, each time.
    let cost = 0.000_027_5;
    assert_eq!(said["by"], "team");
    assert_eq!(said["lines"][0]["name"], "blue");
    assert_eq!(said["lines"][0]["cost_usd"], 2.0 * cost);
    assert_eq!(said["lines"][1]["requests"], 2);
    assert_eq!(said["lines"][1]["unpriced"], 1);
    assert_eq!(said["total"]["input_tokens"], 12);
    let ran = run(&gateway, &["summary", "--key", "lab"]).await;
    let table = printed(&ran);
    assert!(
        table.contains("MODEL") && table.contains("gpt-4o"),
        "{table}"
    );
    assert!(
        table.contains("not known is the cost of 1 requests"),
        "{table}"
    );
    gateway.signal(Signal::TERM);
    gateway.wait_exit(Duration::from_secs(10)).await.unwrap();

    let ran = run(&gateway, &["export", "--team", "blue"]).await;
    let lines: Vec<_> = printed(&ran).lines().collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("id,time,account,"), "{}", lines[0]);
    assert!(lines[1].contains(",'=cmd(),"), "no formula: {}", lines[1]);
    assert!(lines[1].contains(",0.0000275,"), "{}", lines[1]);
    let file = gateway.config_path().with_file_name("out.jsonl");
    let path = file.to_string_lossy();
    printed(&run(&gateway, &["export", "--json", "--output", &path]).await);
    let text = std::fs::read_to_string(&file).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(
        (text.lines().count(), &first["end_user"]),
        (4, &json!("=cmd()"))
    );
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ran = run(&gateway, &["summary", "--by", "day", "--until", "1d"]).await;
    assert!(printed(&ran).contains("no requests in that time"));
}

#[tokio::test]
async fn what_cannot_be_shown_is_said() {
    let builder = Builder::without_config();
    let ran = builder.run(&["usage", "summary"]).await;
    assert_eq!(ran.status.code(), Some(1));
    assert!(
        ran.output.contains("nothing has been recorded yet"),
        "{}",
        ran.output
    );
    let ran = builder
        .run(&["usage", "summary", "--since", "yesterday"])
        .await;
    assert_eq!(ran.status.code(), Some(2));
    assert!(ran.output.contains("2026-01-31"), "{}", ran.output);
    let ran = builder.run(&["usage", "summary", "--by", "colour"]).await;
    assert_eq!(ran.status.code(), Some(2));
}
