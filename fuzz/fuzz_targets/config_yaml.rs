//! Any text as a configuration: a value or problems with their place, never a panic.
#![no_main]

use ai_gateway::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lookup = |name: &str| (name == "SET").then(|| "a: value".to_owned());
    let _ = ai_gateway::yaml::read::<Config>("gateway.yaml", text, &lookup);
});
