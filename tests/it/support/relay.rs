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
    ice: Arc<watch::Sender<u32>>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// An open way to `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let is_open = Arc::new(watch::Sender::new(true));
        let ice = Arc::new(watch::Sender::new(0));
        let accepting = tokio::spawn(accept(listener, target, is_open.clone(), ice.clone()));
        Relay {
            address,
            is_open,
            ice,
            accepting,
        }
    }

    /// Closes every connection, and each new one at once.
    pub fn cut(&self) {
        self.is_open.send_replace(false);
    }

    /// Carries nothing more over the connections that stand, and says nothing of it; new ones work.
    pub fn freeze(&self) {
        self.ice.send_modify(|age| *age += 1);
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

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    is_open: Arc<watch::Sender<bool>>,
    ice: Arc<watch::Sender<u32>>,
) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (mut watch, mut ice) = (is_open.subscribe(), ice.subscribe());
        tokio::spawn(async move {
            if !*watch.borrow() {
                return;
            }
            let Ok(mut server) = TcpStream::connect(target).await else {
                return;
            };
            let thaw = tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                _ = watch.wait_for(|is_open| !is_open) => return,
                frozen = ice.changed() => frozen.is_err(),
            };
            if !thaw {
                let _ = watch.wait_for(|is_open| !is_open).await;
            }
        });
    }
}
