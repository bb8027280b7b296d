use std::{collections::BTreeSet, fs, sync::Arc};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    chat::usage::{Tier, Usage},
    price::Usd,
    row::Row,
};

fn metrics() -> UsageMetrics {
    UsageMetrics::new(&prometheus::Registry::new()).unwrap()
}

fn options(folder: &TempDir) -> Options {
    Options {
        folder: folder.path().join("usage"),
        max_bytes: 64 << 20,
        fsync: false,
    }
}

fn open(options: &Options) -> Arc<Journal> {
    Arc::new(Journal::open(options, metrics()).unwrap())
}

fn row(id: &str) -> Row<'_> {
    Row {
        id,
        at_ms: 1_760_000_000_123,
        key: Some("app"),
        tags: vec!["a", "b"],
        path: "/v1/chat/completions",
        dialect: "openai_chat",
        model: Some("gpt-4o"),
        status: 200,
        tokens: Some(Usage {
            input: 300,
            output: 5,
            ..Usage::default()
        }),
        cost: Some(Usd::from_pico(1_234_567_890)),
        is_complete: true,
        ..Row::default()
    }
}

fn ids(batch: &Batch) -> Vec<String> {
    batch.rows().iter().map(|row| row.id.to_owned()).collect()
}

/// Settles all that is there.
fn drain(reader: &mut Reader) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(batch) = reader.next(7).unwrap() {
        all.extend(ids(&batch));
        reader.settled(&batch);
    }
    all
}

fn files(options: &Options) -> BTreeSet<String> {
    let names = fs::read_dir(&options.folder).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn segment(options: &Options) -> PathBuf {
    let names = files(options);
    let name = names.iter().find(|name| name.ends_with(".log")).unwrap();
    options.folder.join(name)
}

#[test]
fn rows_come_back_in_order_and_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&options(&folder));
    let mut reader = Reader::new(journal.clone());
    assert!(reader.next(10).unwrap().is_none());
    journal.append(&row("req_1"));
    journal.append(&row("req_2"));
    let batch = reader.next(1).unwrap().unwrap();
    assert_eq!(batch.rows(), [row("req_1")]);
    // Until they are settled they are offered again.
    assert_eq!(ids(&reader.next(10).unwrap().unwrap()), ["req_1", "req_2"]);
    reader.settled(&batch);
    assert_eq!(drain(&mut reader), ["req_2"]);
    journal.append(&row("req_3"));
    assert_eq!(drain(&mut reader), ["req_3"]);
    assert_eq!(journal.metrics.written.get(), 3);
}

#[test]
fn the_journal_of_a_process_that_is_gone_is_taken_over_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let first = open(&options);
    (0..20).for_each(|number| first.append(&row(&format!("req_{number}"))));
    let mut reader = Reader::new(first.clone());
    let batch = reader.next(5).unwrap().unwrap();
    reader.settled(&batch);
    let (second, third) = (open(&options), open(&options));
    let mut second = Reader::new(second);
    assert_eq!(second.adopt().unwrap(), 0, "its process lives");
    drop((reader, first));
    let mut third = Reader::new(third);
    assert_eq!((second.adopt().unwrap(), third.adopt().unwrap()), (1, 0));
    let rest: Vec<String> = (5..20).map(|number| format!("req_{number}")).collect();
    assert_eq!(
        drain(&mut second),
        rest,
        "what was settled is not read again"
    );
    assert!(drain(&mut third).is_empty());
    let left: Vec<String> = files(&options).into_iter().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|name| name.ends_with(".lock")), "{left:?}");
}

#[test]
fn a_process_that_ends_in_order_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let journal = open(&options);
    let mut reader = Reader::new(journal.clone());
    journal.append(&row("req_1"));
    journal.close().unwrap();
    assert_eq!(drain(&mut reader), ["req_1"]);
    journal.end();
    assert!(files(&options).is_empty(), "{:?}", files(&options));
    // Nobody would find it, or somebody else would while it is written.
    journal.append(&row("req_2"));
    assert_eq!(journal.metrics.dropped.get(), 1);
    assert!(files(&options).is_empty());
}

#[test]
fn a_stragglers_row_is_found_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let journal = open(&options);
    let mut reader = Reader::new(journal.clone());
    journal.append(&row("req_1"));
    journal.close().unwrap();
    assert_eq!(drain(&mut reader), ["req_1"]);
    journal.append(&row("req_2"));
    journal.end();
    let mut next = Reader::new(open(&options));
    assert_eq!(next.adopt().unwrap(), 0, "its process lives");
    drop((journal, reader));
    assert_eq!(next.adopt().unwrap(), 1);
    assert_eq!(drain(&mut next), ["req_2"]);
}

#[test]
fn rows_wait_in_memory_while_the_disk_holds_another_one_up() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&options(&folder));
    let mut reader = Reader::new(journal.clone());
    let held = journal.end.lock();
    std::thread::scope(|scope| {
        let began = std::time::Instant::now();
        let threads = (0..4).map(|thread| {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0..100 {
                    journal.append(&row(&format!("req_{thread}_{number}")));
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        // The first of each thread may wait.
        assert!(began.elapsed() < std::time::Duration::from_secs(5));
    });
    assert_eq!(journal.metrics.written.get(), 0);
    drop(held);
    journal.write_late();
    assert_eq!(drain(&mut reader).len(), 400);
    assert_eq!(journal.metrics.dropped.get(), 0);
    assert_eq!(journal.metrics.written.get(), 400);
}

#[test]
fn rows_that_waited_for_the_disk_are_written_as_soon_as_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&options(&folder));
    let mut reader = Reader::new(journal.clone());
    let held = journal.end.lock();
    std::thread::scope(|scope| {
        scope
            .spawn(|| journal.append(&row("req_1")))
            .join()
            .unwrap();
    });
    assert!(journal.late.has_any());
    drop(held);
    journal.append(&row("req_2"));
    assert_eq!(drain(&mut reader), ["req_1", "req_2"]);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "that nothing happens can only be waited for"
)]
fn nobody_goes_on_without_the_disk_who_wants_to_be_sure_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(&Options {
        fsync: true,
        ..options(&folder)
    });
    let held = journal.end.lock();
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| journal.append(&row("req_1")));
        std::thread::sleep(std::time::Duration::from_millis(400));
        assert!(!appending.is_finished() && !journal.late.has_any());
        drop(held);
    });
    assert_eq!(journal.metrics.written.get(), 1);
}

#[test]
fn what_cannot_be_read_holds_up_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let old = open(&options);
    old.append(&row("req_1"));
    let name = old.claim.name.clone();
    drop(old);
    // A segment that is none, and one that another version wrote; both before one that is sound.
    let sound = segment(&options);
    let later = options.folder.join(format!("{name}.000002.log"));
    fs::rename(&sound, &later).unwrap();
    fs::create_dir(&sound).unwrap();
    fs::write(
        options.folder.join(format!("{name}.000001.log")),
        b"GWUSAGE\x63",
    )
    .unwrap();
    // And a journal that cannot be taken over.
    fs::create_dir(options.folder.join("journal-0-0.lock")).unwrap();
    let journal = open(&options);
    let mut reader = Reader::new(journal.clone());
    reader.adopt().unwrap();
    journal.append(&row("req_2"));
    assert_eq!(drain(&mut reader), ["req_1", "req_2"]);
    assert!(!later.exists(), "it is settled");
    assert!(sound.exists(), "it is left alone");
    assert_eq!(reader.adopt().unwrap(), 0);
}

#[test]
fn a_full_journal_keeps_what_is_oldest_and_takes_rows_again_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: 100_000,
        ..options(&folder)
    };
    let journal = open(&options);
    let mut reader = Reader::new(journal.clone());
    let id = |number: u32| format!("req_{number:06}");
    (0..3000).for_each(|number| journal.append(&row(&id(number))));
    let (written, dropped) = (journal.metrics.written.get(), journal.metrics.dropped.get());
    assert_eq!(written + dropped, 3000);
    assert!(dropped > 0 && written > 500, "{written} {dropped}");
    let bytes = |options: &Options| -> u64 {
        let names = files(options);
        let lengths = names
            .iter()
            .filter(|name| name.ends_with(".log"))
            .map(|name| fs::metadata(options.folder.join(name)).unwrap().len());
        lengths.sum()
    };
    let on_disk = bytes(&options);
    assert!(on_disk <= 100_000, "{on_disk}");
    assert_eq!(
        i64::try_from(on_disk).unwrap(),
        journal.metrics.journal_bytes.get()
    );
    let kept: Vec<String> = (0..u32::try_from(written).unwrap()).map(id).collect();
    assert_eq!(drain(&mut reader), kept, "the oldest are kept");
    journal.append(&row("req_later"));
    assert_eq!(drain(&mut reader), ["req_later"]);
    assert!(bytes(&options) < 30_000, "what is settled is freed");
    assert_eq!(
        i64::try_from(bytes(&options)).unwrap(),
        journal.metrics.journal_bytes.get()
    );
}

#[test]
fn rows_that_cost_nobody_anything_leave_room_for_those_that_do() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: 100_000,
        ..options(&folder)
    };
    let journal = open(&options);
    (0..3000).for_each(|_| journal.append_minor(&row("req_minor")));
    assert!(journal.metrics.dropped_minor.get() > 2000);
    (0..300).for_each(|_| journal.append(&row("req_1")));
    assert_eq!(journal.metrics.dropped.get(), 0);
}

#[test]
fn rows_of_many_threads_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    for fsync in [false, true] {
        let options = Options {
            fsync,
            max_bytes: 2 << 20,
            ..options(&folder)
        };
        let journal = open(&options);
        let mut reader = Reader::new(journal.clone());
        let count = if fsync { 20 } else { 1000 };
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let journal = journal.clone();
                std::thread::spawn(move || {
                    for number in 0..count {
                        journal.append(&row(&format!("req_{thread}_{number}")));
                    }
                })
            })
            .collect();
        let mut seen = drain(&mut reader);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        seen.extend(drain(&mut reader));
        assert_eq!(seen.len(), 4 * count);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 4 * count);
    }
}

#[test]
fn a_journal_of_another_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let old = open(&options);
    old.append(&row("req_1"));
    drop(old);
    let path = segment(&options);
    let mut bytes = fs::read(&path).unwrap();
    bytes[7] += 1;
    fs::write(&path, bytes).unwrap();
    let mut reader = Reader::new(open(&options));
    assert_eq!(reader.adopt().unwrap(), 1);
    assert!(drain(&mut reader).is_empty());
    assert_eq!(reader.adopt().unwrap(), 0);
    assert!(path.exists());
}

/// This segment was written by version 1. Its rows must be readable for ever.
#[test]
fn a_journal_of_version_1_can_be_read() {
    const WRITTEN: &str = "4757555341474501de0000009cd36a111c7265715f3031323334353637383961626364656667686a\
        6b6d6e7071fb80b3c19c3301026b31010361707001047465616d010475736572010770726f6a6563740106627564676574\
        010c6f7267616e697a6174696f6e0108736f6d65626f64790201610162142f76312f636861742f636f6d706c6574696f6e\
        730b6f70656e61695f636861740109616e7468726f70696301066770742d346f0109616e7468726f7069630106636c6175\
        64650201025b5dc8010104636f646501044d4953530101ac020500000000000101d285d8cc04c0843d01c09a0c9601e807\
        d00f";
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let journal = open(&options);
    let mut reader = Reader::new(journal.clone());
    let digits: Vec<char> = WRITTEN.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
    fs::write(options.folder.join("journal-1-0.000000.log"), &bytes).unwrap();
    reader.adopt().unwrap();
    let batch = reader.next(10).unwrap().unwrap();
    let known = Row {
        is_complete: false,
        ..full()
    };
    assert_eq!(batch.rows(), [known]);
    // What comes later is of another version, and both are settled.
    reader.settled(&batch);
    journal.append(&fuller());
    assert_eq!(reader.next(10).unwrap().unwrap().rows(), [fuller()]);
}

/// And this one by version 2.
#[test]
fn a_journal_of_version_2_can_be_read() {
    const WRITTEN: &str = "4757555341474502fc000000a52b17811c7265715f3031323334353637383961626364656667686a6b6d6e7071fb\
        80b3c19c3301026b31010361707001047465616d010475736572010770726f6a6563740106627564676574010c6f\
        7267616e697a6174696f6e0108736f6d65626f64790201610162142f76312f636861742f636f6d706c6574696f6e\
        730b6f70656e61695f636861740109616e7468726f70696301066770742d346f0109616e7468726f706963010663\
        6c617564650201025b5dc8010104636f646501044d4953530101010203040607090101d285d8cc04c0843d01c09a\
        0c9601e807d00f05080a0b0c0d0e0103010f01125b7b2270726f7669646572223a2261227d5d";
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    // Where this fails the format has changed, which needs a new version.
    let journal = open(&options);
    journal.append(&fuller());
    let bytes = fs::read(segment_of(&options, &journal)).unwrap();
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digits, WRITTEN);
    let mut reader = Reader::new(journal);
    assert_eq!(reader.next(10).unwrap().unwrap().rows(), [fuller()]);
}

fn segment_of(options: &Options, journal: &Journal) -> PathBuf {
    options
        .folder
        .join(format!("{}.000000.log", journal.claim.name))
}

fn full() -> Row<'static> {
    Row {
        id: "req_0123456789abcdefghjkmnpq",
        account: Some("k1"),
        budget: Some("budget"),
        organization: Some("organization"),
        team: Some("team"),
        user: Some("user"),
        project: Some("project"),
        end_user: Some("somebody"),
        spoken: Some("anthropic"),
        provider: Some("anthropic"),
        served_model: Some("claude"),
        attempts: 2,
        tried: Some("[]"),
        error: Some("code"),
        cache: Some("MISS"),
        stream: true,
        is_estimated: true,
        latency_us: 1_000_000,
        first_byte_us: Some(200_000),
        overhead_us: 150,
        bytes_in: 1000,
        bytes_out: 2000,
        ..row("")
    }
}

/// With every kind of usage.
fn fuller() -> Row<'static> {
    let usage = Usage {
        input: 1,
        output: 2,
        cached_input: 3,
        cache_write: 4,
        cache_write_1h: 5,
        reasoning: 6,
        audio_input: 7,
        cached_audio: 8,
        audio_output: 9,
        image_input: 10,
        image_output: 11,
        searches: 12,
        unbilled_input: 13,
        unbilled_output: 14,
        tier: Some(Tier::Priority),
        stated_cost_pico: Some(15),
    };
    Row {
        tokens: Some(usage),
        parts: Some(r#"[{"provider":"a"}]"#),
        ..full()
    }
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-zé\"\\\\]{0,200}", 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_a_journal_is_cut_its_beginning_is_read(texts in texts(), cut in 0.0..1.0_f64, junk in prop::collection::vec(1..255_u8, 0..20)) {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&folder);
        let journal = open(&options);
        let mut ends = vec![8];
        for text in &texts {
            journal.append(&Row { error: Some(text), ..row(text) });
            ends.push(fs::metadata(segment(&options)).unwrap().len());
        }
        drop(journal);
        if texts.is_empty() {
            return Ok(());
        }
        let path = segment(&options);
        let mut bytes = fs::read(&path).unwrap();
        let at = (bytes.len() as f64 * cut) as usize;
        bytes.truncate(at);
        let whole = ends.iter().filter(|end| **end <= at as u64).count().saturating_sub(1);
        // What a disk may leave behind it.
        let is_between = ends.contains(&(at as u64));
        bytes.extend(junk.iter().filter(|_| at >= 8).map(|byte| if is_between { 0 } else { *byte }));
        fs::write(&path, bytes).unwrap();
        let mut reader = Reader::new(open(&options));
        reader.adopt().unwrap();
        prop_assert_eq!(drain(&mut reader), &texts[..whole]);
        prop_assert!(!path.exists());
    }

    #[test]
    fn however_rows_are_read_and_processes_end_each_row_is_settled(
        steps in prop::collection::vec((0..4_u8, 1..60_usize), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { max_bytes: 1 << 20, ..options(&folder) };
        let mut journal = open(&options);
        let mut reader = Reader::new(journal.clone());
        let (mut appended, mut settled) = (Vec::new(), Vec::new());
        for (step, count) in steps {
            match step {
                0 | 1 => for _ in 0..count {
                    let id = format!("req_{}", appended.len());
                    journal.append(&row(&id));
                    appended.push(id);
                },
                2 => if let Some(batch) = reader.next(count).unwrap() {
                    settled.extend(ids(&batch));
                    reader.settled(&batch);
                },
                _ => {
                    drop((journal, reader));
                    journal = open(&options);
                    reader = Reader::new(journal.clone());
                    reader.adopt().unwrap();
                }
            }
        }
        settled.extend(drain(&mut reader));
        let mut once = settled.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), settled.len());
        appended.sort();
        prop_assert_eq!(once, appended);
    }
}
