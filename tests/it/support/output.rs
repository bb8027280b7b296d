//! What a process printed, and how to read it: lines, request records, Prometheus text.

use std::sync::Arc;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::watch,
    task::JoinHandle,
};

use super::PATIENCE;

/// The lines of standard output and standard error, in the order in which they came.
#[derive(Clone)]
pub struct Output(Arc<watch::Sender<Vec<String>>>);

impl Output {
    pub fn new() -> Self {
        Output(Arc::new(watch::Sender::new(Vec::new())))
    }

    /// Adds what comes from `stream` until it ends.
    pub fn collect(&self, stream: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let sender = self.0.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .await
                .is_ok_and(|count| count > 0)
            {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                sender.send_modify(|lines| lines.push(text));
                line.clear();
            }
        })
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// Waits until the lines satisfy `condition`; `None` when they do not in time.
    pub async fn wait(&self, condition: impl FnMut(&Vec<String>) -> bool) -> Option<Vec<String>> {
        let mut watch = self.0.subscribe();
        let waited = tokio::time::timeout(PATIENCE, watch.wait_for(condition)).await;
        Some(waited.ok()?.ok()?.clone())
    }
}

/// The JSON objects among the lines.
pub fn records(lines: &[String]) -> Vec<Value> {
    let parsed = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(Value::is_object).collect()
}

/// The records of this `event`.
pub fn events(lines: &[String], event: &str) -> Vec<Value> {
    records(lines)
        .into_iter()
        .filter(|record| record["event"] == event)
        .collect()
}

/// The sum of the series `name` whose labels include `labels`; 0 where there is none.
pub fn sum_metric(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let values = series.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (found, rest) = series.split_once('{').unwrap_or((series, ""));
        let has = |(key, value): &(&str, &str)| {
            let needle = format!("{key}=\"{value}\"");
            let starts = rest.match_indices(&needle).map(|(at, _)| at);
            starts
                .into_iter()
                .any(|at| at == 0 || rest.as_bytes()[at - 1] == b',')
        };
        let matches = found == name && labels.iter().all(has);
        matches.then(|| value.parse::<f64>().ok()).flatten()
    });
    values.sum()
}
