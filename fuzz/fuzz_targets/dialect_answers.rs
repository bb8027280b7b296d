//! Whatever a provider answers, whole or as a stream, with a good status or not: it is read or refused, and
//! comes out in every dialect. The first byte picks the provider's dialect, the second the caller's, the
//! third the length of the pieces.
#![no_main]

use ai_gateway::{
    dialects::{Call, DIALECTS, emulate::Emulation, translate::Transcoder},
    error::GatewayError,
};
use bytes::Bytes;
use http::StatusCode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [which, who, length, body @ ..] = input else {
        return;
    };
    let provider = DIALECTS[usize::from(*which) % DIALECTS.len()];
    let caller = DIALECTS[usize::from(*who) % DIALECTS.len()];
    let _ = provider.read_error(StatusCode::BAD_REQUEST, body);
    let _ = provider.read_usage(body, true);
    let _ = provider.read_usage(body, false);
    let _ = provider.read_count(body);
    let call = Call {
        model: "m".to_owned(),
        include_usage: true,
        ..Call::default()
    };
    let emulation = match who & 128 {
        0 => Emulation::default(),
        _ => Emulation {
            is_regular: false,
            json_tool: Some("f".to_owned()),
            custom_tools: vec!["g".to_owned()],
        },
    };
    for (streamed_in, streamed_out) in [(true, true), (false, false), (true, false), (false, true)]
    {
        let ways = (streamed_in, streamed_out);
        let mut transcoder = Transcoder::new(provider, caller, &call, emulation.clone(), ways);
        let mut out = Vec::new();
        let is_read = body.chunks(usize::from(*length).max(1)).all(|piece| {
            transcoder
                .push(Bytes::copy_from_slice(piece), &mut out)
                .is_ok()
        });
        let is_complete = is_read && transcoder.finish(&mut out).is_ok();
        if !is_complete {
            transcoder.fail(&GatewayError::Internal("it broke".to_owned()), &mut out);
        } else if !streamed_out {
            // What was written is a whole answer of the caller's dialect.
            let read = caller.read_response(&out);
            let is_failure = read.as_ref().is_err_and(|error| !error.is_garbage);
            let shown = String::from_utf8_lossy(&out);
            assert!(read.is_ok() || is_failure, "{} {shown}", caller.name());
        }
    }
});
