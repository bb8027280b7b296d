//! nginx as the third proxy: its configuration.

use std::net::SocketAddr;
use std::path::Path;

/// Keep-alive on both sides, as little else as nginx goes without.
pub(crate) fn conf(
    folder: &Path,
    address: SocketAddr,
    upstream: SocketAddr,
    threads: usize,
) -> String {
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
events {{ worker_connections 24576; }}
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
