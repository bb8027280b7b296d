use super::*;
use crate::{
    identity::virtual_key::Form,
    secret::Secret,
    store::{Backend, Changes, List, Store, sql, tests::databases::databases},
};

fn labelled(label: &str) -> NewKey {
    NewKey {
        key: Key {
            label: Some(label.to_owned()),
            ..Key::default()
        },
        custom: None,
    }
}

/// The hashes that are known, and whether each may be used.
async fn loaded(store: &Store) -> Vec<(Hash, bool)> {
    let mut all = Vec::new();
    let load = store.load_keys(|key| {
        all.push((
            key.hash,
            !key.blocked && !key.revoked && key.retires_at.is_none_or(|at| at > now()),
        ));
    });
    load.await.unwrap();
    all.sort_unstable();
    all
}

async fn changed(store: &Store, seen: &mut i64) -> Vec<String> {
    let Changes::These(changes) = store.changes(*seen).await.unwrap() else {
        panic!("forgotten")
    };
    assert!(changes.iter().all(|change| change.kind == Some(Kind::Key)));
    *seen += i64::try_from(changes.len()).unwrap();
    changes.into_iter().map(|change| change.record).collect()
}

#[tokio::test]
async fn a_key_lives_from_its_making_to_its_end() {
    for database in databases().await {
        let (store, mut seen) = (&database.store, 0);
        let made = store
            .create_key(labelled("app"), Some("cli"))
            .await
            .unwrap();
        let text = made.secret.expose();
        assert_eq!(virtual_key::form(text), Form::Ours);
        assert_eq!(changed(store, &mut seen).await, [made.key.token()]);
        let id = made.key.id.as_str();
        let hex = made.key.token();
        for reference in [id, text, &hex, "app"] {
            let key = store.find_key(reference).await.unwrap();
            assert_eq!((key.id.as_str(), key.state()), (id, KeyState::Active));
            assert_eq!(key.stamps.created_by.as_deref(), Some("cli"));
        }

        let rotated = store
            .rotate_key(id, 60_000, None, Some("me"))
            .await
            .unwrap();
        assert_eq!(
            (rotated.key.id.as_str(), rotated.key.rotation_count),
            (id, 1)
        );
        assert_eq!(
            changed(store, &mut seen).await,
            [hex.clone(), rotated.key.token()]
        );
        let mut both = vec![(made.key.hash, true), (rotated.key.hash, true)];
        both.sort_unstable();
        assert_eq!(loaded(store).await, both);
        assert_eq!(store.find_key(text).await.unwrap().id, id);
        let again = store.rotate_key(id, 0, None, None).await.unwrap();
        let usable: Vec<_> = loaded(store)
            .await
            .into_iter()
            .filter(|(_, may)| *may)
            .collect();
        assert_eq!(
            usable,
            [(again.key.hash, true)],
            "a rotation without grace ends an earlier one's"
        );
        changed(store, &mut seen).await;

        store.block_key(id, true, None).await.unwrap();
        assert_eq!(store.find_key(id).await.unwrap().state(), KeyState::Blocked);
        assert!(loaded(store).await.iter().all(|(_, may)| !may));
        store.block_key(id, false, None).await.unwrap();
        let revoked = store.revoke_key(id, Some("boss")).await.unwrap();
        assert_eq!(revoked.state(), KeyState::Revoked);
        let twice = store.revoke_key(id, None).await.unwrap();
        assert_eq!(
            (twice.revoked_at, twice.stamps.updated_by.as_deref()),
            (revoked.revoked_at, Some("boss"))
        );
        assert!(store.rotate_key(id, 0, None, None).await.is_err());
        assert!(loaded(store).await.iter().all(|(_, may)| !may));
        changed(store, &mut seen).await;

        store.delete_key(id).await.unwrap();
        let mut gone = changed(store, &mut seen).await;
        gone.sort_unstable();
        let mut all = vec![hex, rotated.key.token(), again.key.token()];
        all.sort_unstable();
        assert_eq!(gone, all);
        assert!(loaded(store).await.is_empty());
        assert!(matches!(
            store.find_key(id).await,
            Err(StoreError::NotFound { .. })
        ));
    }
}

#[tokio::test]
async fn a_key_of_ones_own_choice_is_taken_once() {
    for database in databases().await {
        let store = &database.store;
        let custom = |text: &str| NewKey {
            custom: Some(Secret::new(text)),
            ..labelled("custom")
        };
        let made = store
            .create_key(custom("sk-my-own-key-1"), None)
            .await
            .unwrap();
        assert_eq!(made.secret.expose(), "sk-my-own-key-1");
        let twice = store
            .create_key(custom("sk-my-own-key-1"), None)
            .await
            .unwrap_err();
        assert!(matches!(twice, StoreError::Exists { .. }));
        assert!(!twice.to_string().contains("sk-my-own-key-1"), "{twice}");
        let rotated = store.rotate_key(&made.key.id, 0, Some(Secret::new("sk-my-own-key-2")), None);
        rotated.await.unwrap();
        let old = store.create_key(custom("sk-my-own-key-1"), None).await;
        assert!(
            matches!(old, Err(StoreError::Exists { .. })),
            "it was rotated away"
        );
        for wrong in ["short", "has spaces in it", "ümläute-are-not-ascii"] {
            let refused = store.create_key(custom(wrong), None).await;
            assert!(
                matches!(refused, Err(StoreError::Invalid { .. })),
                "{wrong}"
            );
        }
    }
}

#[tokio::test]
async fn one_label_may_name_several_keys_and_then_names_none() {
    for database in databases().await {
        let store = &database.store;
        let one = store.create_key(labelled("app"), None).await.unwrap().key;
        let other = store.create_key(labelled("app"), None).await.unwrap().key;
        let error = store.find_key("app").await.unwrap_err().to_string();
        assert!(
            error.contains(&one.id) && error.contains(&other.id),
            "{error}"
        );
        store.revoke_key(&one.id, None).await.unwrap();
        assert_eq!(store.find_key("app").await.unwrap().id, other.id);
        let secret = "gw_0123456789012345678901234567890123456";
        let unknown = store.find_key(secret).await.unwrap_err().to_string();
        assert!(!unknown.contains(secret), "{unknown}");
    }
}

#[tokio::test]
async fn keys_are_listed_by_whose_they_are_and_in_any_order() {
    for database in databases().await {
        let store = &database.store;
        for (label, team) in [("a_1", "red"), ("a%2", "red"), ("b", "blue")] {
            let mut new = labelled(label);
            new.key.team_id = Some(team.to_owned());
            store.create_key(new, None).await.unwrap();
        }
        let labels = async |list: List| {
            let keys = store.list::<Key>(&list).await.unwrap();
            assert!(store.count::<Key>(&list).await.unwrap() >= i64::try_from(keys.len()).unwrap());
            keys.into_iter()
                .filter_map(|key| key.label)
                .collect::<Vec<_>>()
        };
        let by_label = || List::default().sorted("label", false);
        assert_eq!(
            labels(by_label().equals("team_id", "red")).await,
            ["a%2", "a_1"]
        );
        assert_eq!(labels(by_label().contains("label", "A_")).await, ["a_1"]);
        assert_eq!(labels(by_label().contains("label", "%")).await, ["a%2"]);
        assert_eq!(labels(by_label().page(1, 1)).await, ["a_1"]);
        let teams = vec!["blue".to_owned(), "green".to_owned()];
        assert_eq!(labels(by_label().any_of("team_id", teams)).await, ["b"]);
        assert!(
            labels(by_label().any_of("team_id", Vec::new()))
                .await
                .is_empty()
        );
        assert_eq!(
            labels(by_label().is_null("revoked_at", true)).await.len(),
            3
        );
        assert_eq!(labels(List::default().sorted("spend", true)).await.len(), 3);
        assert_eq!(
            labels(List::default().sorted("expires_at", true))
                .await
                .len(),
            3
        );
    }
}

#[tokio::test]
async fn keys_that_are_changed_at_once_keep_both_changes() {
    for database in databases().await {
        let store = &database.store;
        let id = store
            .create_key(labelled("app"), None)
            .await
            .unwrap()
            .key
            .id;
        let raise = async || {
            for _ in 0..10 {
                let raise = |key: &mut Key| {
                    let limit = &mut key.terms.limits.requests_per_minute;
                    *limit = Some(limit.unwrap_or(0) + 1);
                    Ok(())
                };
                store.update::<Key>(&id, None, raise).await.unwrap();
            }
        };
        tokio::join!(raise(), raise(), raise());
        let key = store.get::<Key>(&id).await.unwrap();
        assert_eq!(key.terms.limits.requests_per_minute, Some(30));
        let Changes::These(changes) = store.changes(0).await.unwrap() else {
            panic!("forgotten")
        };
        let sequences: Vec<i64> = changes.iter().map(|change| change.sequence).collect();
        assert_eq!(sequences, (1..=31).collect::<Vec<i64>>());
    }
}

#[tokio::test]
async fn what_keys_were_is_forgotten_long_after_its_end() {
    for database in databases().await {
        let store = &database.store;
        let made = store.create_key(labelled("app"), None).await.unwrap();
        let rotated = store.rotate_key(&made.key.id, 0, None, None).await.unwrap();
        assert_eq!(store.forget_retired(now() - 60_000, 10).await.unwrap(), 0);
        let mut seen = store.revision().await.unwrap();
        assert_eq!(store.forget_retired(now() + 1, 10).await.unwrap(), 1);
        assert_eq!(loaded(store).await, [(rotated.key.hash, true)]);
        assert_eq!(changed(store, &mut seen).await, [made.key.token()]);
    }
}

#[tokio::test]
async fn some_keys_are_read_by_what_they_are_or_were() {
    for database in databases().await {
        let store = &database.store;
        let (mut hashes, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let made = store.create_key(labelled("app"), None).await.unwrap();
            let rotated = store
                .rotate_key(&made.key.id, 60_000, None, None)
                .await
                .unwrap();
            hashes.extend([made.key.hash, rotated.key.hash]);
            expected.extend([made.key.hash, rotated.key.hash]);
        }
        expected.sort_unstable();
        for asked in [
            hashes.clone(),
            hashes.iter().step_by(2).copied().chain([[7; 32]]).collect(),
            hashes.iter().skip(1).step_by(2).copied().collect(),
        ] {
            let mut read = Vec::new();
            let each = |key: LoadedKey<'_>| read.push(key.hash);
            store.load_some_keys(&asked, each).await.unwrap();
            read.sort_unstable();
            read.dedup();
            let is_wanted = |hash: &&Hash| asked.contains(hash) || asked.len() == 5;
            let wanted: Vec<Hash> = expected.iter().filter(is_wanted).copied().collect();
            assert_eq!(read, wanted);
        }
    }
}

#[tokio::test]
async fn a_key_whose_terms_cannot_be_read_is_blocked_and_can_be_ended() {
    for database in databases().await {
        let store = &database.store;
        for end in ["revoke", "block", "delete"] {
            let made = store.create_key(labelled(end), None).await.unwrap().key;
            let damage = "UPDATE keys SET terms = '[\"of-later\"]' WHERE id = $1";
            store.run(sql(damage).bind(&made.id)).await.unwrap();
            let key = store.find_key(end).await.unwrap();
            assert_eq!(key.state(), KeyState::Blocked);
            assert_eq!(store.list::<Key>(&List::default()).await.unwrap().len(), 1);
            let changed = store.update::<Key>(&made.id, None, |key| {
                key.label = None;
                Ok(())
            });
            assert!(matches!(changed.await, Err(StoreError::Unreadable { .. })));
            match end {
                "revoke" => drop(store.revoke_key(&made.id, None).await.unwrap()),
                "block" => drop(store.block_key(&made.id, true, None).await.unwrap()),
                _ => {}
            }
            let look = "SELECT terms FROM keys";
            let row = store.first(sql(look)).await.unwrap().unwrap();
            assert_eq!(row.text("terms").unwrap(), "[\"of-later\"]", "it stays");
            store.delete_key(&made.id).await.unwrap();
        }
    }
}

#[tokio::test]
async fn keys_of_several_pages_are_read_and_a_damaged_one_holds_up_no_other() {
    for database in databases().await {
        let store = &database.store;
        let mut expected = Vec::new();
        for label in 0..3 {
            let made = store.create_key(labelled(&format!("\"{label}\"é")), None);
            expected.push((made.await.unwrap().key.hash, true));
        }
        // Two thousand more of the first one's kind, and a gap of those that are no more.
        let copy = match store.backend() {
            Backend::Sqlite => {
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
                 INSERT INTO keys (id, hash, masked, blocked, rotation_count, terms, created_at, \
                 updated_at) SELECT 'k' || i, CAST(printf('%032d', i) AS BLOB), '', false, 0, '{}', \
                 1, 1 FROM n"
            }
            Backend::Postgres => {
                "INSERT INTO keys (id, hash, masked, blocked, rotation_count, terms, created_at, \
                 updated_at) SELECT 'k' || i, CAST(lpad(CAST(i AS TEXT), 32, '0') AS BYTEA), '', \
                 false, 0, '{}', 1, 1 FROM generate_series(1, 3000) AS n (i)"
            }
        };
        store.run(sql(copy)).await.unwrap();
        let gap = "DELETE FROM keys WHERE id LIKE 'k1%' AND length(id) > 4";
        assert_eq!(store.run(sql(gap)).await.unwrap(), 1000);
        for number in (1..1000).chain(2000..=3000) {
            let hash = format!("{number:032}").into_bytes().try_into().unwrap();
            expected.push((hash, true));
        }
        expected.sort_unstable();
        assert_eq!(loaded(store).await, expected);

        let damage = "UPDATE keys SET hash = $1 WHERE id = 'k2500'";
        let damage = sql(damage).bind(b"short".to_vec());
        store.run(damage).await.unwrap();
        expected.retain(|(hash, _)| *hash != *format!("{:032}", 2500).as_bytes());
        let mut read = loaded(store).await;
        read.dedup();
        assert_eq!(read, expected);
    }
}
