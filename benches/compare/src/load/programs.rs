//! What to run for each: its program, its arguments, its configuration, on free loopback ports.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::kinds::Kind;
use crate::launch::Launcher;
use crate::machine::{find, free_address};
use crate::nginx;
use crate::settings::Setting;

/// What to run.
pub(crate) struct Program {
    pub(crate) file: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
}

impl Launcher {
    pub(crate) fn program(&self, kind: Kind) -> Result<Program, String> {
        match kind {
            Kind::Upstream => self.of_upstream(),
            Kind::Bare => self.of_bare(),
            Kind::Nginx => self.of_nginx(),
            Kind::Gateway(setting) => self.of_gateway(setting),
        }
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
