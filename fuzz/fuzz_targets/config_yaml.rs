//! Any text as a configuration: a tree or a problem with a place, never a panic.
//! Assumes `yaml::read(&str) -> Result<_, _>`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = ai_gateway::yaml::read(text);
});
