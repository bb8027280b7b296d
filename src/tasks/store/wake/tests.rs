use super::*;
use crate::store::{teams::Team, tests::databases::databases};

#[tokio::test]
async fn postgres_says_that_something_has_changed() {
    for database in databases().await {
        let store = &database.store;
        if store.postgres().is_none() {
            continue;
        }
        let mut wake = Wake::new(store);
        while !matches!(wake.listener, Listener::Listening(_)) {
            wake.wait().await;
        }
        let mut told = 0;
        for number in 0..10 {
            let team = Team::new(&format!("team-{number}"));
            store.create(team, None).await.unwrap();
            wake.wait().await;
            told += u32::from(!wake.is_look);
        }
        // The clock may be first where the machine is busy.
        assert!(told > 5, "{told}");
    }
}
