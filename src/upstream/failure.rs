//! What a failure of the transport is called, in metrics and logs.

use std::io;

use pingora::{Error, ErrorType};

use crate::error::Outcome;

/// The word for `error`; `has_head` where the answer's head had arrived by then.
pub fn classify(error: &Error, has_head: bool) -> Outcome {
    use ErrorType::*;
    match error.root_etype() {
        ConnectRefused | ConnectNoRoute | BindError | SocketError | ConnectProxyFailure => {
            Outcome::Refused
        }
        ConnectTimedout | TLSHandshakeTimedout | ReadTimedout | WriteTimedout => Outcome::Timeout,
        TLSHandshakeFailure | TLSWantX509Lookup | InvalidCert | HandshakeError => Outcome::Tls,
        _ if has_head && !is_reset(error) => Outcome::Truncated,
        InvalidHTTPHeader | H1Error | H2Downgrade | InvalidH2 => Outcome::Garbage,
        _ => Outcome::Reset,
    }
}

/// Whether the other side cut the connection rather than close it.
fn is_reset(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionReset)
}
