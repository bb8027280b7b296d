//! Canaries: no key and no provider's key is in anything that is printed, logged or stored.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::*;
use crate::support::eventually;

const CUSTOM: &str = "sk-custom-canary-91c2d7";
const PROVIDER: &str = "sk-provider-canary-5be7f0";
const HEADER: &str = "header-canary-77aa01";

/// What people type into fields, and others read as SQL, as HTML or as a command.
const STRANGE: [&str; 6] = [
    "'; DROP TABLE keys; --",
    "\" OR \"1\"=\"1",
    "$1 %s {} {{7*7}} ${HOME}",
    "<script>alert(1)</script>",
    "`touch pwned` $(touch pwned)",
    "Zoë 👩‍💻",
];

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.extension().is_none_or(|extension| extension != "sock") {
            all.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    all
}

#[tokio::test]
async fn no_secret_is_in_any_output_or_file() {
    let one = ScriptedUpstream::start([Script::json(
        400,
        openai::error(&format!("{PROVIDER} {HEADER}")),
    )])
    .await;
    let gateway = builder(&one.base_url(), None)
        .env("GATEWAY_LOG_LEVEL", "trace")
        .env("PROVIDER_CANARY", PROVIDER)
        .env("HEADER_CANARY", HEADER)
        .start()
        .await;
    let url = one.base_url();
    let made = gateway
        .run_with(
            &["key", "create", "--label", "canary", "--key-stdin"],
            CUSTOM,
        )
        .await;
    assert_eq!(
        made.output.matches(CUSTOM).count(),
        1,
        "shown once: {}",
        made.output
    );
    let add = [
        "provider",
        "add",
        "mine",
        "--base-url",
        &url,
        "--key-env",
        "PROVIDER_CANARY",
        "--header-env",
        "X-Extra=HEADER_CANARY",
        "--models",
        "special",
    ];
    let mut outputs = vec![gateway.run(&add).await.output];
    let ask = Request::post("/v1/chat/completions", openai::chat("special"));
    eventually("the provider is asked", async || {
        gateway.call(ask.clone().bearer(CUSTOM)).await.status == 400
    })
    .await;
    outputs.push(gateway.call(ask.clone().bearer(CUSTOM)).await.everything());
    outputs.push(
        gateway
            .call(ask.bearer(&format!("{CUSTOM}x")))
            .await
            .everything(),
    );
    assert_eq!(one.last().header("x-extra"), Some(HEADER));
    for args in [
        &["key", "list", "--json"][..],
        &["key", "list"],
        &["key", "info", "canary"],
        &["key", "info", "canary", "--json"],
        &["key", "update", "canary", "--rate-limit", "5"],
        &["provider", "list"],
        &["provider", "list", "--json"],
        &["provider", "test", "mine"],
        &["provider", "test", "--json"],
        &[
            "provider",
            "add",
            "mine",
            "--key-env",
            "PROVIDER_CANARY",
            "--json",
        ],
        &["model", "list"],
        &["provider", "reencrypt"],
        &["key", "revoke", "canary", "--json"],
        &["provider", "remove", "mine", "--json"],
    ] {
        outputs.push(gateway.run(args).await.output);
    }
    outputs.push(
        gateway
            .run_with(&["key", "info", "-"], &format!("{CUSTOM}-typo"))
            .await
            .output,
    );
    outputs.push(
        gateway
            .run_with(&["key", "create", "--key-stdin"], CUSTOM)
            .await
            .output,
    );
    outputs.push(gateway.metrics().await);
    outputs.push(gateway.admin("/admin/health").await.everything());
    outputs.push(gateway.logs());
    for output in &outputs {
        for secret in [CUSTOM, PROVIDER, HEADER, ENCRYPTION_KEY] {
            assert!(!output.contains(secret), "{secret} is in: {output}");
        }
    }
    for (name, bytes) in files(&gateway.home_path()) {
        for secret in [CUSTOM, PROVIDER, HEADER, ENCRYPTION_KEY] {
            let found = memchr::memmem::find(&bytes, secret.as_bytes());
            assert!(found.is_none(), "{secret} is in {name}");
        }
        if name.contains("gateway.db") {
            let mode = fs::metadata(&name).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        }
    }
}

#[tokio::test]
async fn whatever_is_typed_into_a_field_stays_what_it_is() {
    for postgres in crate::support::database::each().await {
        let builder = builder("http://127.0.0.1:1/v1", postgres.as_ref());
        for text in STRANGE {
            let metadata = serde_json::json!({ text: text }).to_string();
            let args = [
                "key",
                "create",
                "--json",
                "--label",
                text,
                "--team",
                text,
                "--user",
                text,
                "--project",
                text,
                "--shared-budget",
                text,
                "--models",
                text,
                "--routes",
                text,
                "--tags",
                text,
                "--metadata",
                &metadata,
            ];
            let made = json(&builder.run(&args).await);
            let found = json(&builder.run(&["key", "info", text, "--json"]).await);
            assert_eq!(found["id"], made["id"]);
            for field in ["label", "team_id", "user_id", "project_id", "budget_id"] {
                assert_eq!(found[field], text, "{field}");
            }
            assert_eq!(found["metadata"][text], text);
            let listed = json(
                &builder
                    .run(&["key", "list", "--team", text, "--label", text, "--json"])
                    .await,
            );
            assert_eq!(listed.as_array().unwrap().len(), 1);
            let team = builder
                .run(&["team", "create", text, "--alias", text])
                .await;
            assert!(team.status.success(), "{}", team.output);
        }
        let all = json(&builder.run(&["key", "list", "--json"]).await);
        assert_eq!(all.as_array().unwrap().len(), STRANGE.len());
        let injected = builder.run(&["key", "revoke", "' OR 1=1 --"]).await;
        assert!(!injected.status.success(), "{}", injected.output);
        let broken = builder
            .run(&["key", "create", "--label", "a\u{1b}[2Jb"])
            .await;
        assert!(
            !broken.status.success() && !broken.output.contains('\u{1b}'),
            "{}",
            broken.output
        );
    }
}
