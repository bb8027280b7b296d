//! A way to a server that can be cut.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Takes connections to itself on to a server, while it is open.
pub struct Relay {
    pub address: SocketAddr,
    is_open: Arc<watch::Sender<bool>>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// An open way to `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let is_open = Arc::new(watch::Sender::new(true));
        let accepting = tokio::spawn(accept(listener, target, is_open.clone()));
        Relay {
            address,
            is_open,
            accepting,
        }
    }

    /// Closes every connection, and each new one at once.
    pub fn cut(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.is_open.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, is_open: Arc<watch::Sender<bool>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut watch = is_open.subscribe();
        tokio::spawn(async move {
            if !*watch.borrow() {
                return;
            }
            let Ok(mut server) = TcpStream::connect(target).await else {
                return;
            };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                _ = watch.wait_for(|is_open| !is_open) => {}
            }
        });
    }
}
