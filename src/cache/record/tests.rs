use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

fn any_entry() -> impl Strategy<Value = Entry> {
    let label = "[a-zé*:\\[{\"]{0,12}";
    let labels = (
        proptest::option::of(label),
        proptest::option::of(label),
        proptest::option::of(label),
        label,
        label,
        label,
    );
    let labels = labels.prop_map(|(team, key, account, asked, provider, model)| Labels {
        team: team.map(Into::into),
        key: key.map(Into::into),
        account: account.map(Into::into),
        asked: asked.into(),
        provider: provider.into(),
        model: model.into(),
    });
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..3000),
        "[a-c]{0,5000}".prop_map(String::into_bytes),
    ];
    let header = ("x-[a-z]{1,9}", "[ -~]{0,20}").prop_map(|(name, value)| {
        let value = HeaderValue::from_str(value.trim()).unwrap();
        (HeaderName::try_from(name).unwrap(), value)
    });
    let usage = (0..1000_u64, 0..1000_u64).prop_map(|(input, output)| Usage {
        input,
        output,
        ..Usage::default()
    });
    (
        labels,
        any::<[u8; 32]>(),
        any::<bool>(),
        proptest::collection::vec(header, 0..4),
        body,
        proptest::option::of(usage),
        (0..4_000_000_000_000_u64, 0..100_000_000_u64),
    )
        .prop_map(
            |(labels, fingerprint, is_stream, headers, body, usage, (created, ttl))| Entry {
                labels,
                fingerprint,
                is_stream,
                headers,
                body: body.into(),
                usage,
                created: time(created).unwrap(),
                ttl: Duration::from_millis(ttl),
            },
        )
}

const MOST: usize = 1 << 20;

proptest! {
    #[test]
    fn what_is_written_is_read(entry in any_entry(), key in any::<[u8; 32]>()) {
        let key = Key(key);
        let record = encode(&key, &entry).unwrap();
        let beginning = &record[..record.len().min(LABELS_END)];
        prop_assert_eq!(labels(beginning), Ok(Some(entry.labels.clone())));
        prop_assert_eq!(decode(&key, &record, MOST), Some(entry));
    }

    #[test]
    fn a_damaged_record_is_none(
        entry in any_entry(),
        at in any::<proptest::sample::Index>(),
        change in 1..=255_u8,
        is_cut in any::<bool>(),
    ) {
        let key = Key([7; 32]);
        let mut record = encode(&key, &entry).unwrap();
        let at = at.index(record.len());
        match is_cut {
            true => record.truncate(at),
            false => record[at] ^= change,
        }
        prop_assert_eq!(decode(&key, &record, MOST), None);
    }

    #[test]
    fn anything_at_all_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(decode(&Key([0; 32]), &bytes, MOST), None);
        let _ = labels(&bytes);
    }
}

fn entry(body: &[u8]) -> Entry {
    Entry {
        labels: Labels::default(),
        fingerprint: [0; 32],
        is_stream: false,
        headers: Vec::new(),
        body: Bytes::copy_from_slice(body),
        usage: None,
        created: time(1).unwrap(),
        ttl: Duration::from_secs(1),
    }
}

#[test]
fn another_keys_record_is_none() {
    let record = encode(&Key([1; 32]), &entry(b"answer")).unwrap();
    assert!(decode(&Key([1; 32]), &record, MOST).is_some());
    assert_eq!(decode(&Key([2; 32]), &record, MOST), None);
}

#[test]
fn a_body_is_compressed_where_that_pays() {
    let length = |body: &[u8]| encode(&Key([1; 32]), &entry(body)).unwrap().len();
    assert!(length(&[b'a'; 100_000]) < 1000);
    let noise: Vec<u8> = (0..100_u32)
        .flat_map(|number| <[u8; 32]>::from(Sha256::digest(number.to_le_bytes())))
        .collect();
    assert!(length(&noise) > 3200);
}

#[test]
fn no_more_is_unpacked_than_may_be_kept() {
    let record = encode(&Key([1; 32]), &entry(&vec![0; 10_000])).unwrap();
    assert!(decode(&Key([1; 32]), &record, 10_000).is_some());
    assert_eq!(decode(&Key([1; 32]), &record, 9999), None);
}

#[test]
fn long_labels_say_how_much_has_to_be_read() {
    let mut long = entry(b"x");
    long.labels.asked = "m".repeat(2000).into();
    let record = encode(&Key([1; 32]), &long).unwrap();
    let needed = labels(&record[..LABELS_END]).unwrap_err();
    assert_eq!(labels(&record[..needed]), Ok(Some(long.labels)));
}
