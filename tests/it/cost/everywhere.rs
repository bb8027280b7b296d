//! One number everywhere: whoever says what requests have cost says the same, to the pico-dollar where whole
//! numbers are said and to the micro-dollar where they are not.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::table::TABLE;
use crate::{
    admin::Administrated,
    recordings::{apis, corpus},
    support::{Request, Script, openai},
};

/// Providers that one scripted server can stand for.
const PROVIDERS: [&str; 7] = [
    "anthropic",
    "deepseek",
    "gemini",
    "groq",
    "openai",
    "openrouter",
    "xai",
];

/// Pico-dollars of a decimal number.
fn pico(dollars: &str) -> i64 {
    let dollars: ai_gateway::price::Usd = dollars.parse().unwrap();
    i64::try_from(dollars.pico()).unwrap()
}

/// The same of a JSON number, which has sixteen digits.
fn rounded(dollars: &Value) -> i64 {
    (dollars.as_f64().unwrap_or_else(|| panic!("{dollars}")) * 1e12).round() as i64
}

fn providers(yaml: String, url: &str) -> String {
    let others = PROVIDERS.iter().filter(|name| **name != "openai");
    let others = others.map(|name| {
        format!("  {name}: {{base_url: \"{url}\", api_key: provider-secret-{name}}}\n")
    });
    yaml + &others.collect::<String>()
}

/// Requests in several dialects, the answers that they get, and what they cost by the table.
fn exchanges() -> Vec<(Request, Script, i64)> {
    let recordings = corpus::load(corpus::folder());
    let mut all = Vec::new();
    for (name, number, provider, model, cost) in TABLE {
        let recording = recordings.iter().find(|one| one.name == *name).unwrap();
        let exchange = &recording.exchanges[*number];
        let body = exchange.request.as_ref().map(|request| &request.body);
        let apis::Kind::Spoken(dialect) = apis::kind(&recording.api, body) else {
            continue;
        };
        // The gateway speaks Gemini's own dialect to it.
        let is_foreign = *provider == "gemini" && dialect.name() != "gemini";
        if !PROVIDERS.contains(provider) || is_foreign {
            continue;
        }
        let model = format!("{provider}/{model}");
        let stream = exchange.is_streamed;
        let chat = json!({"model": model, "stream": stream, "max_tokens": 4096,
            "messages": [{"role": "user", "content": "hi"}]});
        let responses = json!({"model": model, "stream": stream, "input": "hi"});
        // In the provider's own dialect where the gateway has a route for it, and in another one.
        let routes: &[(&str, &Value)] = match dialect.name() {
            // Others may speak Anthropic's dialect as well, and be asked in it.
            "openai_chat" if *provider == "openai" => {
                &[("/v1/chat/completions", &chat), ("/v1/messages", &chat)]
            }
            "openai_chat" => &[("/v1/chat/completions", &chat)],
            "anthropic" => &[("/v1/messages", &chat), ("/v1/chat/completions", &chat)],
            "openai_responses" if *provider == "openai" => &[("/v1/responses", &responses)],
            "gemini" => &[
                ("/v1/chat/completions", &chat),
                ("/v1/responses", &responses),
            ],
            _ => continue,
        };
        for (path, body) in routes {
            let script = match stream {
                true => Script::frames([Bytes::from(exchange.answer.clone())], Duration::ZERO),
                false => Script::json(200, String::from_utf8(exchange.answer.clone()).unwrap()),
            };
            all.push((Request::post(path, body.to_string()), script, pico(cost)));
        }
    }
    all
}

/// What each place says in which costs are told, in pico-dollars.
async fn said(admin: &Administrated, key: &str, is_log_part: bool) -> Vec<(&'static str, i64)> {
    let mut said = Vec::new();
    if is_log_part {
        let lines = admin.gateway.request_logs();
        let costs = lines.iter().filter(|line| line["key"] == "app");
        said.push((
            "the log",
            costs.map(|line| rounded(&line["cost_usd"])).sum(),
        ));
        let metric = admin.gateway.metric("gateway_cost_usd_total", &[]).await;
        said.push(("metrics", (metric * 1e12).round() as i64));
    }
    let looker = admin.looker().await;
    for (place, query) in [
        ("rows", "SELECT SUM(cost) FROM requests"),
        ("hours", "SELECT SUM(cost) FROM usage_hours"),
        ("hours of tags", "SELECT SUM(cost) FROM usage_tag_hours"),
        (
            "spending of all",
            "SELECT total FROM spend WHERE scope = 'global'",
        ),
        (
            "the key's spending",
            "SELECT SUM(amount) FROM spend WHERE scope = 'key'",
        ),
        (
            "the team's",
            "SELECT amount FROM spend WHERE scope = 'team' AND id = 'red'",
        ),
        (
            "providers'",
            "SELECT SUM(amount) FROM spend WHERE scope = 'provider'",
        ),
        (
            "models'",
            // Under the name that was asked for it stands as well.
            "SELECT SUM(amount) FROM spend WHERE scope = 'model' \
             AND id IN (SELECT served_model FROM requests)",
        ),
    ] {
        said.push((
            place,
            looker
                .number(&format!("SELECT CAST(({query}) AS BIGINT)"))
                .await,
        ));
    }
    let usage = admin.get("/admin/usage").await;
    said.push((
        "/admin/usage",
        pico(usage["total"]["cost"].as_str().unwrap()),
    ));
    let rows = admin.get("/spend/logs?page_size=1000").await;
    let rows = rows.as_array().unwrap().iter();
    said.push(("/spend/logs", rows.map(|row| rounded(&row["spend"])).sum()));
    let (from, until) = ("2020-01-01", "2099-01-01");
    let by_day = format!("/spend/logs?start_date={from}&end_date={until}");
    let days = admin.get(&by_day).await;
    let days = days.as_array().unwrap().iter();
    said.push((
        "/spend/logs by day",
        days.map(|row| rounded(&row["spend"])).sum(),
    ));
    let info = admin.get(&format!("/key/info?key={key}")).await;
    said.push(("/key/info", rounded(&info["info"]["spend"])));
    let team = admin.get("/team/info?team_id=red").await;
    said.push(("/team/info", rounded(&team["team_info"]["spend"])));
    let global = admin.get("/global/spend").await;
    said.push(("/global/spend", rounded(&global["spend"])));
    for (path, field) in [
        ("/global/spend/keys", "total_spend"),
        ("/global/spend/models?limit=1000", "total_spend"),
        ("/spend/tags", "total_spend"),
    ] {
        let list = admin.get(path).await;
        let list = list.as_array().unwrap().iter();
        said.push((path, list.map(|row| rounded(&row[field])).sum()));
    }
    for path in [
        "/user/daily/activity",
        "/team/daily/activity",
        "/tag/daily/activity",
    ] {
        let target = format!("{path}?start_date={from}&end_date={until}");
        let activity = admin.get(&target).await;
        said.push((path, rounded(&activity["metadata"]["total_spend"])));
        let parts = &activity["results"][0]["breakdown"];
        if path != "/tag/daily/activity" {
            let parts = parts["models"].as_object().unwrap().values();
            said.push((
                "its models",
                parts.map(|part| rounded(&part["metrics"]["spend"])).sum(),
            ));
        }
        let parts = activity["results"][0]["breakdown"]["entities"]
            .as_object()
            .unwrap()
            .values();
        let spend = parts.map(|part| rounded(&part["metrics"]["spend"])).sum();
        said.push(("its entities", spend));
    }
    let config = admin.gateway.config_path().to_string_lossy().into_owned();
    let run = async |args: &[&str]| {
        let args = [args, &["--config", &config]].concat();
        let ran = admin.gateway.run(&args).await;
        assert!(ran.status.success(), "{}", ran.output);
        ran.output
    };
    let summary = run(&["usage", "summary", "--json"]).await;
    let summary: Value = serde_json::from_str(&summary).unwrap();
    said.push(("usage summary", rounded(&summary["total"]["cost_usd"])));
    let export = run(&["usage", "export", "--json"]).await;
    let rows = export
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    said.push((
        "usage export",
        rows.map(|row| row.get("cost_usd").map_or(0, rounded)).sum(),
    ));
    said
}

/// Sums of numbers with sixteen digits are off by less than a micro-dollar.
#[track_caller]
fn agree(said: &[(&'static str, i64)], wanted: i64) {
    for (place, amount) in said {
        assert!(
            (amount - wanted).abs() < 1000,
            "{place} says {amount}, not {wanted}: {said:?}"
        );
    }
}

#[tokio::test]
async fn whoever_says_what_requests_have_cost_says_the_same() {
    let exchanges = exchanges();
    assert!(exchanges.len() >= 20, "{}", exchanges.len());
    for postgres in crate::support::database::each().await {
        let upstream = crate::support::ScriptedUpstream::start([Script::json(200, "{}")]).await;
        let url = upstream.base_url();
        let own = |yaml: String| {
            let start = yaml.find("providers:").unwrap();
            let openai =
                format!("  openai: {{base_url: \"{url}\", api_key: provider-secret-one}}\n");
            providers(format!("{}providers:\n{openai}", &yaml[..start]), &url)
        };
        let admin = Administrated::with(postgres, own).await;
        let made = json!({"label": "app", "team_id": "red", "user_id": "rosa"});
        admin.post("/admin/teams", json!({"id": "red"})).await;
        let (key, _) = admin.key(made).await;
        let (mut wanted, mut headers) = (0, 0);
        for (count, (request, script, cost)) in exchanges.iter().enumerate() {
            upstream.follow([script.clone()]);
            let request = request.clone().bearer(&key).header("x-gateway-tags", "one");
            let answer = admin.gateway.call(request).await;
            let text = answer.text();
            assert_eq!(answer.status, 200, "{count}: {text}");
            if let Some(said) = answer.header("x-gateway-cost") {
                assert_eq!(pico(said), *cost, "{count}: {answer:?}");
                headers += 1;
            }
            let line = admin.gateway.request_log(&answer).await;
            assert_eq!(rounded(&line["cost_usd"]), *cost, "{count}: {line}");
            wanted += cost;
        }
        assert!(
            headers > 0,
            "an answer that is known before its first byte says what it has cost"
        );
        let count = exchanges.len() as f64;
        let settled = |settled| settled >= count;
        admin
            .gateway
            .wait_metric("gateway_usage_rows_settled_total", &[], settled)
            .await;
        agree(&said(&admin, &key, true).await, wanted);
        // By the same prices the same.
        let config = admin.gateway.config_path().to_string_lossy().into_owned();
        let args = ["usage", "reprice", "--json", "--config", &config];
        let ran = admin.gateway.run(&args).await;
        let report: Value = serde_json::from_str(&ran.output).unwrap();
        assert_eq!(report["total"]["requests"], exchanges.len(), "{report}");
        assert_eq!(report["total"]["changed"], 0, "{report}");
        agree(&said(&admin, &key, true).await, wanted);
    }
}

fn answer(input: u64, output: u64) -> String {
    let mut answer: Value = serde_json::from_str(&openai::completion("hi")).unwrap();
    answer["usage"] = json!({"prompt_tokens": input, "completion_tokens": output,
        "total_tokens": input + output});
    answer.to_string()
}

#[tokio::test]
async fn a_corrected_price_prices_the_past_anew_while_the_gateway_runs() {
    for postgres in crate::support::database::each().await {
        let with_file = |yaml: String| yaml + "pricing: {file: prices.yaml}\n";
        let admin = Administrated::with_file(postgres, with_file, "prices.yaml", "{}\n").await;
        admin
            .upstream
            .follow([Script::json(200, answer(1000, 100))]);
        admin.post("/admin/teams", json!({"id": "red"})).await;
        let made = json!({"label": "app", "team_id": "red", "user_id": "rosa"});
        let (key, _) = admin.key(made).await;
        let ask = async |model: &str| {
            let request = Request::post("/v1/chat/completions", openai::chat(model));
            let request = request.bearer(&key).header("x-gateway-tags", "one");
            assert_eq!(admin.gateway.call(request).await.status, 200);
        };
        // At 2.5 and 10 USD; what `m` costs nobody knows.
        ask("gpt-4o").await;
        ask("m").await;
        let settled = async |count: f64| {
            let settled = |settled| settled >= count;
            admin
                .gateway
                .wait_metric("gateway_usage_rows_settled_total", &[], settled)
                .await;
        };
        settled(2.0).await;
        agree(&said(&admin, &key, false).await, pico("0.0035"));
        let config = admin.gateway.config_path();
        let path = config.to_string_lossy().into_owned();
        let reprice = async |more: &[&str]| {
            let args = [&["usage", "reprice", "--config", &path], more].concat();
            let ran = admin.gateway.run(&args).await;
            assert!(ran.status.success(), "{}", ran.output);
            ran.output
        };
        let prices = "openai:\n  models:\n    gpt-4o: {input: 5, output: 20}\n    m: {input: 1, output: 1}\n";
        std::fs::write(config.with_file_name("prices.yaml"), prices).unwrap();
        admin.gateway.wait_events("config_reloaded", 1).await;
        let text = reprice(&["--dry-run"]).await;
        assert!(
            text.contains("2 costs would change; nothing was written"),
            "{text}"
        );
        assert!(text.contains("+0.0035"), "{text}");
        agree(&said(&admin, &key, false).await, pico("0.0035"));
        let text = reprice(&["--model", "gpt-4o"]).await;
        assert!(text.contains("1 costs were written"), "{text}");
        agree(&said(&admin, &key, false).await, pico("0.007"));
        reprice(&[]).await;
        agree(&said(&admin, &key, false).await, pico("0.0081"));
        let text = reprice(&[]).await;
        assert!(text.contains("0 costs were written"), "{text}");
        // And what comes now costs what it says.
        ask("m").await;
        settled(3.0).await;
        agree(&said(&admin, &key, false).await, pico("0.0092"));
        // A file that is wrong changes nothing, and says where.
        std::fs::write(
            config.with_file_name("prices.yaml"),
            "openai:\n  models:\n    m: {input: -1, output: 1}\n",
        )
        .unwrap();
        let events = admin.gateway.wait_events("config_rejected", 1).await;
        let problem = events[0]["problem"].as_str().unwrap();
        assert!(problem.contains("prices.yaml:3:"), "{problem}");
        ask("m").await;
        settled(4.0).await;
        std::fs::write(config.with_file_name("prices.yaml"), prices).unwrap();
        admin.gateway.wait_events("config_reloaded", 2).await;
        agree(&said(&admin, &key, false).await, pico("0.0103"));
    }
}

#[tokio::test]
async fn a_providers_export_is_compared_with_the_ledger() {
    let admin = Administrated::start(None).await;
    admin
        .upstream
        .follow([Script::json(200, answer(1000, 100))]);
    let (key, _) = admin.key(json!({"label": "app"})).await;
    let request = Request::post("/v1/chat/completions", openai::chat("gpt-4o")).bearer(&key);
    assert_eq!(admin.gateway.call(request).await.status, 200);
    let settled = |settled| settled >= 1.0;
    admin
        .gateway
        .wait_metric("gateway_usage_rows_settled_total", &[], settled)
        .await;
    let config = admin.gateway.config_path();
    let (path, file) = (config.to_string_lossy(), config.with_file_name("usage.csv"));
    let export = file.to_string_lossy();
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    let compare = async |cost: &str, more: &[&str]| {
        let csv = format!(
            "start_time,model,input_tokens,output_tokens,cost_usd\n{now},gpt-4o-2024-08-06,1000.0,100.0,{cost}\n"
        );
        std::fs::write(&file, csv).unwrap();
        let args = [&["usage", "reconcile", &export, "--config", &path], more].concat();
        admin.gateway.run(&args).await
    };
    let ran = compare("0.0035", &[]).await;
    assert!(ran.status.success(), "{}", ran.output);
    assert!(
        ran.output.contains("all within the tolerance"),
        "{}",
        ran.output
    );
    // A cent does not matter unless it is said to.
    let ran = compare("0.0040", &["--provider", "openai"]).await;
    assert!(ran.status.success(), "{}", ran.output);
    let ran = compare("0.0040", &["--tolerance-usd", "0", "--json"]).await;
    assert_eq!(ran.status.code(), Some(1), "{}", ran.output);
    let said: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(said["within"], false);
    assert_eq!(said["lines"][0]["difference"]["cost_usd"], -0.0005);
    assert_eq!(said["lines"][0]["ours"]["input_tokens"], 1000);
    let ran = compare("0.0035", &["--provider", "elsewhere"]).await;
    assert_eq!(ran.status.code(), Some(1), "{}", ran.output);
    let ran = compare("much", &[]).await;
    assert_eq!(ran.status.code(), Some(1));
    assert!(ran.output.contains("line 2: `much`"), "{}", ran.output);
}
