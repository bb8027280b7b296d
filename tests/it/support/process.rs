//! The built binary as a process. `GATEWAY_TEST_BINARY` names another one, such as a release
//! build.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
};

use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    task::JoinHandle,
};

use super::output::Output;

/// What a command of the binary answered.
pub struct Ran {
    pub status: ExitStatus,
    /// What it printed, first to standard output.
    pub output: String,
    pub stdout: String,
    pub stderr: String,
}

/// The binary with nothing of this process's environment but `PATH`.
pub fn command(home: &Path, env: &[(String, String)]) -> Command {
    let built = || env!("CARGO_BIN_EXE_gateway").into();
    let binary = std::env::var_os("GATEWAY_TEST_BINARY").unwrap_or_else(built);
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("GATEWAY_DATA_DIR", home.join("data"))
        .env("GATEWAY_LOG_FORMAT", "json")
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts it and collects what it prints.
pub fn spawn(mut command: Command) -> (Child, Output, [JoinHandle<()>; 2]) {
    let mut child = command.spawn().expect("the binary runs");
    let output = Output::new();
    let stdout = output.collect(child.stdout.take().expect("piped"));
    let stderr = output.collect(child.stderr.take().expect("piped"));
    (child, output, [stdout, stderr])
}

/// Runs it until it ends.
pub async fn run(command: Command, args: &[&str]) -> Ran {
    run_with(command, args, "").await
}

/// The same, with something on its standard input.
pub async fn run_with(mut command: Command, args: &[&str], input: &str) -> Ran {
    let mut child = command
        .args(args)
        .stdin(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("piped");
    // One that reads nothing may have ended by now.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ran {
        status: output.status,
        output: format!("{stdout}{stderr}"),
        stdout,
        stderr,
    }
}
