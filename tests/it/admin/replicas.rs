//! Two gateways on one Postgres, both with requests to serve.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{Administrated, builder, yaml};
use crate::support::{Http1, Request, database::Postgres, openai};

const ROUNDS: usize = 20;

#[tokio::test]
async fn what_one_replica_is_told_holds_at_the_other_within_a_second_under_load() {
    let Some(postgres) = Postgres::fresh().await else {
        return;
    };
    let admin = Administrated::start(Some(postgres)).await;
    let yaml = yaml(&admin.upstream.base_url());
    let other = builder(&yaml, admin.postgres.as_ref()).start().await;
    let (busy, _) = admin.key(json!({"label": "busy"})).await;
    let chat = |key: &str| Request::post("/v1/chat/completions", openai::chat("m")).bearer(key);
    let (is_over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = async |address| {
        let mut client = Http1::connect(address).await;
        while !is_over.load(Ordering::Relaxed) {
            if client
                .call(&chat(&busy))
                .await
                .is_ok_and(|answer| answer.status == 200)
            {
                served.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let becomes = async |key: &str, status: u16| {
        let began = Instant::now();
        while other.call(chat(key)).await.status != status {
            assert!(began.elapsed() < Duration::from_secs(10), "never {status}");
        }
        began.elapsed()
    };
    let revoking = async {
        becomes(&busy, 200).await;
        let mut took = Vec::new();
        for _ in 0..ROUNDS {
            let (key, made) = admin.key(json!({})).await;
            becomes(&key, 200).await;
            let id = made["id"].as_str().unwrap();
            let path = format!("/admin/keys/{id}/revoke");
            admin.ok("POST", &path, None).await;
            took.push(becomes(&key, 401).await);
        }
        is_over.store(true, Ordering::Relaxed);
        took.sort();
        took
    };
    let here = admin.gateway.address;
    let (took, ..) = tokio::join!(
        revoking,
        load(here),
        load(other.address),
        load(other.address)
    );
    let (median, slowest) = (took[ROUNDS / 2], took[ROUNDS - 1]);
    eprintln!(
        "{served:?} requests meanwhile; revoked at the other in {median:?}, {slowest:?} at most"
    );
    assert!(slowest < Duration::from_secs(1), "{took:?}");
}
