//! An HTTP/2 client: with prior knowledge over TCP, or over a TLS stream.

use std::{future::poll_fn, net::SocketAddr, time::Instant};

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream, client};
use tokio::task::JoinHandle;

use super::{
    Answer, Framing, PATIENCE, Request,
    client::{Io, Piece, tcp},
    http::Headers,
    within,
};

/// One connection. Dropping it closes it.
pub struct Http2 {
    sender: client::SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// One request and its answer. Dropping it after [`Call::reset`] is how a client leaves.
pub struct Call {
    response: Option<client::ResponseFuture>,
    sending: SendStream<Bytes>,
    receiving: Option<RecvStream>,
}

impl Http2 {
    pub async fn connect(address: SocketAddr) -> Self {
        Http2::over(tcp(address).await).await
    }

    pub async fn over(stream: impl Io + 'static) -> Self {
        let mut builder = client::Builder::new();
        builder
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 22);
        let handshake = builder.handshake::<_, Bytes>(stream);
        let (sender, connection) = within(PATIENCE, "HTTP/2 handshake", handshake)
            .await
            .expect("an HTTP/2 peer");
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Http2 { sender, driver }
    }

    /// Sends the head; `ended` when no body follows.
    pub async fn open(&self, request: &Request, ended: bool) -> Result<Call, h2::Error> {
        let mut sender = self.sender.clone().ready().await?;
        let (response, sending) = sender.send_request(request.http2_head(), ended)?;
        Ok(Call {
            response: Some(response),
            sending,
            receiving: None,
        })
    }

    /// Sends the whole request and does not wait for the answer.
    pub async fn send(&self, request: &Request) -> Result<Call, h2::Error> {
        let mut call = self.open(request, request.body.is_empty()).await?;
        if !request.body.is_empty() {
            call.write_body(request).await?;
        }
        Ok(call)
    }

    /// Sends the request and reads the whole answer; an early answer ends the sending.
    pub async fn call(&self, request: &Request) -> Result<Answer, h2::Error> {
        let exchange = async {
            let mut call = self.open(request, request.body.is_empty()).await?;
            let response = call.response.take().expect("not yet awaited");
            let write = async {
                if !request.body.is_empty() {
                    let _ = call.write_body(request).await;
                }
                std::future::pending::<()>().await;
            };
            let response = tokio::select! {
                response = response => response?,
                () = write => unreachable!("the writer waits for ever"),
            };
            let (parts, mut receiving) = response.into_parts();
            let mut body = BytesMut::new();
            let whole = loop {
                match next_piece(&mut receiving).await {
                    Ok(Some(piece)) => body.extend_from_slice(&piece.bytes),
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            let status = parts.status.as_u16();
            let headers = Headers::from_map(&parts.headers);
            Ok(Answer {
                status,
                headers,
                body: body.freeze(),
                whole,
            })
        };
        within(PATIENCE, "an HTTP/2 call", exchange).await
    }
}

impl Call {
    /// Writes the request's body as the receiver's window allows.
    pub async fn write_body(&mut self, request: &Request) -> Result<(), h2::Error> {
        let piece = match request.framing {
            Framing::Sized => 64 << 10,
            Framing::Chunked(piece) => piece,
        };
        let mut rest = request.body.clone();
        while !rest.is_empty() {
            self.sending.reserve_capacity(rest.len().min(piece));
            let granted = poll_fn(|context| self.sending.poll_capacity(context)).await;
            let granted = granted.unwrap_or(Err(Reason::STREAM_CLOSED.into()))?;
            let part = rest.split_to(granted.min(piece).min(rest.len()));
            self.sending.send_data(part, rest.is_empty())?;
        }
        Ok(())
    }

    /// The status, once the head is there.
    pub async fn status(&mut self) -> Result<u16, h2::Error> {
        let response = self.response.take().expect("awaited once");
        let response = within(PATIENCE, "an HTTP/2 answer", response).await?;
        let status = response.status().as_u16();
        self.receiving = Some(response.into_body());
        Ok(status)
    }

    /// The next piece of the body; `None` at its proper end.
    pub async fn piece(&mut self) -> Result<Option<Piece>, h2::Error> {
        let receiving = self.receiving.as_mut().expect("the head first");
        within(PATIENCE, "a piece of a body", next_piece(receiving)).await
    }

    /// Cancels the stream, as a client that leaves.
    pub fn reset(mut self) {
        self.sending.send_reset(Reason::CANCEL);
    }
}

async fn next_piece(receiving: &mut RecvStream) -> Result<Option<Piece>, h2::Error> {
    let Some(data) = receiving.data().await else {
        return Ok(None);
    };
    let bytes = data?;
    receiving.flow_control().release_capacity(bytes.len())?;
    Ok(Some(Piece {
        at: Instant::now(),
        bytes,
    }))
}
