//! What the candidate of an attempt is sent, and the way of its answer back.

use http::header;
use pingora::http::ResponseHeader;

use super::{
    answer::{Answer, Watched},
    context::Context,
    endpoints::Kind,
    written::{self, Original, UpstreamCall},
};
use crate::{
    dialects::{Asked, Route, gemini, translate::Transcoder},
    error::GatewayError,
    routing::Candidate,
};

/// Reads what a dialect says in the path: Gemini the model, and whether to stream.
pub fn read_path(context: &mut Context) {
    if context.caller.name() == gemini::NAME
        && let Some((model, method)) = gemini::method(context.uri.path())
    {
        let model = percent_encoding::percent_decode_str(model).decode_utf8_lossy();
        context.request.model = Some(model.into_owned());
        context.request.stream = method == "streamGenerateContent";
    }
}

/// Writes what `candidate` is sent.
///
/// # Errors
/// Those of [`written::write`].
pub fn call(context: &mut Context, candidate: &Candidate) -> Result<UpstreamCall, GatewayError> {
    let (call, asked) = written::write(&original(context), candidate)?;
    if asked.is_some() {
        context.call = asked;
    }
    Ok(call)
}

/// Reads the request into the gateway's own language.
pub fn read(context: &Context) -> Result<Asked, GatewayError> {
    written::read(&original(context))
}

fn original(context: &Context) -> Original<'_> {
    Original {
        caller: context.caller,
        kind: context.endpoint.map(|endpoint| endpoint.kind),
        route: Route {
            path: context.uri.path(),
            query: context.uri.query().unwrap_or_default(),
        },
        body: &context.body,
        request: &context.request,
        unsupported: context.snapshot.config.unsupported_params,
        asks_usage: context.asks_usage,
        is_relayed: is_relayed(context),
        said: context.resuming.as_ref().and_then(|broken| broken.said()),
    }
}

/// Whether others may have to go on with what this candidate begins.
fn is_relayed(context: &Context) -> bool {
    let relay = context.relay.as_ref();
    relay.is_some_and(|relay| relay.resumes || relay.holds)
}

/// Whether the candidate counts a prompt's tokens itself.
pub fn is_counted(context: &Context) -> bool {
    let candidate = context.plan.current();
    candidate.is_some_and(|candidate| candidate.provider.counts_for(context.caller.name()))
}

/// Whether the answer under way is read as a whole or in translation, rather than passed on.
pub fn is_rewritten(context: &Context) -> bool {
    let call = context.attempt.as_ref().map(|attempt| &attempt.call);
    call.is_some_and(|call| call.encodes_vectors || call.emulation.is_some())
}

/// How an answer below 400 is translated; `None` where it is passed on as it is.
pub fn translating(context: &mut Context, head: &ResponseHeader) -> Option<Answer> {
    let broken = context.resuming.take();
    let call = &context.attempt.as_ref()?.call;
    let kind = head.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if call.encodes_vectors {
        return Some(Answer::vectors());
    }
    let Some(emulation) = &call.emulation else {
        let is_lines = kind.starts_with("application/x-ndjson");
        return is_lines.then(|| Answer::Plain(Watched::lines()));
    };
    if context.endpoint.map(|endpoint| endpoint.kind) == Some(Kind::CountTokens) {
        return Some(Answer::count(context.caller));
    }
    let asked = context.call.as_deref()?;
    let is_stream = asked.stream;
    // A provider may answer a request for a stream with a whole answer, or the other way round.
    let is_streamed = match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => false,
        "text/event-stream" | "application/x-ndjson" | "application/vnd.amazon.eventstream" => true,
        _ => is_stream,
    };
    if let Some(broken) = broken {
        let streamed = broken.continued(|before| {
            before.continued(call.dialect, asked, emulation.clone(), is_streamed)
        });
        return Some(Answer::Streamed(Box::new(streamed)));
    }
    let mut transcoder = Transcoder::new(
        call.dialect,
        context.caller,
        asked,
        emulation.clone(),
        (is_streamed, is_stream),
    );
    if is_relayed(context) {
        transcoder = transcoder.remembering();
    }
    let kind = context.caller.stream_type(asked);
    Some(Answer::translated(transcoder, kind))
}
