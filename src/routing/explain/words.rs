//! Why a request does not take a route, in words.

use crate::routing::{
    facts::Facts,
    route::{Mismatch, Route},
};

/// What the request has where the route asks for something else.
pub(super) fn why_not(
    mismatch: Mismatch<'_>,
    route: &Route,
    model: &str,
    facts: &Facts<'_>,
) -> String {
    let when = &route.when;
    match mismatch {
        Mismatch::Model => format!("the model `{model}` is not `{}`", route.model),
        Mismatch::Key => not_among("key", facts.key, &when.keys),
        Mismatch::Team => not_among("team", facts.team, &when.teams),
        Mismatch::Header(name, glob) => match facts.header(name) {
            Some(value) => format!("the header `{name}` is `{value}` and not `{glob}`"),
            None => format!("there is no header `{name}`"),
        },
        Mismatch::Stream => has(facts.stream, "is streamed", "is not streamed"),
        Mismatch::Tags => {
            let tags: Vec<&str> = facts.tags().collect();
            let wanted = list(&when.tags);
            match tags.is_empty() {
                true => format!("it has no tag, and {wanted} is asked for"),
                false => format!("none of its tags ({}) is {wanted}", tags.join(", ")),
            }
        }
        Mismatch::Tools => has(facts.prompt().has_tools, "offers tools", "offers no tools"),
        Mismatch::Images => has(facts.prompt().has_images, "shows images", "shows no images"),
        Mismatch::TooShort(min) => format!(
            "its prompt has about {} tokens, and at least {min} are asked for",
            facts.prompt().tokens
        ),
        Mismatch::TooLong(max) => format!(
            "its prompt has about {} tokens, and at most {max} are asked for",
            facts.prompt().tokens
        ),
    }
}

fn has(is: bool, so: &str, otherwise: &str) -> String {
    format!("it {}", if is { so } else { otherwise })
}

fn not_among(what: &str, name: Option<&str>, wanted: &[String]) -> String {
    let wanted = list(wanted);
    match name {
        Some(name) => format!("its {what} is `{name}` and not {wanted}"),
        None => format!("it has no {what}, and {wanted} is asked for"),
    }
}

/// `a`, `b` or `c`.
fn list(globs: &[String]) -> String {
    let quoted: Vec<String> = globs.iter().map(|glob| format!("`{glob}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
