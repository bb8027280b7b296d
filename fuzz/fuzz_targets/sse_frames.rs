//! However a stream is split, every byte comes out once and in order, and nothing but whole events
//! before the end. The first byte is the length of the pieces.
#![no_main]

use ai_gateway::chat::sse::Frames;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&length, stream)) = input.split_first() else {
        return;
    };
    let (passed, left) = read(stream, usize::from(length).max(1));
    assert_eq!([&passed[..], &left[..]].concat(), stream);
    // Half of a CRLF at a piece's end may pass as a CR, and blank lines after an event may pass or
    // stay with what follows; else the split must not show.
    if !stream.contains(&b'\r') {
        let (passed_whole, left_whole) = read(stream, stream.len().max(1));
        assert_eq!(passed.trim_ascii_end(), passed_whole.trim_ascii_end());
        assert_eq!(left.trim_ascii_start(), left_whole.trim_ascii_start());
    }
});

/// What passed before the stream's end, and what was left then.
fn read(stream: &[u8], length: usize) -> (Vec<u8>, Bytes) {
    let (mut frames, mut passed) = (Frames::default(), Vec::new());
    for piece in stream.chunks(length) {
        let events = frames.push(Bytes::copy_from_slice(piece));
        assert!(events.is_empty() || events.ends_with(b"\n") || events.ends_with(b"\r"));
        passed.extend_from_slice(&events);
    }
    (passed, frames.finish())
}
