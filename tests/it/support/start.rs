//! Starting the gateway: its home, environment and arguments, and the wait until it listens.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::{
    gateway::TestGateway,
    process::{Ran, command, run, run_with, spawn},
};

/// How to start one.
pub struct Builder {
    pub(super) home: TempDir,
    env: Vec<(String, String)>,
    args: Vec<String>,
}

/// A gateway that ended instead of listening.
#[derive(Debug)]
pub struct Refused {
    pub status: Option<ExitStatus>,
    pub output: String,
}

impl Builder {
    /// `gateway start` alone.
    pub fn without_config() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        Builder {
            home,
            env: Vec::new(),
            args: vec!["start".into()],
        }
    }

    /// `gateway start --demo`, ports chosen by the system.
    pub fn demo() -> Self {
        Builder::without_config().arg("--demo").free_ports()
    }

    pub fn free_ports(self) -> Self {
        self.env("GATEWAY_PORT", "0").env("GATEWAY_ADMIN_PORT", "0")
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    pub async fn start(self) -> TestGateway {
        match self.try_start().await {
            Ok(gateway) => gateway,
            Err(refused) => panic!("the gateway did not start: {refused:?}"),
        }
    }

    /// Starts, or says why not.
    pub async fn try_start(self) -> Result<TestGateway, Refused> {
        let mut command = command(self.home.path(), &self.env);
        command.args(&self.args).process_group(0);
        let (mut child, output, readers) = spawn(command);
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = id.and_then(Pid::from_raw).expect("a process");
        let listening = output.wait(|lines| listens(lines).is_some());
        let lines = tokio::select! {
            lines = listening => lines,
            _ = child.wait() => None,
        };
        let Some((tls, address, admin_address)) = lines.and_then(|lines| listens(&lines)) else {
            let _ = kill_process_group(group, Signal::KILL);
            let status = child.wait().await.ok();
            for reader in readers {
                let _ = reader.await;
            }
            return Err(Refused {
                status,
                output: output.text(),
            });
        };
        Ok(TestGateway {
            child,
            group,
            home: self.home,
            env: self.env,
            output,
            tls,
            address,
            admin_address,
        })
    }

    /// Writes a file into this home and returns its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    }

    /// The same, with something on its standard input.
    pub async fn run_with(&self, args: &[&str], input: &str) -> Ran {
        run_with(command(self.home.path(), &self.env), args, input).await
    }

    /// Runs a command in this home until it ends.
    pub async fn run(&self, args: &[&str]) -> Ran {
        run(command(self.home.path(), &self.env), args).await
    }
}

/// The two addresses, once both are printed.
fn listens(lines: &[String]) -> Option<(bool, SocketAddr, SocketAddr)> {
    let after = |start: &str| {
        lines
            .iter()
            .find_map(|line| line.trim_start().strip_prefix(start))
    };
    let (scheme, address) = after("listening on ")?.split_once("://")?;
    let admin = after("admin on ")?.split_once("://")?.1;
    let parse = |text: &str| text.split(['/', ' ']).next()?.parse().ok();
    Some((scheme == "https", parse(address)?, parse(admin)?))
}

/// Where the configuration of the gateway with this home lies.
pub fn config_path(home: &Path) -> PathBuf {
    home.join("gateway.yaml")
}
