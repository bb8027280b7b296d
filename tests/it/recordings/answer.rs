//! Answers within their own dialect: read, understood, and written back; streams put together as the
//! provider's own SDK does it, and streamed again.

use serde_json::Value;

use ai_gateway::{
    chat::{event::Event, frame::Frame, response::ChatResponse, usage::Usage},
    dialects::{Call, Dialect},
};

use super::{
    again,
    corpus::Exchange,
    grammar,
    json::cut,
    normal::{self, Side},
    reference, replay,
    report::Account,
    said,
};

/// An answer that has been read.
pub struct Answer {
    pub response: ChatResponse,
    /// Its events, in sequence; nothing where it came whole.
    pub events: Option<Vec<Event>>,
}

/// Reads a whole answer and writes it back.
pub fn whole(
    dialect: &dyn Dialect,
    bytes: &[u8],
    call: &Call,
    account: &mut Account,
) -> Option<Answer> {
    account.checked("whole answers read");
    let wanted = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let response = match (dialect.read_response(bytes), error_in_200(&wanted)) {
        (Ok(response), None) => response,
        (Err(error), Some(said)) if said.contains(&error.message) => return None,
        (Err(error), _) => {
            account.fail("read_response", error.message);
            return None;
        }
        (Ok(_), Some(said)) => {
            account.fail(
                "read_response",
                format!("the error was not seen: {}", cut(&said)),
            );
            return None;
        }
    };
    means(dialect, &response, &wanted, account);
    usage_in_passing(dialect, bytes, &response, account);
    written_back(dialect, Side::Answer, &response, &wanted, call, account);
    if let Some(face) = again::face(dialect, call) {
        let is_sound = grammar::whole(face, &wanted).is_empty();
        let events = response.clone().into_events();
        again::check(dialect, face, &events, &wanted, (call, is_sound), account);
    }
    Some(Answer {
        response,
        events: None,
    })
}

/// The error that came in place of an answer.
fn error_in_200(body: &Value) -> Option<String> {
    let error = body.get("error").filter(|error| !error.is_null())?;
    let is_answer = ["choices", "message", "candidates"]
        .iter()
        .any(|name| body.get(*name).is_some());
    (!is_answer).then(|| error.to_string())
}

/// Reads a streamed answer, and holds what it amounts to against the SDK's.
pub fn streamed(
    dialect: &dyn Dialect,
    exchange: &Exchange,
    call: &Call,
    account: &mut Account,
) -> Option<Answer> {
    account.checked("streams read");
    let stream = &exchange.answer;
    let frames = match replay::frames(dialect, [stream.as_slice()]) {
        Ok(frames) => frames,
        Err(error) => {
            account.fail("framer", error);
            return None;
        }
    };
    account.checked("streams split 20 ways");
    if let Err(error) = replay::splits(dialect, stream, &frames) {
        account.fail("splits", error);
    }
    judge_events(
        dialect,
        exchange,
        replay::events(dialect, &frames),
        call,
        account,
    )
}

/// The same for InvokeModelWithResponseStream, whose messages of AWS's each wrap an event of
/// Anthropic's.
pub fn invoked(
    dialect: &dyn Dialect,
    exchange: &Exchange,
    call: &Call,
    account: &mut Account,
) -> Option<Answer> {
    account.checked("streams read");
    let chunks = reference::unwrap_invoke(&exchange.answer).into_iter();
    let frames: Vec<Frame> = chunks
        .map(|data| Frame {
            event: None,
            data: data.into(),
        })
        .collect();
    judge_events(
        dialect,
        exchange,
        replay::events(dialect, &frames),
        call,
        account,
    )
}

/// Holds the events of a stream against the SDK's answer.
fn judge_events(
    dialect: &dyn Dialect,
    exchange: &Exchange,
    events: Vec<Event>,
    call: &Call,
    account: &mut Account,
) -> Option<Answer> {
    for fault in grammar::events(&events).into_iter().take(3) {
        account.fail("events", fault);
    }
    let response = match (
        replay::assemble(&events),
        reference::assemble(dialect.name(), &exchange.answer),
    ) {
        (Ok(response), Ok(wanted)) => {
            means(dialect, &response, &wanted, account);
            written_back(dialect, Side::Streamed, &response, &wanted, call, account);
            if let Some(face) = again::face(dialect, call) {
                let is_sound = grammar::stream(face, &exchange.answer).is_empty();
                again::check(dialect, face, &events, &wanted, (call, is_sound), account);
            }
            response
        }
        (Err(error), Err(reference::Failed(message))) => {
            account.checked("failures in streams");
            let is_told = match message.as_str() {
                "" => error.is_garbage,
                message => !error.is_garbage && error.message.contains(message),
            };
            if !is_told {
                let got = cut(&error.message);
                account.fail("failure", format!("message {got:?}, wanted {message:?}"));
            }
            return Some(Answer {
                response: ChatResponse::default(),
                events: Some(events),
            });
        }
        (Ok(_), Err(reference::Failed(message))) => {
            account.fail("failure", format!("not seen: {}", cut(&message)));
            return None;
        }
        (Err(error), Ok(_)) => {
            account.fail("stream", format!("failed: {}", cut(&error.message)));
            return None;
        }
    };
    usage_in_passing_stream(dialect, &exchange.answer, &response, account);
    Some(Answer {
        response,
        events: Some(events),
    })
}

/// What the form says must be what the body says.
fn means(dialect: &dyn Dialect, response: &ChatResponse, body: &Value, account: &mut Account) {
    account.checked("answers understood");
    let (got, wanted) = (said::of_form(response), said::of(dialect.name(), body));
    if let Some(difference) = got.differs(&wanted, usize::MAX) {
        account.fail("understood", difference);
    }
    let endings =
        |said: &said::Said| -> Vec<_> { said.choices.iter().map(|choice| choice.ending).collect() };
    if endings(&got) != endings(&wanted) {
        let (got, wanted) = (endings(&got), endings(&wanted));
        account.fail(
            "understood",
            format!("endings: got {got:?}, wanted {wanted:?}"),
        );
    }
    match (got.usage, wanted.usage) {
        (Some(got), Some(wanted)) => {
            if let Some(difference) = got.differs(&wanted) {
                account.fail("understood", difference);
            }
        }
        (None, Some(wanted)) => account.fail("understood", format!("no usage, wanted {wanted:?}")),
        _ => {}
    }
}

fn written_back(
    dialect: &dyn Dialect,
    side: Side,
    response: &ChatResponse,
    wanted: &Value,
    call: &Call,
    account: &mut Account,
) {
    let check = match side {
        Side::Streamed => "streams put together",
        _ => "whole answers written back",
    };
    account.checked(check);
    let written = dialect.write_response(response.clone(), call);
    let Ok(got) = serde_json::from_slice::<Value>(&written) else {
        return account.fail(check, "write_response: a body that is no JSON");
    };
    if let Some(difference) = normal::difference(dialect.name(), side, &got, wanted, account) {
        account.fail(check, difference);
    }
}

fn usage_in_passing(
    dialect: &dyn Dialect,
    bytes: &[u8],
    response: &ChatResponse,
    account: &mut Account,
) {
    account.checked("usage read in passing");
    // The tier is a member of the answer's own; `cost::usage` looks at it.
    let got = dialect.read_usage(bytes, false).map(Usage::counts);
    let wanted = response.usage.map(Usage::counts);
    if got != wanted {
        account.fail("read_usage", format!("got {got:?}, wanted {wanted:?}"));
    }
}

/// A stream's last word on its usage. (Bedrock's frames are not for this function.)
fn usage_in_passing_stream(
    dialect: &dyn Dialect,
    bytes: &[u8],
    response: &ChatResponse,
    account: &mut Account,
) {
    if dialect.name() == "bedrock" || bytes.starts_with(&[0]) {
        return;
    }
    account.checked("usage read in passing");
    let got = dialect.read_usage(bytes, true).map(Usage::counts);
    let wanted = response.usage.map(Usage::counts);
    if got != wanted {
        account.fail(
            "read_usage of a stream",
            format!("got {got:?}, wanted {wanted:?}"),
        );
    }
}
