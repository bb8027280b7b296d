//! The built binary, on ports of its own choice, in a home of its own.

use std::{net::SocketAddr, path::PathBuf, process::ExitStatus, time::Duration};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Child;

use super::{
    Answer, Http1, Http2, Request,
    config::Yaml,
    output::{self, Output},
    process::{Ran, command, run, run_with, spawn},
    start::{Builder, config_path},
};

/// A running gateway. Dropping it kills it and all that it started, and fails the test if it
/// panicked.
pub struct TestGateway {
    pub(super) child: Child,
    pub(super) group: Pid,
    pub(super) home: TempDir,
    pub(super) env: Vec<(String, String)>,
    pub(super) output: Output,
    pub tls: bool,
    pub address: SocketAddr,
    pub admin_address: SocketAddr,
}

impl TestGateway {
    /// `gateway start --config FILE`, ready to answer.
    pub async fn start(yaml: &str) -> Self {
        Self::builder(yaml).start().await
    }

    /// The same from the builder of configurations.
    pub async fn with(yaml: &Yaml) -> Self {
        Self::start(&yaml.build()).await
    }

    pub fn builder(yaml: &str) -> Builder {
        let builder = Builder::without_config();
        let path = config_path(builder.home.path());
        std::fs::write(&path, yaml).expect("written");
        builder.arg("--config").arg(&path.to_string_lossy())
    }

    pub fn url(&self) -> String {
        format!(
            "{}://{}",
            if self.tls { "https" } else { "http" },
            self.address
        )
    }

    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin_address)
    }

    pub fn config_path(&self) -> PathBuf {
        config_path(self.home.path())
    }

    pub fn home_path(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// Writes a file into this gateway's home and returns its path.
    pub fn home_file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    }

    /// Writes the configuration as an editor or Kubernetes does: a new file, moved into place.
    pub fn write_config(&self, yaml: &str) {
        let new = self.home.path().join("gateway.yaml.new");
        std::fs::write(&new, yaml).expect("written");
        std::fs::rename(new, self.config_path()).expect("moved");
    }

    /// Sends one request on a new connection.
    #[track_caller]
    pub fn call(&self, request: Request) -> impl Future<Output = Answer> + Send + 'static {
        let address = self.address;
        async move {
            let answer = Http1::connect(address).await.call(&request).await;
            answer.unwrap_or_else(|error| panic!("no answer to {} ({error})", request.target))
        }
    }

    pub async fn http1(&self) -> Http1 {
        Http1::connect(self.address).await
    }

    pub async fn http2(&self) -> Http2 {
        Http2::connect(self.address).await
    }

    /// GET on the admin port.
    pub async fn admin(&self, target: &str) -> Answer {
        self.admin_call(Request::get(target)).await
    }

    /// A request to the admin port.
    pub async fn admin_call(&self, request: Request) -> Answer {
        let mut connection = Http1::connect(self.admin_address).await;
        let answer = connection.call(&request).await;
        answer.unwrap_or_else(|error| panic!("no answer to {request:?} ({error})"))
    }

    /// The metrics as Prometheus reads them.
    pub async fn metrics(&self) -> String {
        let answer = self.admin("/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text()
    }

    /// The sum of the series `name` with these labels.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        output::sum_metric(&self.metrics().await, name, labels)
    }

    /// Waits until a metric satisfies `condition`.
    pub async fn wait_metric(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        condition: impl Fn(f64) -> bool,
    ) {
        let what = format!("metric {name} {labels:?}");
        super::eventually(&what, async || condition(self.metric(name, labels).await)).await;
    }

    /// Everything printed so far.
    pub fn logs(&self) -> String {
        self.output.text()
    }

    /// The request records so far.
    pub fn request_logs(&self) -> Vec<Value> {
        output::events(&self.output.lines(), "request")
    }

    /// Waits for at least `count` records of an event.
    pub async fn wait_events(&self, event: &str, count: usize) -> Vec<Value> {
        let enough = |lines: &Vec<String>| output::events(lines, event).len() >= count;
        match self.output.wait(enough).await {
            Some(lines) => output::events(&lines, event),
            None => panic!("fewer than {count} `{event}` records in:\n{}", self.logs()),
        }
    }

    /// Waits for the record of the request with this `X-Request-Id`.
    pub async fn request_log(&self, answer: &Answer) -> Value {
        let id = answer
            .header("x-request-id")
            .expect("an X-Request-Id")
            .to_owned();
        self.wait_request(|record| record["id"] == id.as_str())
            .await
    }

    /// Waits for a request record that satisfies `condition`.
    pub async fn wait_request(&self, condition: impl Fn(&Value) -> bool) -> Value {
        let find = |lines: &[String]| {
            output::events(lines, "request")
                .into_iter()
                .find(&condition)
        };
        match self
            .output
            .wait(|lines| find(lines).is_some())
            .await
            .and_then(|lines| find(&lines))
        {
            Some(record) => record,
            None => panic!("no such request record in:\n{}", self.logs()),
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.group, signal).expect("the gateway runs");
    }

    /// Waits for the process's end; `None` when it has not ended in time.
    pub async fn wait_exit(&mut self, limit: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(limit, self.child.wait())
            .await
            .ok()?
            .ok()
    }

    /// Runs another command of the binary in this gateway's home and environment, until it ends.
    pub async fn run(&self, args: &[&str]) -> Ran {
        run(command(self.home.path(), &self.env), args).await
    }

    /// The same, with something on its standard input.
    pub async fn run_with(&self, args: &[&str], input: &str) -> Ran {
        run_with(command(self.home.path(), &self.env), args, input).await
    }

    /// `gateway upgrade`: the new process, which may run on in the foreground.
    pub fn upgrade(&self) -> (Child, Output) {
        let mut command = command(self.home.path(), &self.env);
        command
            .env("GATEWAY_CONFIG", self.config_path())
            .arg("upgrade");
        command.process_group(self.group.as_raw_nonzero().get());
        let (child, output, _) = spawn(command);
        (child, output)
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        let logs = self.logs();
        if std::thread::panicking() {
            eprintln!("---- the gateway printed:\n{logs}\n----");
        } else {
            assert!(
                !logs.contains("panicked at"),
                "the gateway panicked:\n{logs}"
            );
        }
    }
}
