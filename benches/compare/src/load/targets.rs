//! The processes that are compared, started on free loopback ports and ended with the load tool.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

/// The client key that the gateway is configured with.
pub(crate) const KEY: &str = "gw_bench_0123456789abcdef0123456789abcdef";

/// A gateway whose cache is asked for what it does not have.
pub(crate) const MISSES: &str = "gateway, cache misses";
/// A gateway whose cache is asked for what it has.
pub(crate) const HITS: &str = "gateway, cache hits";
/// All of them.
pub(crate) const GATEWAYS: [&str; 3] = ["gateway", MISSES, HITS];

/// A started process.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    child: Child,
}

/// How processes are started.
pub(crate) struct Launcher {
    /// For generated files and logs.
    pub(crate) folder: PathBuf,
    pub(crate) threads: usize,
    /// The processors for targets and those for the upstream and the load tool, where they are
    /// kept apart.
    pub(crate) processors: Option<(String, String)>,
    pub(crate) upstream: SocketAddr,
    /// A command to run targets under, such as an instrumenting one.
    pub(crate) under: Vec<String>,
}

impl Launcher {
    /// Starts `program` and waits until it listens.
    fn start(
        &self,
        name: &'static str,
        address: SocketAddr,
        program: &Path,
        arguments: &[String],
    ) -> Result<Target, String> {
        let log = fs::File::create(self.folder.join(format!("{name}.log")))
            .map_err(|error| error.to_string())?;
        let mut line: Vec<String> = Vec::new();
        // The kernel ends the child with this process, however that ends.
        if runs("setpriv") {
            line.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(String::from));
        }
        if let Some((targets, others)) = &self.processors {
            let list = if name == "upstream" { others } else { targets };
            line.extend(["taskset", "-c", list].map(String::from));
        }
        line.extend_from_slice(&self.under);
        line.push(program.display().to_string());
        line.extend_from_slice(arguments);
        let mut child = Command::new(&line[0])
            .args(&line[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let patience = if self.under.is_empty() { 10 } else { 60 };
        let limit = Instant::now() + Duration::from_secs(patience);
        while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            let ended = child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > limit {
                let _ = child.kill();
                let log = fs::read_to_string(self.folder.join(format!("{name}.log")));
                return Err(format!(
                    "{name} does not listen on {address}: {}",
                    log.unwrap_or_default().trim()
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Target {
            name,
            address,
            child,
        })
    }

    pub(crate) fn upstream(&self, program: &Path) -> Result<Target, String> {
        let arguments = ["--listen".into(), self.upstream.to_string()];
        self.start("upstream", self.upstream, program, &arguments)
    }

    pub(crate) fn bare(&self, program: &Path) -> Result<Target, String> {
        let address = free_address();
        let arguments = [
            "--listen".into(),
            address.to_string(),
            "--upstream".into(),
            self.upstream.to_string(),
            "--threads".into(),
            self.threads.to_string(),
        ];
        self.start("bare Pingora", address, program, &arguments)
    }

    pub(crate) fn nginx(&self, program: &Path) -> Result<Target, String> {
        let address = free_address();
        let conf = self.folder.join("nginx.conf");
        let text = nginx_conf(&self.folder, address, self.upstream, self.threads);
        fs::write(&conf, text).map_err(|error| error.to_string())?;
        let arguments = [
            "-p".into(),
            self.folder.display().to_string(),
            "-c".into(),
            conf.display().to_string(),
            "-e".into(),
            self.folder.join("nginx-error.log").display().to_string(),
        ];
        self.start("nginx", address, program, &arguments)
    }

    /// One provider, one static key, metrics and the request log on.
    pub(crate) fn gateway(&self, name: &'static str, program: &Path) -> Result<Target, String> {
        let (address, admin) = (free_address(), free_address());
        let conf = self.folder.join(format!("{name}.yaml"));
        let text = format!(
            "listen:\n  address: 127.0.0.1\n  port: {}\n  admin_port: {}\n  threads: {}\n\
             auth:\n  keys:\n    - name: bench\n      key: {KEY}\n\
             providers:\n  openai:\n    base_url: http://{}/v1\n    api_key: sk-bench\n    \
             models: [gpt-4o-mini]\n\
             telemetry:\n  log:\n    format: json\n    level: info\n    requests: all\n\
             data_dir: {}\n",
            address.port(),
            admin.port(),
            self.threads,
            self.upstream,
            self.folder.join(format!("{name} data")).display(),
        );
        // Full before the first round is over: what memory costs that is used for the first time is the
        // machine's affair.
        let cache = "cache: {max_bytes: 4MiB, max_entry_bytes: 256KiB}\n";
        fs::write(&conf, text + cache).map_err(|error| error.to_string())?;
        let arguments = [
            "start".into(),
            "--config".into(),
            conf.display().to_string(),
        ];
        self.start(name, address, program, &arguments)
    }
}

impl Target {
    /// Whether its requests are such as a cache answers.
    pub(crate) fn is_cached(&self) -> bool {
        [MISSES, HITS].contains(&self.name)
    }

    /// CPU time (user and system) of all its threads, ended ones too, and of its own children.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.processes().into_iter().map(cpu_seconds).sum()
    }

    /// Resident memory in KiB, of its children too.
    pub(crate) fn resident_kib(&self) -> f64 {
        self.processes()
            .into_iter()
            .filter_map(|process| {
                let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
                let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
                line.split_whitespace().nth(1)?.parse::<f64>().ok()
            })
            .sum()
    }

    pub(crate) fn processes(&self) -> Vec<i32> {
        let own = self.child.id() as i32;
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(own).chain(children).collect()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        for process in self.processes() {
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// Reads the process's CPU clock: what `/proc/PID/stat` says, in nanoseconds instead of ticks.
fn cpu_seconds(process: i32) -> f64 {
    ClockId::pid_cpu_clock_id(Pid::from_raw(process))
        .and_then(|clock| clock.now())
        .map_or(0.0, |time| Duration::from(time).as_secs_f64())
}

/// A loopback address that nothing listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free loopback port")
}

/// Whether a command of that name is installed.
pub(crate) fn runs(command: &str) -> bool {
    find(command).is_some()
}

/// Where a command of that name is, on `PATH` or where system daemons live.
pub(crate) fn find(command: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(command))
        .find(|file| file.is_file())
}

/// Keeps this process on the given processors; threads started later inherit that.
pub(crate) fn pin_self(list: &str) -> bool {
    let own = std::process::id().to_string();
    Command::new("taskset")
        .args(["-pc", list, &own])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Asks for timers without the kernel's usual slack of 50 µs; threads started later inherit that.
pub(crate) fn sharpen_timers() {
    if let Ok(mut file) = fs::File::create("/proc/self/timerslack_ns") {
        let _ = file.write_all(b"1");
    }
}

fn nginx_conf(folder: &Path, address: SocketAddr, upstream: SocketAddr, threads: usize) -> String {
    let folder = folder.display();
    let (master, user) = if threads > 1 {
        // As root its workers would change to a user who cannot write to the folder.
        let root = nix::unistd::geteuid().is_root();
        ("on", if root { "user root;" } else { "" })
    } else {
        ("off", "")
    };
    format!(
        "daemon off; master_process {master}; {user} worker_processes {threads};
pid {folder}/nginx.pid; error_log {folder}/nginx-error.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off; tcp_nodelay on; keepalive_timeout 3600; keepalive_requests 1000000000;
  # Request buffering is on, as by default, but in memory: this is no measurement of the disk.
  client_max_body_size 64m; client_body_buffer_size 2m;
  client_body_temp_path {folder}/client; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream provider {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_buffering off;
    }}
  }}
}}
"
    )
}
