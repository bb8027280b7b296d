use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora_cache::{
    CacheMeta, Storage,
    key::CacheHashKey,
    storage::{PurgeOutcome, PurgeTarget},
    trace::Span,
};
use prometheus::Registry;
use std::time::SystemTime;

use super::*;
use crate::{chat::usage::Usage, config::CacheBackend};

fn cache() -> &'static Cache {
    Cache::leak(CacheMetrics::new(&Registry::new()).unwrap())
}

fn entry(body: &str, team: &str, key: &str, model: &str) -> Arc<Entry> {
    Arc::new(Entry {
        labels: Labels {
            team: Some(team.into()),
            key: Some(key.into()),
            account: None,
            asked: "asked".into(),
            provider: "provider".into(),
            model: model.into(),
        },
        fingerprint: [0; 32],
        is_stream: false,
        headers: vec![(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        body: Bytes::copy_from_slice(body.as_bytes()),
        usage: None,
        created: SystemTime::now(),
        ttl: Duration::from_secs(60),
    })
}

#[tokio::test]
async fn a_purge_drops_what_is_meant_and_nothing_else() {
    let cache = cache();
    let fill = || {
        cache.put(Key([1; 32]), entry("1", "red", "ada", "gpt"));
        cache.put(Key([2; 32]), entry("2", "red", "bob", "opus"));
        cache.put(Key([3; 32]), entry("3", "blue", "cid", "opus"));
    };
    let cases = [
        (Selector::Team("red".into()), 2),
        (Selector::Key("cid".into()), 1),
        (Selector::Model("opus".into()), 2),
        (Selector::Model("asked".into()), 3),
        (Selector::Model("other".into()), 0),
        (Selector::All, 3),
    ];
    for (selector, count) in cases {
        fill();
        let purged = cache.purge(selector.clone()).await;
        assert_eq!(purged.memory, count, "{selector:?}");
        assert_eq!((purged.redis, purged.redis_error), (None, None));
        assert_eq!(cache.stats().memory.unwrap().entries, 3 - count);
    }
}

#[tokio::test]
async fn other_settings_apply_at_once_and_keep_what_they_can() {
    let cache = cache();
    cache.put(Key([1; 32]), entry("1", "red", "ada", "gpt"));
    let mut settings = config::Cache {
        max_entries: Some(5),
        ..config::Cache::default()
    };
    cache.apply(&settings);
    assert!(cache.get_memory(&Key([1; 32])).is_some());
    settings.backend = CacheBackend::Disabled;
    cache.apply(&settings);
    assert!(cache.get(&Key([1; 32])).await.is_none());
    cache.put(Key([1; 32]), entry("1", "red", "ada", "gpt"));
    settings.backend = CacheBackend::Memory;
    cache.apply(&settings);
    assert!(cache.get(&Key([1; 32])).await.is_none());
}

#[test]
fn a_keys_own_rules_count_before_its_routes() {
    let settings = config::Cache::default();
    let choice = |enabled, ttl: Option<u64>| CacheChoice {
        enabled,
        ttl: ttl.map(Duration::from_secs),
    };
    let of = |key, route| Rules::of(&settings, &key, &route);
    let usual = of(choice(None, None), choice(None, None));
    assert_eq!((usual.is_on, usual.ttl.as_secs()), (true, 3600));
    let rules = of(choice(None, None), choice(Some(false), Some(10)));
    assert_eq!((rules.is_on, rules.ttl.as_secs()), (false, 10));
    let rules = of(choice(Some(true), Some(5)), choice(Some(false), Some(10)));
    assert_eq!((rules.is_on, rules.ttl.as_secs()), (true, 5));
    let settings = config::Cache {
        backend: CacheBackend::Disabled,
        ..settings
    };
    let rules = Rules::of(&settings, &choice(Some(true), None), &choice(None, None));
    assert!(!rules.is_on);
}

#[test]
fn compact_lets_go_of_larger_buffers() {
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let mut from_large = (*entry("", "t", "k", "m")).clone();
    from_large.body = large.slice(10..20);
    from_large.headers[0].1 = HeaderValue::from_maybe_shared(large.slice(0..5)).unwrap();
    let compact = from_large.clone().compact();
    assert_eq!(compact, from_large);
    drop(from_large);
    assert!(large.is_unique());
}

fn meta(status: StatusCode) -> CacheMeta {
    let mut head = ResponseHeader::build(status, None).unwrap();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::TRANSFER_ENCODING, "chunked"),
        (header::CONNECTION, "keep-alive"),
    ] {
        head.append_header(name, value).unwrap();
    }
    let now = SystemTime::now();
    CacheMeta::new(now + Duration::from_secs(60), now, 0, 0, head)
}

#[tokio::test]
async fn pingora_writes_an_answer_and_reads_it() {
    let cache = cache();
    let (key, span) = (Key([9; 32]), Span::inactive().handle());
    let pingora = key.to_pingora();
    assert_eq!(pingora.primary_bin(), [9; 16], "nothing is hashed again");
    assert!(cache.lookup(&pingora, &span).await.unwrap().is_none());

    let mut meta = meta(StatusCode::OK);
    let usage = Usage {
        input: 3,
        output: 4,
        ..Usage::default()
    };
    meta.extensions_mut().insert(usage);
    meta.extensions_mut().insert(Labels {
        team: Some("red".into()),
        ..Labels::default()
    });
    let mut miss = cache
        .get_miss_handler(&pingora, &meta, &span)
        .await
        .unwrap();
    miss.write_body("data: 1\n\n".into(), false).await.unwrap();
    miss.write_body("data: 2\n\n".into(), true).await.unwrap();
    assert!(cache.get_memory(&key).is_none(), "not before it is whole");
    miss.finish().await.unwrap();

    let entry = cache.get_memory(&key).unwrap();
    assert!(entry.is_stream);
    assert_eq!(entry.usage, Some(usage));
    assert_eq!(entry.labels.team.as_deref(), Some("red"));
    assert_eq!(entry.headers.len(), 1, "framing is not repeated");
    let (meta, mut hit) = cache.lookup(&pingora, &span).await.unwrap().unwrap();
    assert_eq!(meta.response_header().status, StatusCode::OK);
    assert!(meta.extensions().get::<Arc<Entry>>().is_some());
    assert_eq!(meta.fresh_sec(), 60);
    let body = hit.read_body().await.unwrap().unwrap();
    assert_eq!(body, "data: 1\n\ndata: 2\n\n");
    assert!(hit.read_body().await.unwrap().is_none());
    hit.seek(9, Some(13)).unwrap();
    assert_eq!(hit.read_body().await.unwrap().unwrap(), "data");
    assert!(hit.seek(100, None).is_err());

    let compact = pingora.to_compact();
    let purge = || {
        let target = PurgeTarget::Active(&compact);
        Storage::purge(cache, target, pingora_cache::PurgeType::Invalidation, &span)
    };
    assert_eq!(purge().await.unwrap(), PurgeOutcome::Purged(None));
    assert_eq!(purge().await.unwrap(), PurgeOutcome::NotFound);
}

#[tokio::test]
async fn pingora_keeps_nothing_that_is_unfinished_too_long_or_an_error() {
    let cache = cache();
    let (key, span) = (Key([9; 32]), Span::inactive().handle());
    let pingora = key.to_pingora();
    let error = meta(StatusCode::BAD_GATEWAY);
    assert!(
        cache
            .get_miss_handler(&pingora, &error, &span)
            .await
            .is_err()
    );

    let meta = meta(StatusCode::OK);
    let mut miss = cache
        .get_miss_handler(&pingora, &meta, &span)
        .await
        .unwrap();
    miss.write_body("half".into(), false).await.unwrap();
    drop(miss);
    let mut miss = cache
        .get_miss_handler(&pingora, &meta, &span)
        .await
        .unwrap();
    let piece = Bytes::from(vec![0; 1 << 20]);
    for _ in 0..3 {
        miss.write_body(piece.clone(), false).await.unwrap();
    }
    miss.finish().await.unwrap();
    assert!(cache.get_memory(&key).is_none());
}
