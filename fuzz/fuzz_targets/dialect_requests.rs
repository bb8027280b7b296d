//! Whatever arrives as a request of any dialect: it is refused, or it can be written for every provider,
//! and what was written its own dialect reads. The first byte picks the dialect, the second the model and
//! what the servers accept.
#![no_main]

use ai_gateway::{
    chat::target::{JsonSchema, Operation, Quirks, ReasoningBack, ReasoningRequest, Target},
    dialects::{DIALECTS, Route, scan::Places, translate},
};
use libfuzzer_sys::fuzz_target;

const MODELS: [&str; 6] = [
    "m",
    "gpt-5",
    "claude-sonnet-4-5",
    "claude-opus-4-8",
    "gemini-3-pro-preview",
    "us.amazon.nova-pro-v1:0",
];

/// Servers that are as different as they can be.
fn quirks(pick: u8) -> Quirks {
    if pick & 1 == 0 {
        return Quirks::default();
    }
    Quirks {
        late_system: false,
        json_schema: JsonSchema::ForcedTool,
        reasoning: ReasoningRequest::Object,
        reasoning_back: ReasoningBack::Details,
        cache_control: true,
        custom_tools: true,
        text_lists: false,
        assistant_after_tool: true,
        prefix: true,
        ..Quirks::default()
    }
}

fuzz_target!(|input: &[u8]| {
    let [which, pick, body @ ..] = input else {
        return;
    };
    let caller = DIALECTS[usize::from(*which) % DIALECTS.len()];
    let quirks = quirks(*pick);
    let target = Target {
        model: MODELS[usize::from(*pick >> 1) % MODELS.len()],
        quirks: &quirks,
        operation: Operation::Generate,
    };
    let unfit = caller.unfit(body, &Places::default(), &target);
    if let Ok(inspection) = caller.inspect(body) {
        let known = caller.unfit(body, &inspection.places, &target);
        assert_eq!(known, unfit, "with the members' places, and without");
    }
    let Ok(value) = serde_json::from_slice(body) else {
        return;
    };
    let route = Route {
        path: "/v1beta/models/m:generateContent",
        query: "",
    };
    let Ok(asked) = caller.read_request(value, &route) else {
        return;
    };
    for provider in DIALECTS {
        let Ok(translated) = translate::request(asked.request.clone(), caller, *provider, &target)
        else {
            continue;
        };
        let body = &translated.written.body;
        let written = serde_json::from_slice(body).expect("what was written is JSON");
        let again = provider.read_request(written, &route);
        if let Err(error) = again {
            let body = String::from_utf8_lossy(body);
            panic!("{} does not read its own {body}: {error}", provider.name());
        }
    }
});
