//! Starts processes, which end with the load tool.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::kinds::Kind;
use crate::machine::runs;
use crate::process::Target;
use crate::programs::Program;

/// How processes are started.
#[derive(Clone)]
pub(crate) struct Launcher {
    /// For generated files and logs.
    pub(crate) folder: PathBuf,
    /// Where the gateway's program is, and nginx's, unless found by themselves.
    pub(crate) gateway: Option<PathBuf>,
    pub(crate) nginx: Option<PathBuf>,
    pub(crate) threads: usize,
    /// The processors for targets and those for the upstream and the load tool, where they are
    /// kept apart.
    pub(crate) processors: Option<(String, String)>,
    pub(crate) upstream: SocketAddr,
    /// A command to run targets under, such as an instrumenting one.
    pub(crate) under: Vec<String>,
}

impl Launcher {
    /// The same, but with targets under another command.
    pub(crate) fn under(&self, under: Vec<String>) -> Launcher {
        Launcher {
            under,
            ..self.clone()
        }
    }

    /// Starts one and waits until it listens.
    pub(crate) fn start(&self, kind: Kind) -> Result<Target, String> {
        let what = self.program(kind)?;
        let output = self.folder.join(format!("{}.out", kind.slug()));
        let errors = self.folder.join(format!("{}.err", kind.slug()));
        let mut child = self.spawn(kind, &what, &output, &errors)?;
        if let Err(error) = self.wait_for(&mut child, what.address) {
            let _ = child.kill();
            let log = fs::read_to_string(errors).unwrap_or_default();
            return Err(format!("{} {error}: {}", kind.name(), log.trim()));
        }
        Ok(Target {
            kind,
            address: what.address,
            admin: what.admin,
            output,
            child,
        })
    }

    fn spawn(
        &self,
        kind: Kind,
        what: &Program,
        output: &Path,
        errors: &Path,
    ) -> Result<Child, String> {
        let file = |path: &Path| fs::File::create(path).map_err(|error| error.to_string());
        let line = self.line(kind, what);
        Command::new(&line[0])
            .args(&line[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .stdin(Stdio::null())
            .stdout(file(output)?)
            .stderr(file(errors)?)
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", what.file.display()))
    }

    /// The whole command line.
    fn line(&self, kind: Kind, what: &Program) -> Vec<String> {
        let mut line: Vec<String> = Vec::new();
        // The kernel ends the child with this process, however that ends.
        if runs("setpriv") {
            line.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(String::from));
        }
        if let Some((targets, others)) = &self.processors {
            let list = if kind == Kind::Upstream {
                others
            } else {
                targets
            };
            line.extend(["taskset", "-c", list].map(String::from));
        }
        if kind != Kind::Upstream {
            line.extend_from_slice(&self.under);
        }
        line.push(what.file.display().to_string());
        line.extend_from_slice(&what.arguments);
        line
    }

    fn wait_for(&self, child: &mut Child, address: SocketAddr) -> Result<(), String> {
        let patience = if self.under.is_empty() { 10 } else { 60 };
        let limit = Instant::now() + Duration::from_secs(patience);
        while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            if child.try_wait().ok().flatten().is_some() || Instant::now() > limit {
                return Err(format!("does not listen on {address}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
