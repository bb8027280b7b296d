//! Every dialect reads the usage that a provider's raw bytes tell: of a whole answer and of a stream that
//! passes through, and of the same in translation.

use std::collections::{BTreeMap, BTreeSet};

use ai_gateway::{
    chat::usage::{Tier, Usage},
    dialects::{Call, DIALECTS, Dialect, by_name, emulate::Emulation, translate::Transcoder},
};
use bytes::Bytes;

use super::raw::{Counted, counted, documents};
use crate::recordings::{apis, corpus};

/// APIs whose answers have no tokens, and one whose body is Amazon's own.
const WITHOUT: [&str; 8] = [
    "api.tags",
    "count_tokens",
    "countTokens",
    "invoke",
    "models",
    "v1.chat",
    "v2.embed",
    "v2.rerank",
];

fn of(usage: Usage) -> Counted {
    let special = |tier: &Tier| *tier != Tier::Standard;
    Counted {
        input: usage.input,
        output: usage.output,
        cached_input: usage.cached_input,
        cache_write: usage.cache_write,
        cache_write_1h: usage.cache_write_1h,
        reasoning: usage.reasoning,
        audio_input: usage.audio_input,
        audio_output: usage.audio_output,
        image_input: usage.image_input,
        image_output: usage.image_output,
        searches: usage.searches,
        unbilled_input: usage.unbilled_input,
        unbilled_output: usage.unbilled_output,
        service: usage
            .tier
            .filter(special)
            .map(|tier| tier.name().to_owned()),
        stated_cost_pico: usage.stated_cost_pico,
    }
}

/// What is counted of an answer on its way to a caller of another dialect.
fn translated(
    from: &'static dyn Dialect,
    caller: &'static dyn Dialect,
    body: &[u8],
    is_streamed: bool,
) -> Option<Usage> {
    let ways = (is_streamed, is_streamed);
    let mut transcoder =
        Transcoder::new(from, caller, &Call::default(), Emulation::default(), ways);
    let mut out = Vec::new();
    transcoder
        .push(Bytes::copy_from_slice(body), &mut out)
        .ok()?;
    transcoder.finish(&mut out).ok()?;
    transcoder.usage()
}

#[test]
fn the_usage_of_every_recorded_answer_is_what_its_bytes_say() {
    let mut compared: BTreeMap<String, usize> = BTreeMap::new();
    let mut providers = BTreeSet::new();
    for recording in corpus::load(corpus::folder()) {
        providers.insert(recording.provider.clone());
        for (number, exchange) in recording.exchanges.iter().enumerate() {
            let at = format!("{} exchange {number}", recording.name);
            let body = exchange.request.as_ref().map(|request| &request.body);
            let kind = apis::kind(&recording.api, body);
            let (apis::Kind::Spoken(dialect) | apis::Kind::Passed(dialect)) = kind else {
                continue;
            };
            let documents = documents(&exchange.answer);
            let expected = match exchange.status {
                200 => counted(&recording.api, &documents),
                _ => None,
            };
            let dialect = by_name(dialect.name()).unwrap();
            let read = dialect.read_usage(&exchange.answer, exchange.is_streamed);
            let expected = expected.filter(|counted| *counted != Counted::default());
            if expected.is_none() {
                let nothing = read.is_none_or(|usage| usage == Usage::default());
                let is_known = WITHOUT.contains(&recording.api.as_str());
                assert!(nothing || is_known, "{at}: {read:?}");
                continue;
            }
            assert_eq!(read.map(of), expected, "{at}");
            *compared.entry(recording.provider.clone()).or_default() += 1;
            if matches!(apis::kind(&recording.api, body), apis::Kind::Passed(_)) {
                continue;
            }
            for caller in DIALECTS {
                // An answer that cannot be carried over is the business of other tests.
                if let Some(usage) =
                    translated(dialect, *caller, &exchange.answer, exchange.is_streamed)
                {
                    assert_eq!(Some(of(usage)), expected, "{at} for {}", caller.name());
                }
            }
        }
    }
    let missing: Vec<_> = providers
        .iter()
        .filter(|provider| !compared.contains_key(*provider))
        .collect();
    assert!(missing.is_empty(), "no usage of {missing:?}");
    assert!(compared.values().sum::<usize>() > 200, "{compared:?}");
}
