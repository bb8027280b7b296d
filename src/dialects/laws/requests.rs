//! Requests, written and read again.

use proptest::prelude::*;
use serde_json::Value;

use super::{
    arbitrary, essence,
    places::{self, Place},
    tape::Tape,
};
use crate::{
    chat::{
        part::Content,
        request::{ChatRequest, Tool},
    },
    dialects::{Dialect, Written, translate},
};

/// Writes `request` as the gateway does: results linked to their calls where that is needed.
fn write(place: &Place, mut request: ChatRequest) -> Written {
    if place.dialect.links_tools() {
        request.link_tools();
    }
    place
        .dialect
        .write_request(request, &place.target())
        .unwrap()
}

fn read(place: &Place, written: &Written, stream: bool) -> ChatRequest {
    place.read(&written.body, stream).unwrap().request
}

/// What a reader did not understand of what its own dialect's writer wrote: members that are neither
/// the caller's nor marks of the dialect's own.
fn not_understood(dialect: &dyn Dialect, request: &ChatRequest) -> Vec<String> {
    let mut names = Vec::new();
    let mut look = |extra: &crate::chat::extra::Extra| {
        let own = extra.of(dialect.name()).into_iter().flatten();
        names.extend(own.map(|(name, _)| name.clone()));
    };
    look(&request.extra);
    for message in &request.messages {
        look(&message.extra);
        message.parts.iter().for_each(|part| look(&part.extra));
    }
    for tool in &request.tools {
        if let Tool::Function(function) = tool {
            look(&function.extra);
        }
    }
    let is_known = |name: &String| name == "novel" || dialect.incidental().contains(&name.as_str());
    names.retain(|name| !is_known(name));
    let natives = essence::parts(request).filter_map(|part| match &part.content {
        Content::Native(native) => Some(native.value.to_string()),
        _ => None,
    });
    names.extend(natives);
    let tools = request.tools.iter().filter_map(|tool| match tool {
        Tool::Native(native) => Some(native.value.to_string()),
        _ => None,
    });
    names.extend(tools);
    names
}

fn check(place: &Place, tape: &[u8]) -> Result<(), TestCaseError> {
    let own = place.dialect.name();
    let has_custom = place.quirks.custom_tools;
    let asked = arbitrary::request(own, has_custom, &mut Tape::new(tape));
    let written = write(place, asked.clone());
    let stream = asked.stream;
    let show = || {
        let body: Value = serde_json::from_slice(&written.body).unwrap();
        let dropped = written.dropped.names();
        format!(
            "{own} {}\nasked: {asked:?}\nbody: {body}\ndropped: {dropped:?}",
            place.model
        )
    };

    let again = read(place, &written, stream);
    let lost = essence::lost(&asked, &again, &written);
    prop_assert!(lost.is_empty(), "lost: {lost:#?}\n{}", show());
    let unknown = not_understood(place.dialect, &again);
    prop_assert!(
        unknown.is_empty(),
        "not understood: {unknown:?}\n{}",
        show()
    );

    let second = write(place, again);
    let text = String::from_utf8_lossy(&second.body).into_owned();
    prop_assert!(
        second.dropped.is_empty(),
        "dropped at second: {:?}\n{}",
        second.dropped,
        show()
    );
    let third = write(place, read(place, &second, stream));
    let other = String::from_utf8_lossy(&third.body).into_owned();
    prop_assert!(text == other, "no fixpoint:\n{text}\n{other}\n{}", show());
    Ok(())
}

/// A caller's request, written for a provider of another dialect by way of [`translate`].
fn check_pair(caller: &Place, place: &Place, tape: &[u8]) -> Result<(), TestCaseError> {
    let own = caller.dialect.name();
    let said = arbitrary::request(own, caller.quirks.custom_tools, &mut Tape::new(tape));
    let stream = said.stream;
    let asked = caller.read(&write(caller, said).body, stream).unwrap();
    let translated = translate::request(
        asked.request.clone(),
        caller.dialect,
        place.dialect,
        &place.target(),
    )
    .unwrap();
    let written = translated.written;
    let again = read(place, &written, stream);
    let lost = essence::lost(&asked.request, &again, &written);
    let body = String::from_utf8_lossy(&written.body).into_owned();
    let show = format!(
        "{own} to {} {}\nasked: {:?}\nbody: {body}\ndropped: {:?}",
        place.dialect.name(),
        place.model,
        asked.request,
        written.dropped.names()
    );
    prop_assert!(lost.is_empty(), "lost: {lost:#?}\n{show}");
    let nothing = essence::reported_for_nothing(&asked.request, &written);
    prop_assert!(
        nothing.is_empty(),
        "reported for nothing: {nothing:?}\n{show}"
    );
    let marks = essence::unheard_of(&written);
    prop_assert!(marks.is_empty(), "unheard of: {marks:?}\n{show}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8 * super::cases(), failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() })]
    #[test]
    fn every_caller_is_understood_everywhere(
        tape in prop::collection::vec(any::<u8>(), 0..400),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let (callers, places) = (places::own(), places::all());
        check_pair(from.get(&callers), to.get(&places), &tape)?;
    }
}

macro_rules! each_place {
    ($($name:ident: $dialect:literal,)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: super::cases(), failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() })]
            $(
                #[test]
                fn $name(tape in prop::collection::vec(any::<u8>(), 0..400), which in any::<prop::sample::Index>()) {
                    let places: Vec<Place> = places::all().into_iter()
                        .filter(|place| place.dialect.name() == $dialect)
                        .collect();
                    check(&places[which.index(places.len())], &tape)?;
                }
            )*
        }
    };
}

each_place! {
    openai_chat_keeps_requests: "openai_chat",
    openai_responses_keeps_requests: "openai_responses",
    anthropic_keeps_requests: "anthropic",
    gemini_keeps_requests: "gemini",
    ollama_keeps_requests: "ollama",
    cohere_keeps_requests: "cohere",
    bedrock_keeps_requests: "bedrock",
}
