//! Which requests are measured, and at what rate.

use std::fmt;

use serde::Serialize;

use crate::bodies::{self, Answer};
use crate::kinds::Kind;
use crate::wire::{self, Stamp};

/// Events of a stream, and the pause before each in microseconds.
pub(crate) const CHUNKS: u64 = 50;
const GAP_US: u64 = 2_000;

/// What is asked and how it is answered.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Shape {
    /// OpenAI's dialect on both sides, one JSON document.
    Plain,
    /// OpenAI's dialect on both sides, a stream of events.
    Stream,
    /// The client speaks Anthropic's dialect, the upstream OpenAI's; a stream of events. The other
    /// proxies pass the same bytes and translate nothing.
    Translated,
}

/// One kind of request.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Case {
    pub(crate) bytes: usize,
    pub(crate) shape: Shape,
}

impl Case {
    /// All that are measured.
    pub(crate) fn all(quick: bool) -> Vec<Case> {
        let sizes: &[usize] = if quick {
            &[1 << 10, 128 << 10]
        } else {
            &[1 << 10, 16 << 10, 128 << 10, 1 << 20]
        };
        let plain = sizes.iter().map(|&bytes| (bytes, Shape::Plain));
        let streams = [Shape::Stream, Shape::Translated].map(|shape| (1 << 10, shape));
        plain
            .chain(streams)
            .map(|(bytes, shape)| Case { bytes, shape })
            .collect()
    }

    pub(crate) fn is_streamed(&self) -> bool {
        self.shape != Shape::Plain
    }

    /// Requests a second at the fixed rate.
    pub(crate) fn rate(&self) -> f64 {
        match (self.shape, self.bytes >= 1 << 20) {
            (Shape::Plain, false) => 500.0,
            (Shape::Plain, true) => 100.0,
            _ => 50.0,
        }
    }

    /// Connections of the closed loop.
    pub(crate) fn connections(&self) -> usize {
        if self.is_streamed() { 32 } else { 16 }
    }

    /// The request. All targets are sent the same, but where it is to be the same each time.
    pub(crate) fn request(&self, kind: Kind, agent: bool) -> Stamp {
        let answer = match self.shape {
            Shape::Plain => Answer::Plain,
            _ => Answer::Stream {
                chunks: CHUNKS,
                gap_us: GAP_US,
            },
        };
        let (path, body) = match (self.shape, agent) {
            (Shape::Translated, _) => ("/v1/messages", bodies::anthropic(self.bytes, answer)),
            (_, true) => (wire::CHAT, bodies::agent(self.bytes, answer)),
            (_, false) => (wire::CHAT, bodies::prose(self.bytes, answer)),
        };
        Stamp::new(wire::request(path, &body), !kind.repeats())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.shape {
            Shape::Plain => "plain",
            Shape::Stream => "streamed",
            Shape::Translated => "translated",
        };
        write!(formatter, "{} {kind}", size(self.bytes))
    }
}

pub(crate) fn size(bytes: usize) -> String {
    if bytes >= 1 << 20 {
        format!("{} MB", bytes >> 20)
    } else {
        format!("{} KB", bytes >> 10)
    }
}
