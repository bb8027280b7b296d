//! How commands look and end: colours, exit codes, completions.

use super::{Desk, on};
use crate::support::{Builder, upstream::refused_address};

#[tokio::test]
async fn colours_are_for_terminals_unless_they_are_asked_for() {
    let desk = Desk::at_the_store(None).await;
    desk.json(&["key", "create"]).await;
    let plain = desk.run(&["key", "list"]).await.output;
    assert!(
        plain.contains("active") && !plain.contains('\u{1b}'),
        "{plain:?}"
    );
    let coloured = desk.run(&["--color", "always", "key", "list"]).await.output;
    assert!(
        coloured.contains("\u{1b}[32mactive\u{1b}[0m"),
        "{coloured:?}"
    );
    let asked = desk.run(&["key", "info", "nobody", "--color=always"]).await;
    assert!(
        asked.stderr.starts_with("\u{1b}[31merror\u{1b}[0m: "),
        "{:?}",
        asked.stderr
    );
    let never = desk.run(&["key", "list", "--color", "never"]).await.output;
    assert_eq!(never, plain);
    let json = desk
        .run(&["key", "list", "--json", "--color", "always"])
        .await
        .output;
    assert!(!json.contains('\u{1b}'), "{json:?}");
}

#[tokio::test]
async fn exit_codes_tell_failures_apart() {
    let here = on(Builder::without_config(), None);
    let nowhere = format!("http://{}", refused_address());
    let away = format!("postgres://nobody@{}/none", refused_address());
    for (line, code) in [
        (&["key", "create"][..], 0),
        (&["completions", "bash"], 0),
        (&["key", "create", "--key-stdin"], 1),
        (&["project", "create", "p"], 1),
        (&["key"], 2),
        (&["key", "create", "--rate-limit", "many"], 2),
        (&["key", "create", "--expires", "2020-01-01"], 2),
        (&["key", "update", "x", "--admin", "king"], 2),
        (&["budget", "create", "b", "--models", "m"], 2),
        (&["key", "info", "nobody"], 3),
        (&["team", "delete", "nobody"], 3),
        (&["cache", "stats"], 4),
        (&["provider", "health"], 4),
        (&["key", "list", "--admin-url", &nowhere], 4),
    ] {
        let ran = here.run(line).await;
        assert_eq!(ran.status.code(), Some(code), "{line:?}: {}", ran.output);
    }
    let ran = here
        .env("GATEWAY_DATABASE_URL", &away)
        .run(&["key", "list"])
        .await;
    assert_eq!(ran.status.code(), Some(4), "{}", ran.output);
    assert!(
        ran.output.contains("GATEWAY_DATABASE_URL"),
        "{}",
        ran.output
    );
}

#[tokio::test]
async fn completions_know_every_command() {
    let here = Builder::without_config();
    for shell in ["bash", "zsh", "fish"] {
        let script = here.run(&["completions", shell]).await.output;
        for word in ["budget", "rotate", "admin-url", "shared-budget", "color"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
