//! What a request has used and cost: what its providers say, and where one did not come to say it (the
//! client left, the connection broke, the stream had no usage) what it is known to have said.

use std::borrow::Cow;

use bytes::Bytes;

use super::{answer::Answer, context::Context, prepare};
use crate::{
    chat::{estimate, usage::Usage},
    price,
    usage::record::{Attempt, Part, Used},
};

/// Counts what a piece of a stream says that passes on as it is.
pub(super) fn note(context: &mut Context, piece: Option<&Bytes>) {
    if let (Answer::Events(_), Some(piece)) = (&context.answer, piece)
        && let Some(produced) = context.spoken().produced()
    {
        produced.count(piece, &mut context.meter);
    }
}

/// What the attempt under way has used. `is_whole` tells whether its answer came to its end.
pub(super) fn of_attempt(context: &Context, is_whole: bool) -> Option<Used> {
    let attempt = context.attempt.as_ref()?;
    let candidate = context.plan.current()?;
    let is_answered = attempt.status.is_some_and(|status| status < 300);
    let produced = context.answer.produced(&context.meter);
    let produced = produced.filter(|_| is_answered && context.generates());
    let (usage, is_estimated) = match (context.usage, produced) {
        (Some(usage), None) => (usage, false),
        (Some(usage), Some(_)) if is_whole && usage.output > 0 => (usage, false),
        // What was reported on the way, where that is more, is the better count.
        (Some(usage), Some(produced)) if usage.input > 0 && produced <= usage.output => {
            (usage, false)
        }
        (usage, Some(produced)) => (
            completed(context, usage.unwrap_or_default(), produced),
            true,
        ),
        (None, None) => return None,
    };
    let price = candidate.provider.price(&candidate.model);
    Some(Used {
        usage,
        is_estimated,
        cost: price::cost(price, &usage),
    })
}

/// What was reported, and for the rest what is known.
fn completed(context: &Context, said: Usage, produced: u64) -> Usage {
    let input = match said.input {
        0 => prompt_tokens(context),
        input => input,
    };
    Usage {
        input,
        output: said.output.max(produced),
        ..said
    }
}

/// The prompt's length, about. Only asked for where a provider did not say it.
fn prompt_tokens(context: &Context) -> u64 {
    prepare::read(context).map_or(0, |asked| estimate::tokens(&asked.request))
}

/// What each attempt has used, as JSON, where a sum would not do: several have used something, or another one
/// than the last.
pub(super) fn parts(context: &Context) -> Option<String> {
    let closed = |attempt: &&Attempt| attempt.used.is_some();
    let count = context.attempts.iter().filter(closed).count();
    let is_last = context.attempt.is_none() && context.attempts.last().as_ref().is_some_and(closed);
    if count == 0 || (count == 1 && is_last) {
        return None;
    }
    let part = |provider, model, used: Used| Part {
        provider: Cow::Borrowed(provider),
        model: Cow::Borrowed(model),
        usage: used.usage,
        estimated: used.is_estimated,
    };
    let closed = context.attempts.iter();
    let closed = closed.filter_map(|one| Some(part(&one.provider, &one.model, one.used?)));
    let current = context.plan.current().zip(of_attempt(context, true));
    let current =
        current.map(|(candidate, used)| part(&candidate.provider.name, &candidate.model, used));
    let parts: Vec<Part<'_>> = closed.chain(current).collect();
    serde_json::to_string(&parts).ok()
}

/// What all attempts have used; `None` where nothing is known of any.
pub(super) fn total(context: &Context) -> Option<Used> {
    let closed = context.attempts.iter().filter_map(|attempt| attempt.used);
    closed.chain(of_attempt(context, true)).reduce(Used::plus)
}
