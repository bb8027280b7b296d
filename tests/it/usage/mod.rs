//! The record of requests: a row for each, whatever becomes of it, of the process and of the store.

mod command;
mod crash;
mod outage;
mod rows;

use std::path::{Path, PathBuf};

use ai_gateway::store::Row;

use crate::support::{
    TestGateway,
    database::{Looker, sqlite_in},
    eventually,
};

/// Where a gateway under test keeps its files.
pub fn data_of(gateway: &TestGateway) -> PathBuf {
    gateway.config_path().with_file_name("data")
}

/// The rows of a gateway, once there are `count`. The store is there when the first row is.
async fn rows(gateway: &TestGateway, count: usize) -> Vec<Row> {
    gateway
        .wait_metric("gateway_usage_rows_settled_total", &[], |settled| {
            settled >= count as f64
        })
        .await;
    let store = Looker::at(&sqlite_in(&data_of(gateway))).await;
    let rows = store
        .all("SELECT requests.*, CAST(cost AS TEXT) AS cost_text FROM requests ORDER BY at, id")
        .await;
    assert_eq!(rows.len(), count, "{}", gateway.logs());
    rows
}

/// Waits until all that earlier processes left in their journals has been settled: the one that runs has a
/// lock, and perhaps a segment of its own.
async fn settled(data: &Path) {
    eventually(
        "every journal of an earlier process is settled",
        async || {
            let names = std::fs::read_dir(data.join("usage")).map(Iterator::count);
            names.is_ok_and(|count| count <= 2)
        },
    )
    .await;
}
