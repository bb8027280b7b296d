//! However a stream is split, the same frames come out. The first byte is the length of the pieces.
//! Assumes `chat::sse::Frames::default()`, `push(&mut self, &[u8])` and
//! `next(&mut self) -> Option<Frame>` with `Frame: PartialEq + Debug` that owns its bytes.
#![no_main]

use ai_gateway::chat::sse::Frames;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&length, stream)) = input.split_first() else {
        return;
    };
    let read = |length: usize| {
        let (mut frames, mut all) = (Frames::default(), Vec::new());
        for piece in stream.chunks(length.max(1)) {
            frames.push(piece);
            while let Some(frame) = frames.next() {
                all.push(frame);
            }
        }
        all
    };
    assert_eq!(read(usize::from(length)), read(stream.len()));
});
