//! Writes a request for a candidate: the caller's bytes with the model's name spliced in where both speak
//! one dialect, else the request anew in the provider's. For attempts, and for the copies of [`super::shadow`].

use std::time::SystemTime;

use bytes::Bytes;

use super::endpoints::Kind;
use crate::{
    chat::{json, resume::Said, target::Target},
    config::UnsupportedParams,
    dialects::{
        Asked, Call, Dialect, Dropped, Inspection, Operation, Route, emulate::Emulation,
        openai_chat::embeddings, scan::Places, splice::splice, translate,
    },
    error::GatewayError,
    routing::Candidate,
};

/// A request as it came, as far as it matters for what candidates are sent.
#[derive(Clone, Copy)]
pub struct Original<'a> {
    /// The caller's dialect.
    pub caller: &'static dyn Dialect,
    /// What is asked for.
    pub kind: Option<Kind>,
    /// Where it came in.
    pub route: Route<'a>,
    /// Its body.
    pub body: &'a Bytes,
    /// What routing had to know of the body.
    pub request: &'a Inspection,
    /// What happens to what a provider's dialect cannot express.
    pub unsupported: UnsupportedParams,
    /// Whether a stream is to come with its usage, though the caller did not ask for that.
    pub asks_usage: bool,
    /// Whether others may have to go on with what a candidate begins: its answer is read then.
    pub is_relayed: bool,
    /// What others have said of the answer already.
    pub said: Option<&'a Said>,
}

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

/// Writes what `candidate` is sent, and tells how the caller is to be answered where its answer has to be
/// written anew.
///
/// # Errors
/// `InvalidBody` where the request cannot be read or not be served there, `Unsupported` under
/// `unsupported_params: reject`, `NoSuchRoute`.
pub fn write(
    original: &Original<'_>,
    candidate: &Candidate,
) -> Result<(UpstreamCall, Option<Box<Call>>), GatewayError> {
    let caller = original.caller;
    let provider = &candidate.provider;
    let operation = match original.kind {
        Some(Kind::Generate) => Operation::Generate,
        Some(Kind::CountTokens) if !provider.counts_for(caller.name()) => {
            return Err(GatewayError::NoSuchRoute {
                provider: provider.name.clone(),
                route: "count_tokens",
            });
        }
        Some(Kind::CountTokens) => Operation::CountTokens,
        Some(Kind::Provider(route)) => {
            return Ok((passed_through(original, candidate, route)?, None));
        }
        _ => {
            let call = as_it_is(original, candidate, caller, String::new());
            return Ok((call, None));
        }
    };
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
    let usual = dialect.path(&target, original.request.stream);
    if dialect.name() == caller.name() && original.said.is_none() {
        // What the dialect says in the query its caller has said itself.
        let same = dialect.same_path(&original.route);
        let usual = same.unwrap_or_else(|| usual.split('?').next().unwrap_or_default());
        let path = provider.path(dialect.name(), usual, &candidate.model);
        let mut call = as_it_is(original, candidate, dialect, path);
        if original.asks_usage {
            call.body = dialect.with_usage(&call.body);
        }
        let unknown = Places::default();
        let places = match is_untouched(&call.body, original.body) {
            true => &original.request.places,
            false => &unknown,
        };
        let unfit = dialect.unfit(&call.body, places, &target);
        if !unfit.needs_writing {
            refuse_losses(original, candidate, &unfit.dropped)?;
            call.body = splice(&call.body, &unfit.cuts, None);
            call.dropped = unfit.dropped;
            let is_read = provider.quirks.irregular || original.is_relayed;
            if !is_read || operation != Operation::Generate {
                return Ok((call, None));
            }
            call.emulation = Some(Emulation {
                is_regular: provider.quirks.irregular,
                ..Emulation::default()
            });
            return Ok((call, Some(Box::new(read(original)?.call))));
        }
    }
    let path = provider.path(dialect.name(), &usual, &candidate.model);
    // Read anew for each candidate: a copy kept for the next would cost every request what few need.
    let mut asked = read(original)?;
    if let Some(said) = original.said {
        said.prefill(&mut asked.request, dialect.trims_prefill());
    }
    let translated = translate::request(asked.request, caller, dialect, &target)?;
    let dropped = translated.written.dropped;
    if original.said.is_some() && dropped.names().iter().any(|name| name == "prefill") {
        let what = "The model cannot go on with an answer that another one began.";
        return Err(GatewayError::invalid(what, None));
    }
    refuse_losses(original, candidate, &dropped)?;
    let call = UpstreamCall {
        dialect,
        path,
        body: translated.written.body.into(),
        dropped,
        encodes_vectors: false,
        emulation: Some(translated.emulation),
    };
    Ok((call, Some(Box::new(asked.call))))
}

/// A request that is passed through, whoever the provider is.
fn passed_through(
    original: &Original<'_>,
    candidate: &Candidate,
    route: &'static str,
) -> Result<UpstreamCall, GatewayError> {
    let provider = &candidate.provider;
    if !provider.has_route(route) {
        let provider = provider.name.clone();
        return Err(GatewayError::NoSuchRoute { provider, route });
    }
    let path = provider.path(route, &format!("/{route}"), &candidate.model);
    let mut call = as_it_is(original, candidate, original.caller, path);
    if original.asks_usage && provider.quirks.stream_options {
        call.body = original.caller.with_usage(&call.body);
    }
    if route == "embeddings"
        && !provider.quirks.base64_embeddings
        && let Some(cuts) = embeddings::wants_base64(&call.body)
    {
        call.body = splice(&call.body, &cuts, None);
        call.encodes_vectors = true;
    }
    Ok(call)
}

/// Says no to a candidate that cannot express everything, where that is configured.
fn refuse_losses(
    original: &Original<'_>,
    candidate: &Candidate,
    dropped: &Dropped,
) -> Result<(), GatewayError> {
    let rejects = original.unsupported == UnsupportedParams::Reject;
    match rejects && !dropped.is_empty() {
        false => Ok(()),
        true => Err(GatewayError::Unsupported {
            provider: candidate.provider.name.clone(),
            fields: dropped.names().to_vec(),
        }),
    }
}

/// The caller's own bytes, but for the gateway's fields and the model's name.
fn as_it_is(
    original: &Original<'_>,
    candidate: &Candidate,
    dialect: &'static dyn Dialect,
    path: String,
) -> UpstreamCall {
    let request = original.request;
    // A name that reads the same stays as the client wrote it.
    let is_asked = request.model.as_deref() == Some(&*candidate.model);
    let model = (!is_asked).then_some((&request.model_at, &*candidate.model));
    UpstreamCall {
        dialect,
        path,
        body: splice(original.body, &request.cuts, model),
        dropped: Dropped::default(),
        encodes_vectors: false,
        emulation: None,
    }
}

/// Whether these are the same bytes at the same place.
fn is_untouched(sent: &Bytes, came: &Bytes) -> bool {
    sent.len() == came.len() && sent.as_ptr() == came.as_ptr()
}

/// Reads the request into the gateway's own language.
///
/// # Errors
/// `InvalidBody`.
pub fn read(original: &Original<'_>) -> Result<Asked, GatewayError> {
    let own = splice(original.body, &original.request.cuts, None);
    let value = json::parse(&own).map_err(|error| {
        GatewayError::invalid(format!("The request body is not JSON: {error}."), None)
    })?;
    let mut asked = original.caller.read_request(value, &original.route)?;
    asked.call.include_usage |= original.asks_usage;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    asked.call.stream = asked.request.stream;
    asked.call.created = now.unwrap_or_default().as_secs();
    if let Some(model) = &original.request.model {
        asked.call.model.clone_from(model);
    }
    Ok(asked)
}
