//! What is compared, and how each is started: on free loopback ports, ended with the load tool.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::machine::{find, free_address, runs};
use crate::nginx;
use crate::process::Target;
use crate::settings::Setting;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Upstream,
    Bare,
    Nginx,
    Gateway(Setting),
}

impl Kind {
    /// The proxies, bare Pingora first: the others are told as ratios to it.
    pub(crate) fn proxies() -> Vec<Kind> {
        let gateways = Setting::ALL.into_iter().map(Kind::Gateway);
        [Kind::Bare, Kind::Nginx]
            .into_iter()
            .chain(gateways)
            .collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Upstream => "upstream alone",
            Kind::Bare => "bare Pingora",
            Kind::Nginx => "nginx",
            Kind::Gateway(setting) => setting.name(),
        }
    }

    /// Whether its requests leave work to be done later.
    pub(crate) fn records(self) -> bool {
        matches!(self, Kind::Gateway(setting) if setting.records())
    }

    /// Whether it is sent the same request again and again.
    pub(crate) fn repeats(self) -> bool {
        self == Kind::Gateway(Setting::Hits)
    }

    /// For file names.
    pub(crate) fn slug(self) -> String {
        let letters = self.name().chars().filter(char::is_ascii_alphanumeric);
        letters.collect()
    }
}

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

/// What to run.
struct Program {
    file: PathBuf,
    arguments: Vec<String>,
    address: SocketAddr,
    admin: Option<SocketAddr>,
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
        let what = match kind {
            Kind::Upstream => self.of_upstream()?,
            Kind::Bare => self.of_bare()?,
            Kind::Nginx => self.of_nginx()?,
            Kind::Gateway(setting) => self.of_gateway(setting)?,
        };
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

    fn of_upstream(&self) -> Result<Program, String> {
        Ok(Program {
            file: beside("upstream")?,
            arguments: vec!["--listen".into(), self.upstream.to_string()],
            address: self.upstream,
            admin: None,
        })
    }

    fn of_bare(&self) -> Result<Program, String> {
        let address = own_address();
        let arguments = [
            "--listen",
            &address.to_string(),
            "--upstream",
            &self.upstream.to_string(),
            "--threads",
            &self.threads.to_string(),
        ];
        Ok(Program {
            file: beside("bare")?,
            arguments: arguments.map(String::from).to_vec(),
            address,
            admin: None,
        })
    }

    fn of_nginx(&self) -> Result<Program, String> {
        let program = self.nginx.clone().or_else(|| find("nginx"));
        let address = own_address();
        let conf = self.folder.join("nginx.conf");
        let text = nginx::conf(&self.folder, address, self.upstream, self.threads);
        fs::write(&conf, text).map_err(|error| error.to_string())?;
        let log = self.folder.join("nginx-error.log");
        let arguments = ["-p", "", "-c", "", "-e", ""].map(String::from);
        let mut arguments = arguments.to_vec();
        for (at, path) in [(1, &self.folder), (3, &conf), (5, &log)] {
            arguments[at] = path.display().to_string();
        }
        Ok(Program {
            file: program.ok_or("not installed")?,
            arguments,
            address,
            admin: None,
        })
    }

    fn of_gateway(&self, setting: Setting) -> Result<Program, String> {
        let program = match &self.gateway {
            Some(program) => program.clone(),
            None => beside("gateway")?,
        };
        let (address, admin) = (own_address(), own_address());
        // Fresh data each time.
        let data = tempfile::tempdir_in(&self.folder).map_err(|error| error.to_string())?;
        let conf = self
            .folder
            .join(format!("{}.yaml", Kind::Gateway(setting).slug()));
        let ports = (address.port(), admin.port());
        let text = setting.yaml(ports, self.threads, self.upstream, &data.keep());
        fs::write(&conf, text).map_err(|error| error.to_string())?;
        let arguments = ["start", "--config", &conf.display().to_string()].map(String::from);
        Ok(Program {
            file: program,
            arguments: arguments.to_vec(),
            address,
            admin: Some(admin),
        })
    }
}

fn own_address() -> SocketAddr {
    free_address(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// A program that was built with this one.
fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let file = own.parent().unwrap_or(Path::new(".")).join(name);
    if file.is_file() {
        Ok(file)
    } else {
        Err(format!("{} is not built", file.display()))
    }
}
