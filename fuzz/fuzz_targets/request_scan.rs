//! Finding what routing needs in any bytes: an answer or an error, never a panic.
//! Assumes `dialects::scan::scan(&[u8]) -> Result<_, _>`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = ai_gateway::dialects::scan::scan(body);
});
