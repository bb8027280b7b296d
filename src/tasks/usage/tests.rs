use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use prometheus::Registry;
use tempfile::TempDir;

use super::*;
use crate::usage::journal::Options;

/// A store that does what a test wants.
#[derive(Default)]
struct Double {
    /// How often each row was offered and taken.
    taken: Mutex<BTreeMap<String, usize>>,
    calls: AtomicUsize,
    is_away: AtomicBool,
    refuses_all: AtomicBool,
    refuses: Option<&'static str>,
    /// How often, at most.
    refusals: Option<usize>,
    refused: AtomicUsize,
    /// The call of that number never ends.
    hangs: Option<usize>,
}

#[async_trait]
impl Ledger for Double {
    async fn settle(&self, rows: &[Row<'_>]) -> Result<usize, StoreError> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.hangs == Some(call) {
            std::future::pending::<()>().await;
        }
        if self.is_away.load(Ordering::Relaxed) {
            return Err(StoreError::Away("no".into()));
        }
        let refused = self.refused.load(Ordering::Relaxed);
        let is_bad = |row: &Row<'_>| {
            Some(row.id) == self.refuses && self.refusals.is_none_or(|most| refused < most)
        };
        if let [row] = rows
            && is_bad(row)
        {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        if self.refuses_all.load(Ordering::Relaxed) || rows.iter().any(is_bad) {
            return Err(StoreError::Refused("no".into()));
        }
        let mut taken = self.taken.lock();
        for row in rows {
            *taken.entry(row.id.to_owned()).or_default() += 1;
        }
        Ok(rows.len())
    }
}

impl Double {
    fn ids(&self) -> Vec<String> {
        self.taken.lock().keys().cloned().collect()
    }
}

struct Scene {
    journal: Arc<Journal>,
    metrics: UsageMetrics,
    folder: TempDir,
}

fn scene() -> Scene {
    scene_of(1 << 20)
}

fn scene_of(max_bytes: u64) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let metrics = UsageMetrics::new(&Registry::new()).unwrap();
    let options = Options {
        folder: folder.path().to_owned(),
        max_bytes,
        fsync: false,
    };
    Scene {
        journal: Arc::new(Journal::open(&options, metrics.clone()).unwrap()),
        metrics,
        folder,
    }
}

impl Scene {
    fn append(&self, ids: impl IntoIterator<Item = u32>) {
        for id in ids {
            let id = format!("req_{id:04}");
            self.journal.append(&Row {
                id: &id,
                ..Row::default()
            });
        }
    }

    /// Runs the task until the process would end, at the end of `during`.
    async fn run(&self, store: &Double, during: impl Future<Output = ()>) {
        let closing = Closing::default();
        let end = async {
            during.await;
            closing.finish().await;
        };
        tokio::select! {
            () = run(Some(&self.journal), store, &self.metrics, &closing) => {}
            () = end => {}
        }
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rows_wait_while_the_store_is_away_and_all_of_them_land_afterwards() {
    let (scene, store) = (scene(), Double::default());
    store.is_away.store(true, Ordering::Relaxed);
    scene.append(0..10);
    scene
        .run(&store, async {
            sleep(Duration::from_secs(600)).await;
            let calls = store.calls.load(Ordering::Relaxed);
            assert!((100..200).contains(&calls), "{calls} calls in ten minutes");
            scene.append(10..2500);
            store.is_away.store(false, Ordering::Relaxed);
            until(|| store.ids().len() == 2500).await;
        })
        .await;
    assert!(store.taken.lock().values().all(|count| *count == 1));
    assert_eq!(scene.metrics.settled.get(), 2500);
    scene.journal.end();
    let left = std::fs::read_dir(scene.folder.path()).unwrap().count();
    assert_eq!(left, 0, "what is settled is gone");
}

#[tokio::test(start_paused = true)]
async fn long_rows_are_settled_one_batch_after_the_other() {
    let (scene, store) = (scene_of(16 << 20), Double::default());
    let tag = "a".repeat(500);
    for id in 0..3000 {
        let id = format!("req_{id:04}");
        scene.journal.append(&Row {
            id: &id,
            tags: vec![&tag; 2],
            ..Row::default()
        });
    }
    scene
        .run(&store, async {
            let begun = Instant::now();
            until(|| store.ids().len() == 3000).await;
            // Fewer of them than a batch may have are read at once; that is no reason to wait in between.
            assert!(store.calls.load(Ordering::Relaxed) > 6);
            assert!(begun.elapsed() < GATHER, "{:?}", begun.elapsed());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_last_rows_are_settled_before_the_process_ends() {
    let (scene, store) = (scene(), Double::default());
    scene.run(&store, async { scene.append(0..3) }).await;
    assert_eq!(store.ids().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_process_does_not_wait_for_a_store_that_is_away() {
    let (scene, store) = (scene(), Double::default());
    store.is_away.store(true, Ordering::Relaxed);
    scene.append(0..3);
    let begun = Instant::now();
    scene.run(&store, async {}).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    store.is_away.store(false, Ordering::Relaxed);
    let folder = scene.folder;
    drop(scene.journal);
    let options = Options {
        folder: folder.path().to_owned(),
        max_bytes: 1 << 20,
        fsync: false,
    };
    let metrics = scene.metrics;
    let next = Scene {
        journal: Arc::new(Journal::open(&options, metrics.clone()).unwrap()),
        metrics,
        folder,
    };
    next.run(&store, until(|| store.ids().len() == 3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_refused_again_and_again_holds_up_no_other_and_is_kept_in_a_file() {
    let store = Double {
        refuses: Some("req_0000"),
        ..Double::default()
    };
    let scene = scene();
    scene.append(0..20);
    let is_given_up = || scene.metrics.refused.get() == 1;
    scene.run(&store, until(is_given_up)).await;
    assert_eq!(store.ids().len(), 19);
    assert_eq!(scene.metrics.settled.get(), 19);
    let kept = std::fs::read_to_string(scene.folder.path().join("refused.jsonl")).unwrap();
    assert!(kept.contains("req_0000"), "{kept}");
    assert_eq!(kept.lines().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_refused_for_a_while_is_not_lost() {
    let store = Double {
        refuses: Some("req_0007"),
        refusals: Some(2),
        ..Double::default()
    };
    let scene = scene();
    scene.append(0..1000);
    scene.run(&store, until(|| store.ids().len() == 1000)).await;
    assert_eq!(scene.metrics.refused.get(), 0);
    let calls = store.calls.load(Ordering::Relaxed);
    assert!(calls < 60, "{calls} calls for one row of a thousand");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_goes_silent_is_asked_again() {
    let store = Double {
        hangs: Some(0),
        ..Double::default()
    };
    let scene = scene();
    scene.append(0..20);
    let all = until(|| store.ids().len() == 20);
    timeout(Duration::from_secs(60), scene.run(&store, all))
        .await
        .unwrap();
    assert_eq!(scene.metrics.failures.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_all_loses_nothing() {
    let (scene, store) = (scene(), Double::default());
    store.refuses_all.store(true, Ordering::Relaxed);
    scene.append(0..20);
    scene
        .run(&store, async {
            sleep(Duration::from_secs(60)).await;
            store.refuses_all.store(false, Ordering::Relaxed);
            until(|| store.ids().len() == 20).await;
        })
        .await;
    assert_eq!(scene.metrics.refused.get(), 0);
}
