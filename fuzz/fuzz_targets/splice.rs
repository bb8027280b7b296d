//! A body whose model was replaced, and from which a field was removed, still scans: it names the new
//! model, and every other member keeps its bytes and its place.
#![no_main]

use ai_gateway::dialects::ModelPlace;
use ai_gateway::dialects::scan::{Members, as_text, scan};
use ai_gateway::dialects::splice::{removals, splice};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const MODEL: &str = "served/\"by\\another\u{e9}";

fn others(members: &Members<'_>) -> Vec<(String, Vec<u8>)> {
    let kept = members.all().iter();
    kept.filter(|member| member.name != "model" && member.name != "provider")
        .filter_map(|member| Some((member.name.to_string(), members.bytes(member)?.to_vec())))
        .collect()
}

fuzz_target!(|input: &[u8]| {
    let body = Bytes::copy_from_slice(input);
    let Ok(members) = scan(&body) else { return };
    let cuts = removals(&members, |name| name == "provider");
    let place = match members.get("model") {
        Some(member) => ModelPlace::Value(member.value.clone()),
        // Putting one in beside a field that goes is what `inspect` never asks for.
        None if !cuts.is_empty() => return,
        None => ModelPlace::Missing {
            at: members.inside(),
            has_others: !members.all().is_empty(),
        },
    };
    let written = splice(&body, &cuts, Some((&place, MODEL)));

    let again = scan(&written).expect("a spliced body is still an object");
    assert!(again.get("provider").is_none());
    assert_eq!(others(&members), others(&again));
    let named = again.value("model").and_then(as_text);
    assert_eq!(named.as_deref(), Some(MODEL));
});
