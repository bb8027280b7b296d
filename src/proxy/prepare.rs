//! What a candidate is sent: the caller's bytes with the model's name spliced in where both speak one
//! dialect, else the request written anew in the provider's. And the way of its answer back.

use std::time::SystemTime;

use bytes::Bytes;
use http::header;
use pingora::http::ResponseHeader;

use super::{
    answer::{Answer, Watched},
    context::Context,
    endpoints::Kind,
};
use crate::{
    chat::{json, target::Target},
    config::UnsupportedParams,
    dialects::{
        Asked, Dialect, Dropped, Operation, Route,
        emulate::Emulation,
        gemini,
        openai_chat::embeddings,
        splice::splice,
        translate::{self, Transcoder},
    },
    error::GatewayError,
    routing::Candidate,
};

/// What one candidate is sent.
pub struct UpstreamCall {
    /// The dialect in which it is spoken to.
    pub dialect: &'static dyn Dialect,
    /// The path at its host, with what the dialect says in the query.
    pub path: String,
    /// The body.
    pub body: Bytes,
    /// What could not be expressed.
    pub dropped: Dropped,
    /// Whether the answer's vectors have to be put into base64.
    pub encodes_vectors: bool,
    /// What has to be undone in the answer; `None` where nothing is translated.
    pub emulation: Option<Emulation>,
}

/// Reads what a dialect says in the path: Gemini the model, and whether to stream.
pub fn read_path(context: &mut Context) {
    if let Some((model, method)) = gemini::method(context.uri.path()) {
        let model = percent_encoding::percent_decode_str(model).decode_utf8_lossy();
        context.request.model = Some(model.into_owned());
        context.request.stream = method == "streamGenerateContent";
    }
}

/// Writes what `candidate` is sent.
///
/// # Errors
/// `InvalidBody` where the request cannot be read or not be served there, `Unsupported` under
/// `unsupported_params: reject`, `NoSuchRoute`.
pub fn call(context: &mut Context, candidate: &Candidate) -> Result<UpstreamCall, GatewayError> {
    let provider = &candidate.provider;
    let kind = context.endpoint.map(|endpoint| endpoint.kind);
    let operation = match kind {
        Some(Kind::Generate) => Operation::Generate,
        Some(Kind::CountTokens) if !provider.counts_for(context.caller.name()) => {
            return Err(GatewayError::NoSuchRoute {
                provider: provider.name.clone(),
                route: "count_tokens",
            });
        }
        Some(Kind::CountTokens) => Operation::CountTokens,
        Some(Kind::Provider(route)) if !provider.has_route(route) => {
            let provider = provider.name.clone();
            return Err(GatewayError::NoSuchRoute { provider, route });
        }
        Some(Kind::Provider(route)) => {
            let path = provider.path(route, &format!("/{route}"), &candidate.model);
            let mut call = as_it_is(context, candidate, context.caller, path);
            if route == "embeddings"
                && !provider.quirks.base64_embeddings
                && let Some(cuts) = embeddings::wants_base64(&call.body)
            {
                call.body = splice(&call.body, &cuts, None);
                call.encodes_vectors = true;
            }
            return Ok(call);
        }
        _ => return Ok(as_it_is(context, candidate, context.caller, String::new())),
    };
    let caller = context.caller;
    let Some(dialect) = provider.dialect_for(caller.name()) else {
        return Err(GatewayError::Internal(
            "a provider without a dialect".into(),
        ));
    };
    let target = Target {
        model: &candidate.model,
        quirks: &provider.quirks,
        operation,
    };
    let usual = dialect.path(&target, context.request.stream);
    if dialect.name() == caller.name() && context.resuming.is_none() {
        // What the dialect says in the query its caller has said itself.
        let same = dialect.same_path(&route(context));
        let usual = same.unwrap_or_else(|| usual.split('?').next().unwrap_or_default());
        let path = provider.path(dialect.name(), usual, &candidate.model);
        let mut call = as_it_is(context, candidate, dialect, path);
        let unfit = dialect.unfit(&call.body, &target);
        if !unfit.needs_writing {
            refuse_losses(context, candidate, &unfit.dropped)?;
            call.body = splice(&call.body, &unfit.cuts, None);
            call.dropped = unfit.dropped;
            // A stream that another provider may have to go on with is read, and written anew.
            let is_read = provider.quirks.irregular || is_relayed(context);
            if is_read && operation == Operation::Generate {
                if context.call.is_none() {
                    context.call = Some(Box::new(read(context)?.call));
                }
                call.emulation = Some(Emulation {
                    is_regular: provider.quirks.irregular,
                    ..Emulation::default()
                });
            }
            return Ok(call);
        }
    }
    let path = provider.path(dialect.name(), &usual, &candidate.model);
    // Read anew for each candidate: a copy kept for the next would cost every request what few need.
    let mut asked = read(context)?;
    context.call = Some(Box::new(asked.call));
    let said = context.resuming.as_ref().and_then(|broken| broken.said());
    if let Some(said) = said {
        said.prefill(&mut asked.request, dialect.trims_prefill());
    }
    let translated = translate::request(asked.request, caller, dialect, &target)?;
    let dropped = translated.written.dropped;
    if said.is_some() && dropped.names().iter().any(|name| name == "prefill") {
        let what = "The model cannot go on with an answer that another one began.";
        return Err(GatewayError::invalid(what, None));
    }
    refuse_losses(context, candidate, &dropped)?;
    Ok(UpstreamCall {
        dialect,
        path,
        body: translated.written.body.into(),
        dropped,
        encodes_vectors: false,
        emulation: Some(translated.emulation),
    })
}

/// Whether others may have to go on with what this candidate begins.
fn is_relayed(context: &Context) -> bool {
    let relay = context.relay.as_ref();
    relay.is_some_and(|relay| relay.resumes || relay.holds)
}

/// Says no to a candidate that cannot express everything, where that is configured.
fn refuse_losses(
    context: &Context,
    candidate: &Candidate,
    dropped: &Dropped,
) -> Result<(), GatewayError> {
    let rejects = context.snapshot.config.unsupported_params == UnsupportedParams::Reject;
    match rejects && !dropped.is_empty() {
        false => Ok(()),
        true => Err(GatewayError::Unsupported {
            provider: candidate.provider.name.clone(),
            fields: dropped.names().to_vec(),
        }),
    }
}

fn route(context: &Context) -> Route<'_> {
    Route {
        path: context.uri.path(),
        query: context.uri.query().unwrap_or_default(),
    }
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

/// The caller's own bytes, but for the gateway's fields and the model's name.
fn as_it_is(
    context: &Context,
    candidate: &Candidate,
    dialect: &'static dyn Dialect,
    path: String,
) -> UpstreamCall {
    // A name that reads the same stays as the client wrote it.
    let is_asked = context.request.model.as_deref() == Some(&*candidate.model);
    let model = (!is_asked).then_some((&context.request.model_at, &*candidate.model));
    UpstreamCall {
        dialect,
        path,
        body: splice(&context.body, &context.request.cuts, model),
        dropped: Dropped::default(),
        encodes_vectors: false,
        emulation: None,
    }
}

/// Reads the request into the gateway's own language.
pub fn read(context: &Context) -> Result<Asked, GatewayError> {
    let own = splice(&context.body, &context.request.cuts, None);
    let value = json::parse(&own).map_err(|error| {
        GatewayError::invalid(format!("The request body is not JSON: {error}."), None)
    })?;
    let mut asked = context.caller.read_request(value, &route(context))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    asked.call.stream = asked.request.stream;
    asked.call.created = now.unwrap_or_default().as_secs();
    if let Some(model) = &context.request.model {
        asked.call.model.clone_from(model);
    }
    Ok(asked)
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
