//! A body whose model was replaced still scans, and names the new model.
//! Assumes `scan(&[u8]) -> Result<Scan<'_>, _>` with `Scan::model: Option<_>` as text, and
//! `dialects::splice::set_model(body: &[u8], scan: &Scan, model: &str) -> Vec<u8>` (or anything that
//! derefs to bytes).
#![no_main]

use ai_gateway::dialects::{scan::scan, splice};
use libfuzzer_sys::fuzz_target;

const MODEL: &str = "served/\"by\\another";

fuzz_target!(|body: &[u8]| {
    let Ok(found) = scan(body) else { return };
    let written = splice::set_model(body, &found, MODEL);
    let again = scan(&written).expect("a spliced body is still a request");
    assert_eq!(again.model.as_deref(), Some(MODEL));
});
