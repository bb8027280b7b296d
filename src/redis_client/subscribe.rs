//! Messages between the processes that share a Redis.

use std::time::Duration;

use redis::{PushInfo, PushKind, Value, aio::MultiplexedConnection};
use tokio::{sync::mpsc, time};

use super::{
    Client, Error,
    node::{Node, usual},
};

/// Messages that may wait to be heard. Beyond it the connection begins anew.
const WAITING: usize = 1024;
/// How long it may take to be connected, and to be heard.
const CONNECT: Duration = Duration::from_secs(2);
/// How often it is looked whether the server is there.
const LOOK: Duration = Duration::from_secs(5);
/// How long it waits before it begins anew …
const PAUSE: Duration = Duration::from_secs(1);
/// … or until there is somebody to listen to.
const SHORT_PAUSE: Duration = Duration::from_millis(100);

/// What a listener is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// From here on messages are heard. Before it some may not have been.
    Joined,
    /// A message.
    Message(Vec<u8>),
}

impl Client {
    /// Tells everyone who listens to `channel`.
    ///
    /// # Errors
    /// The message was not taken in time.
    pub async fn publish(
        &self,
        channel: &str,
        message: &[u8],
        deadline: Duration,
    ) -> Result<(), Error> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(message);
        self.call(channel.as_bytes(), &command, deadline)
            .await
            .map(drop)
    }

    /// Listens to `channel` for as long as it is polled.
    pub async fn listen(&self, channel: &str, heard: mpsc::Sender<Heard>) {
        // Any member of a cluster hears what is said to any other.
        for turn in 0_usize.. {
            let nodes = self.nodes();
            let Some(node) = nodes.get(turn.checked_rem(nodes.len()).unwrap_or(0)) else {
                // A cluster that is not known yet.
                time::sleep(SHORT_PAUSE).await;
                continue;
            };
            if let Err(error) = listen_to(node, channel, &heard).await {
                log::debug!("redis {}: {error}", node.address);
            }
            time::sleep(PAUSE).await;
        }
    }
}

/// Listens until the connection breaks.
async fn listen_to(node: &Node, channel: &str, heard: &mpsc::Sender<Heard>) -> Result<(), Error> {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let connected = time::timeout(CONNECT, connect(node, channel, sender)).await;
    let mut connection = connected.map_err(|_| Error::Timeout)??;
    let _ = heard.send(Heard::Joined).await;
    loop {
        match time::timeout(LOOK, receiver.recv()).await {
            Ok(Some(message)) => {
                let _ = heard.send(Heard::Message(message)).await;
            }
            // The connection broke, or too many messages waited.
            Ok(None) => return Ok(()),
            Err(_) => {
                let ping = redis::cmd("PING");
                let answer = time::timeout(CONNECT, connection.send_packed_command(&ping)).await;
                let answer = answer.map_err(|_| Error::Timeout)?;
                answer.map_err(|error| Error::from(&error))?;
            }
        }
    }
}

async fn connect(
    node: &Node,
    channel: &str,
    sender: mpsc::Sender<Vec<u8>>,
) -> Result<MultiplexedConnection, Error> {
    let sender = parking_lot::Mutex::new(Some(sender));
    let config = usual().set_push_sender(move |push: PushInfo| {
        let mut sender = sender.lock();
        let message = match (push.kind, push.data.into_iter().nth(1)) {
            (PushKind::Message, Some(Value::BulkString(message))) => message,
            (PushKind::Disconnection, _) => {
                *sender = None;
                return Err(());
            }
            _ => return Ok(()),
        };
        let is_taken = sender
            .as_ref()
            .is_some_and(|sender| sender.try_send(message).is_ok());
        if !is_taken {
            *sender = None;
        }
        is_taken.then_some(()).ok_or(())
    });
    let client = node.subscriber().map_err(|error| Error::from(&error))?;
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = connection.await.map_err(|error| Error::from(&error))?;
    let subscribed = connection.subscribe(channel).await;
    subscribed.map_err(|error| Error::from(&error))?;
    Ok(connection)
}
