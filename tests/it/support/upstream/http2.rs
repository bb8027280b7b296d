//! HTTP/2 by the `h2` crate: well-behaved but for stalls and resets.

use std::{
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use tokio::{task::JoinSet, time::sleep};

use super::{Ending, Exchange, Script, Shared, Step};
use crate::support::{client::Io, http::Headers};

/// Serves one connection until either side ends it.
pub(super) async fn serve(stream: impl Io + 'static, shared: &Arc<Shared>, connection: usize) {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 22);
    let Ok(mut peer) = builder.handshake::<_, Bytes>(stream).await else {
        return;
    };
    let mut streams = JoinSet::new();
    while let Some(Ok((request, respond))) = peer.accept().await {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map(|target| target.to_string());
        let number = shared.recorder.begin(Exchange {
            connection,
            protocol: "HTTP/2",
            method: parts.method.to_string(),
            target: target.unwrap_or_default(),
            headers: Headers::from_map(&parts.headers),
            raw_head: Bytes::new(),
            body: Bytes::new(),
            read: false,
            writes: Vec::new(),
            left: None,
            finished: None,
        });
        streams.spawn(exchange(body, respond, shared.clone(), number));
    }
}

async fn exchange(
    body: RecvStream,
    respond: SendResponse<Bytes>,
    shared: Arc<Shared>,
    number: usize,
) {
    let script = shared.next();
    let left = match read_body(body, &shared, number).await {
        Ok(()) => {
            let (pause, script) = script.timed();
            sleep(pause).await;
            perform(script, respond, &shared, number).await.is_err()
        }
        Err(_) => true,
    };
    let now = Some(Instant::now());
    shared.recorder.update(number, |exchange| {
        if left {
            exchange.left = now
        } else {
            exchange.finished = now
        }
    });
}

async fn read_body(mut body: RecvStream, shared: &Shared, number: usize) -> Result<(), h2::Error> {
    let mut whole = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        whole.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len())?;
    }
    shared.recorder.update(number, |exchange| {
        exchange.body = whole.freeze();
        exchange.read = true;
    });
    Ok(())
}

async fn perform(
    script: &Script,
    mut respond: SendResponse<Bytes>,
    shared: &Shared,
    number: usize,
) -> Result<(), h2::Error> {
    match script {
        Script::Answer {
            status,
            headers,
            body,
        } => {
            let mut builder = http::Response::builder().status(*status);
            for (name, value) in headers {
                builder = builder.header(name, value);
            }
            let head = builder.body(()).expect("a valid answer");
            let mut sending = respond.send_response(head, false)?;
            sending.send_data(body.clone(), true)
        }
        Script::EndsApart { body, pause } => {
            let head = http::Response::builder()
                .header("content-type", "application/json")
                .header("content-length", body.len());
            let head = head.body(()).expect("a valid answer");
            let mut sending = respond.send_response(head, false)?;
            sending.send_data(body.clone(), false)?;
            sleep(*pause).await;
            sending.send_data(Bytes::new(), true)
        }
        Script::Stream { steps, ending } => {
            let head = http::Response::builder().header("content-type", "text/event-stream");
            let head = head.body(()).expect("a valid answer");
            let mut sending = respond.send_response(head, false)?;
            for step in steps {
                follow(step, &mut sending, shared, number).await?;
            }
            match ending {
                Ending::Whole => sending.send_data(Bytes::new(), true),
                Ending::Stall => until_reset(&mut sending).await,
                Ending::Reset | Ending::Truncate => {
                    sleep(Duration::from_millis(100)).await;
                    sending.send_reset(Reason::INTERNAL_ERROR);
                    Ok(())
                }
            }
        }
        Script::Stall => {
            let reason = poll_fn(|context| respond.poll_reset(context)).await?;
            Err(reason.into())
        }
        _ => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
    }
}

async fn follow(
    step: &Step,
    sending: &mut SendStream<Bytes>,
    shared: &Shared,
    number: usize,
) -> Result<(), h2::Error> {
    let wait = async {
        match step {
            Step::Pause(pause) => sleep(*pause).await,
            Step::Wait(gate) => gate.wait().await,
            Step::Write(_) => {}
        }
    };
    tokio::select! {
        () = wait => {}
        result = until_reset(sending) => return result,
    }
    if let Step::Write(bytes) = step {
        let now = Instant::now();
        shared
            .recorder
            .update(number, |exchange| exchange.writes.push(now));
        sending.send_data(bytes.clone(), false)?;
    }
    Ok(())
}

async fn until_reset(sending: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    let reason = poll_fn(|context| sending.poll_reset(context)).await?;
    Err(reason.into())
}
