//! A limit without room as an error: what people and programs are told of it.

use http::{HeaderMap, HeaderValue, header};

use super::context::Context;
use crate::{
    error::{GatewayError, NoRoom},
    limits::{
        Now, Refusal,
        edge::TooMany,
        headers::{Form, of_refusal},
        subject::Limit,
    },
};

/// The form of headers that a caller reads.
pub(super) fn form(context: &Context) -> Form {
    match context.caller.name() {
        "anthropic" => Form::Anthropic,
        _ => Form::OpenAi,
    }
}

/// The error that a refused request is answered with.
pub(super) fn no_room(context: &Context, refusal: &Refusal) -> GatewayError {
    let is_budget = refusal.quota.limit == Limit::Budget;
    let mut message = refusal.to_string();
    if is_budget && !refusal.is_away {
        // LiteLLM's words first, which its clients look for.
        let spent = context.gateway().limits.spent(refusal.kind, &refusal.id);
        let max = crate::price::Usd::from_pico(u128::from(refusal.quota.max) * 1000);
        message = format!(
            "Budget has been exceeded! Current cost: {}, Max budget: {max}. {message}",
            spent.unwrap_or_default()
        );
    }
    let wait = refusal.wait.duration();
    GatewayError::Limited(Box::new(NoRoom {
        message,
        is_budget,
        wait_ms: wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        headers: of_refusal(refusal, form(context), Now::read().wall),
    }))
}

/// The error of a request that the edge did not let in.
pub(super) fn too_many(why: TooMany) -> GatewayError {
    let message = match why {
        TooMany::Requests => "There were too many requests from this address. Try again in 1 s.",
        TooMany::AtOnce => {
            "Too many requests of this address are under way. Try again when one has ended."
        }
        TooMany::AtOnceInAll => {
            "Too many requests are under way here. Try again when one has ended."
        }
    };
    GatewayError::Limited(Box::new(NoRoom {
        message: message.to_owned(),
        is_budget: false,
        wait_ms: Some(1000),
        headers: HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("1"))]),
    }))
}

/// Of two refusals the one that ends sooner: whoever waits for that finds somebody.
pub(super) fn sooner(one: Option<GatewayError>, other: GatewayError) -> GatewayError {
    let wait = |error: &GatewayError| match error {
        GatewayError::Limited(full) => full.wait_ms.unwrap_or(u64::MAX),
        _ => u64::MAX,
    };
    match one {
        Some(one) if wait(&one) < wait(&other) => one,
        _ => other,
    }
}
