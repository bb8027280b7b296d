//! Any bytes as a request's body: the members or an error, never a panic; and what a member's range
//! covers lies in the body.
#![no_main]

use ai_gateway::dialects::scan::{as_text, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(members) = scan(body) else { return };
    for member in members.all() {
        let value = members.bytes(member).expect("a value lies in the body");
        let _ = as_text(value);
    }
});
