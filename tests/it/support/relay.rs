//! A way to a server that can be cut.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Takes connections to itself on to a server, while it is open.
pub struct Relay {
    pub address: SocketAddr,
    is_open: Arc<watch::Sender<bool>>,
    ice: Arc<watch::Sender<u32>>,
    silencing: Word,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// An open way to `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let is_open = Arc::new(watch::Sender::new(true));
        let (ice, silencing) = (Arc::new(watch::Sender::new(0)), Word::default());
        let way = Way {
            target,
            is_open: is_open.clone(),
            ice: ice.clone(),
            silencing: silencing.clone(),
        };
        let accepting = tokio::spawn(accept(listener, way));
        Relay {
            address,
            is_open,
            ice,
            silencing,
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

    /// The first connection that says `word` next is never heard of again, and not closed either.
    pub fn silence(&self, word: &str) {
        *self.silencing.lock().unwrap() = Some(word.to_owned());
    }

    /// Whether none has said the word yet.
    pub fn is_silencing(&self) -> bool {
        self.silencing.lock().unwrap().is_some()
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

/// What silences the connection that says it.
type Word = Arc<Mutex<Option<String>>>;

/// Where connections go, and what happens to them.
struct Way {
    target: SocketAddr,
    is_open: Arc<watch::Sender<bool>>,
    ice: Arc<watch::Sender<u32>>,
    silencing: Word,
}

async fn accept(listener: TcpListener, way: Way) {
    while let Ok((client, _)) = listener.accept().await {
        let (mut watch, mut ice) = (way.is_open.subscribe(), way.ice.subscribe());
        let (target, silencing) = (way.target, way.silencing.clone());
        tokio::spawn(async move {
            if !*watch.borrow() {
                return;
            }
            let Ok(server) = TcpStream::connect(target).await else {
                return;
            };
            let carried = carry(client, server, silencing);
            tokio::pin!(carried);
            tokio::select! {
                _ = &mut carried => return,
                _ = watch.wait_for(|is_open| !is_open) => return,
                _ = ice.changed() => {}
            }
            // Neither carried on nor closed.
            let _ = watch.wait_for(|is_open| !is_open).await;
        });
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, silencing: Word) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let mut said = vec![0; 1 << 16];
    let mut heard = vec![0; 1 << 16];
    loop {
        tokio::select! {
            count = from_client.read(&mut said) => {
                let piece = &said[..count?];
                if piece.is_empty() {
                    return Ok(());
                }
                if is_said(&silencing, piece) {
                    return std::future::pending().await;
                }
                to_server.write_all(piece).await?;
            }
            count = from_server.read(&mut heard) => {
                let piece = &heard[..count?];
                if piece.is_empty() {
                    return Ok(());
                }
                to_client.write_all(piece).await?;
            }
        }
    }
}

fn is_said(silencing: &Word, piece: &[u8]) -> bool {
    let mut word = silencing.lock().unwrap();
    let is_said = word.as_ref().is_some_and(|word| {
        let word = word.as_bytes();
        piece.windows(word.len()).any(|part| part == word)
    });
    if is_said {
        *word = None;
    }
    is_said
}
