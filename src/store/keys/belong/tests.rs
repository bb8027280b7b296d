use std::time::Duration;

use super::*;
use crate::store::{
    Backend,
    keys::{Created, NewKey},
    teams::Team,
    tests::databases::databases,
};

async fn key_of(store: &Store, team: &str) -> Result<Created, StoreError> {
    let key = Key {
        team_id: Some(team.to_owned()),
        ..Key::default()
    };
    let new = NewKey { key, custom: None };
    store.create_key(new, None).await
}

#[tokio::test]
async fn a_team_and_its_keys_end_while_others_end_the_same_keys() {
    for database in databases().await {
        let store = &database.store;
        for _ in 0..3 {
            store.create(Team::new("red"), None).await.unwrap();
            let mut ids = Vec::new();
            for _ in 0..40 {
                ids.push(key_of(store, "red").await.unwrap().key.id);
            }
            let revoking = async {
                for id in ids.iter().rev() {
                    match store.revoke_key(id, None).await {
                        Ok(_) | Err(StoreError::NotFound { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            };
            let deleting = store.delete_owner::<Team>("red", "team_id", true);
            let ((), deleted) = tokio::join!(revoking, deleting);
            assert_eq!(deleted.unwrap().1, ids.len());
        }
    }
}

#[tokio::test]
async fn a_key_waits_for_the_end_of_its_team_and_the_other_way_round() {
    for database in databases().await {
        let store = &database.store;
        if store.backend() == Backend::Sqlite {
            // One writer at a time.
            continue;
        }
        store.create(Team::new("red"), None).await.unwrap();
        let mut ending = store.begin().await.unwrap();
        ending.hold::<Team>("red").await.unwrap();
        let making = key_of(store, "red");
        tokio::pin!(making);
        let early = tokio::time::timeout(Duration::from_millis(300), &mut making).await;
        assert!(early.is_err(), "it waits for the team");
        drop(ending);
        making.await.unwrap();
        let used = store.delete_owner::<Team>("red", "team_id", false).await;
        assert!(matches!(used, Err(StoreError::Used { count: 1, .. })));
    }
}
