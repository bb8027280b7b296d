//! The process that serves: which it is, and how to tell it something. It leaves its number in
//! the data directory, in a file named after its port.

use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{
    config::{self, Config, Environment, Flags},
    gateway::proof::Token,
};

/// Which gateway is meant.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The configuration file that it was started with
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The port that it serves
    #[arg(long)]
    pub port: Option<u16>,
}

/// The files by which a gateway is found.
#[derive(Debug, Clone)]
pub struct Files {
    /// Holds its process number.
    pub pid: PathBuf,
    /// Where a successor takes its sockets over.
    pub socket: PathBuf,
    /// Holds the address of its admin port, and the token by which it shows who it is.
    pub admin: PathBuf,
}

impl Files {
    /// Those of the gateway with that configuration.
    pub fn of(config: &Config, environment: &Environment) -> Self {
        let directory = data_directory(config, environment);
        Files::named(&directory, &config.listen.port.to_string())
    }

    /// Those of all gateways that have left some in a data directory.
    pub fn all(directory: &Path) -> Vec<Self> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let port = |name: &String| {
            let port = name.strip_prefix("gateway-")?.strip_suffix(".pid")?;
            Some(port.to_owned())
        };
        let mut ports: Vec<String> = names.filter_map(|name| port(&name)).collect();
        ports.sort();
        ports
            .iter()
            .map(|port| Files::named(directory, port))
            .collect()
    }

    fn named(directory: &Path, port: &str) -> Self {
        Files {
            pid: directory.join(format!("gateway-{port}.pid")),
            socket: directory.join(format!("gateway-{port}.sock")),
            admin: directory.join(format!("gateway-{port}.admin")),
        }
    }

    /// The address of its admin port as this machine reaches it, and its token.
    pub fn admin(&self) -> Option<(SocketAddr, Token)> {
        let text = fs::read_to_string(&self.admin).ok()?;
        let (address, token) = text.split_once('\n')?;
        let mut address: SocketAddr = address.trim().parse().ok()?;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        Some((address, Token::read(token)?))
    }

    /// The process that is named there, if it lives.
    pub fn running(&self) -> Option<Pid> {
        let pid = fs::read_to_string(&self.pid).ok()?;
        let pid = Pid::from_raw(pid.trim().parse().ok()?)?;
        (test_kill_process(pid).is_ok() && is_gateway(pid)).then_some(pid)
    }

    /// Names this process there, its admin port and a token. A successor takes over those of the process
    /// before: it serves at the same address, whose number that one may have chosen, and until it has gone
    /// either may be asked.
    ///
    /// # Errors
    /// Where the directory cannot be made or a file cannot be written.
    pub fn claim(&self, admin: SocketAddr, is_successor: bool) -> io::Result<Token> {
        if let Some(directory) = self.pid.parent() {
            make_private(directory)?;
        }
        let before = self.admin().filter(|_| is_successor);
        let no_random = || io::Error::other("the system gives no random numbers");
        let (known, token) = match before {
            Some((address, token)) => (Some(address), token),
            None => (None, Token::new().ok_or_else(no_random)?),
        };
        let admin = known.filter(|_| admin.port() == 0).unwrap_or(admin);
        write_private(&self.admin, &format!("{admin}\n{}\n", token.text()))?;
        fs::write(&self.pid, std::process::id().to_string())?;
        Ok(token)
    }

    /// Takes this process's name away, unless a successor has put its own there.
    pub fn release(&self) {
        let is_ours = fs::read_to_string(&self.pid)
            .is_ok_and(|pid| pid.trim() == std::process::id().to_string());
        if is_ours {
            // A file that stays behind names a dead process, which `running` sees.
            let _ = fs::remove_file(&self.pid);
            let _ = fs::remove_file(&self.admin);
        }
    }
}

impl Target {
    /// The configuration of the gateway that is meant.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn config(&self, environment: &Environment) -> Result<Config, String> {
        let flags = Flags {
            port: self.port,
            demo: true,
            ..Flags::default()
        };
        let loaded =
            config::load(self.config.as_deref(), environment, &flags).map_err(|problems| {
                problems
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n")
            })?;
        Ok(loaded.config)
    }

    /// The files of the gateway that is meant.
    ///
    /// # Errors
    /// Where its configuration cannot be read.
    pub fn files(&self) -> Result<Files, String> {
        let environment = Environment::of_process();
        let config = self.config(&environment)?;
        Ok(Files::of(&config, &environment))
    }

    /// Those files, and the process that they name.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn running(&self) -> Result<(Files, Pid), String> {
        let files = self.files()?;
        match files.running() {
            Some(pid) => Ok((files, pid)),
            None => Err(format!(
                "no gateway runs that {} would name; say which with --port or --config",
                files.pid.display()
            )),
        }
    }
}

/// Where the gateway keeps its own files.
pub fn data_directory(config: &Config, environment: &Environment) -> PathBuf {
    config
        .data_dir
        .clone()
        .unwrap_or_else(|| match environment.get("HOME") {
            Some(home) => Path::new(home).join(".ai-gateway"),
            None => PathBuf::from(".ai-gateway"),
        })
}

/// Whether that process was started as a gateway: after a crash its number may have gone to
/// another program, which must not be told to stop. Where that cannot be seen, it is believed.
fn is_gateway(pid: Pid) -> bool {
    match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(line) => line
            .split(|&byte| byte == 0)
            .any(|argument| argument == b"start"),
        Err(_) => true,
    }
}

/// Sends a signal.
///
/// # Errors
/// Where the process may not be told, or has ended meanwhile.
pub fn tell(pid: Pid, signal: Signal) -> Result<(), String> {
    kill_process(pid, signal).map_err(|error| format!("process {pid}: {error}"))
}

/// Waits until something holds; `false` where it does not in that time.
pub fn wait_until(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let latest = Instant::now() + patience;
    while !holds() {
        if Instant::now() > latest {
            return false;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a command that does nothing but wait"
        )]
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Nobody else reads it, whoever made it before.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())
}

fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}
