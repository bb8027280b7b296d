//! Whom a command asks: the gateway that runs here, the one that is named, else the store; and to whom the
//! master key is never sent.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::{MASTER, on, upstream, yaml};
use crate::support::{
    Builder, Script, ScriptedUpstream, TestGateway,
    database::{Looker, sqlite_in},
    process::Ran,
    upstream::refused_address,
};

const CREATE: [&str; 3] = ["key", "create", "--json"];

#[track_caller]
fn made_by(ran: &Ran) -> String {
    assert!(ran.status.success(), "{}", ran.output);
    let made: Value = serde_json::from_str(&ran.stdout).unwrap();
    made["created_by"].as_str().unwrap().to_owned()
}

async fn gateway() -> TestGateway {
    let yaml = yaml(&upstream().await.base_url());
    let gateway = on(TestGateway::builder(&yaml), None).start().await;
    gateway
        .wait_metric("gateway_store_up", &[], |up| up > 0.5)
        .await;
    gateway
}

#[tokio::test]
async fn the_gateway_that_runs_is_asked_and_without_it_the_store() {
    let mut gateway = gateway().await;
    let config = gateway.config_path().to_string_lossy().into_owned();
    let known = [&CREATE[..], &["--config", &config]].concat();
    let through = gateway.run(&known).await;
    assert_eq!(
        (made_by(&through), through.stderr.as_str()),
        ("master".to_owned(), "")
    );

    // Without the configuration its master key is not known.
    let beside = gateway.run(&CREATE).await;
    assert_eq!(made_by(&beside), "cli");
    assert!(
        beside.stderr.contains("GATEWAY_MASTER_KEY"),
        "{}",
        beside.stderr
    );
    let looked = gateway.run(&["key", "list", "--json"]).await;
    assert_eq!(looked.stderr, "", "nothing changes");

    // Another store is meant.
    let mut other = known.clone();
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace(
        "store: {projects: true}",
        "store: {database_url: 'sqlite:other.db'}",
    );
    let copy = gateway.home_file("other.yaml", &text);
    other[4] = &copy;
    assert_eq!(made_by(&gateway.run(&other).await), "cli");
    let listed = gateway
        .run(&["key", "list", "--json", "--config", &config])
        .await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);

    gateway.signal(Signal::TERM);
    gateway.wait_exit(Duration::from_secs(10)).await.unwrap();
    let alone = gateway.run(&known).await;
    assert_eq!(
        (made_by(&alone), alone.stderr.as_str()),
        ("cli".to_owned(), "")
    );
}

#[tokio::test]
async fn a_port_that_is_somebody_elses_gets_no_master_key() {
    let real = gateway().await;
    let said = r#"{"version": "0.1.0", "process": "00", "store": "00", "admin": "write"}"#;
    let stranger = ScriptedUpstream::start([Script::json(200, said.to_owned())]).await;
    let pid = std::fs::read_to_string(real.home_path().join("data/gateway-0.pid")).unwrap();
    let here = Builder::without_config().env("GATEWAY_MASTER_KEY", MASTER);
    let data = here.write("x", "");
    let data = std::path::Path::new(&data).with_file_name("data");
    std::fs::create_dir(&data).unwrap();
    let address = stranger.base_url();
    let address = address.split('/').nth(2).unwrap();
    let left = format!("{address}\n{}\n", "a".repeat(32));
    std::fs::write(data.join("gateway-4080.admin"), left).unwrap();
    std::fs::write(data.join("gateway-4080.pid"), pid).unwrap();
    let ran = here.run(&CREATE).await;
    assert_eq!(made_by(&ran), "cli");
    assert!(
        ran.stderr.contains("the master key was not sent"),
        "{}",
        ran.stderr
    );
    let refused = here.run(&["cache", "stats"]).await;
    assert_eq!(refused.status.code(), Some(4), "{}", refused.output);
    let exchanges = stranger.exchanges();
    assert_eq!(exchanges.len(), 2);
    for exchange in exchanges {
        assert_eq!(exchange.header("authorization"), None);
    }
    // One that is named has to be a gateway as well.
    let other = ScriptedUpstream::start([Script::json(200, "[]".to_owned())]).await;
    let url = other.base_url();
    let named = here
        .run(&[&CREATE[..], &["--admin-url", &url]].concat())
        .await;
    assert_eq!(named.status.code(), Some(1), "{}", named.output);
    assert_eq!(other.last().header("authorization"), None);
}

#[tokio::test]
async fn who_is_named_is_asked_and_nobody_else() {
    let gateway = gateway().await;
    let here = Builder::without_config().env("GATEWAY_ADMIN_URL", &gateway.admin_url());
    let unknown = here.run(&CREATE).await;
    assert_eq!(unknown.status.code(), Some(1), "{}", unknown.output);
    assert!(
        unknown.output.contains("Set GATEWAY_MASTER_KEY"),
        "{}",
        unknown.output
    );
    let here = here.env("GATEWAY_MASTER_KEY", "sk-wrong-canary");
    let wrong = here.run(&CREATE).await;
    assert_eq!(wrong.status.code(), Some(1), "{}", wrong.output);
    assert!(
        wrong.output.contains("not valid") && !wrong.output.contains("canary"),
        "{}",
        wrong.output
    );
    let here = here.env("GATEWAY_MASTER_KEY", MASTER);
    assert_eq!(made_by(&here.run(&CREATE).await), "master");
    let nobody = format!("http://{}", refused_address());
    let gone = here
        .run(&[&CREATE[..], &["--admin-url", &nobody]].concat())
        .await;
    assert_eq!(gone.status.code(), Some(4), "{}", gone.output);
    assert!(gone.output.contains(&nobody), "{}", gone.output);
    let odd = here
        .run(&[&CREATE[..], &["--admin-url", "no url"]].concat())
        .await;
    assert_eq!(odd.status.code(), Some(2), "{}", odd.output);
    let store = here.write("x", "");
    let store = std::path::Path::new(&store).with_file_name("data");
    assert!(
        !store.join("gateway.db").exists(),
        "the store was never opened"
    );
}

#[tokio::test]
async fn the_schema_of_another_version_stays_as_it_is_while_a_gateway_runs() {
    let gateway = gateway().await;
    let store = Looker::at(&sqlite_in(&gateway.home_path().join("data"))).await;
    let last = "SELECT MAX(version) FROM _sqlx_migrations";
    let before = store.number(last).await;
    store
        .all(&format!(
            "DELETE FROM _sqlx_migrations WHERE version = {before}"
        ))
        .await;
    // It is not known how to ask it.
    let refused = gateway.run(&CREATE).await;
    assert_eq!(refused.status.code(), Some(1), "{}", refused.output);
    assert!(
        refused.output.contains("earlier version") && refused.output.contains("gateway upgrade"),
        "{}",
        refused.output
    );
    assert!(store.number(last).await < before, "nothing was done to it");
}

#[tokio::test]
async fn a_successor_is_found_as_the_one_before_was() {
    let gateway = gateway().await;
    let config = gateway.config_path().to_string_lossy().into_owned();
    let known = [&CREATE[..], &["--config", &config]].concat();
    let (mut child, _output) = gateway.upgrade();
    assert!(child.wait().await.unwrap().success(), "{}", gateway.logs());
    crate::support::eventually("the successor is asked", async || {
        made_by(&gateway.run(&known).await) == "master"
    })
    .await;
}
