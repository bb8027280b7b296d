//! More than fits on a page.

use ai_gateway::store::{
    Store,
    keys::{Key, NewKey},
    sql,
};
use serde_json::Value;

use super::Desk;
use crate::support::database::sqlite_in;

const KEYS: usize = 1200;

#[tokio::test]
async fn lists_and_sums_are_of_all() {
    let desk = Desk::at_the_port(None).await;
    let data = desk.gateway.as_ref().unwrap().home_path().join("data");
    let store = Store::open(&sqlite_in(&data)).await.unwrap();
    let label = |number| Some(format!("label-{number}"));
    for number in 0..KEYS {
        let key = Key {
            label: label(number),
            ..Key::default()
        };
        store
            .create_key(NewKey { key, custom: None }, None)
            .await
            .unwrap();
    }
    let all = desk.json(&["key", "list"]).await;
    let mut labels: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["label"].as_str().unwrap())
        .collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), KEYS);
    let table = desk.says(0, &["key", "list"]).await;
    assert_eq!(table.matches("label-").count(), 1000);
    assert!(
        table.ends_with("200 more; --limit 1200 shows them\n"),
        "{}",
        &table[table.len() - 60..]
    );
    let table = desk.says(0, &["key", "list", "--limit", "1200"]).await;
    assert_eq!(
        (table.matches("label-").count(), table.contains(" more;")),
        (KEYS, false)
    );
    assert_eq!(
        desk.json(&["key", "list", "--limit", "7"])
            .await
            .as_array()
            .unwrap()
            .len(),
        7
    );

    let hour = ai_gateway::store::now() / 3_600_000 * 3_600_000;
    let many = format!(
        "INSERT INTO usage_hours (hour, account, team_id, user_id, project_id, provider, model, key_label, \
         requests, failures, hits, unpriced, input_tokens, output_tokens, cached_tokens, cache_write_tokens, \
         reasoning_tokens, cost, latency_us) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10050) \
         SELECT {hour}, 'key_' || i, '', '', '', 'one', 'm', '', 1, 0, 0, 0, 1, 1, 0, 0, 0, 1000000, 1 FROM n"
    );
    store.run(sql(many)).await.unwrap();
    let sums: Value = desk.json(&["usage", "summary", "--by", "key"]).await;
    assert_eq!(
        (sums["lines"].as_array().unwrap().len(), &sums["is_cut"]),
        (10_000, &true.into())
    );
    assert_eq!(sums["total"]["requests"], 10_050);
    let table = desk.says(0, &["usage", "summary", "--by", "key"]).await;
    assert!(table.contains("only 10000 lines are shown"));
}
