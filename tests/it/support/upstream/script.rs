//! What a scripted upstream does with a request.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

/// The answer to one request, or the lack of one.
#[derive(Clone)]
pub enum Script {
    /// A plain answer with `content-length`, after the whole request has been read.
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Bytes,
    },
    /// A plain JSON answer with `content-length`; over HTTP/2 its end comes in a frame of its own, later.
    EndsApart { body: Bytes, pause: Duration },
    /// The same, but only the request's head is read, and the connection closes after it.
    AnswerBeforeBody { status: u16, body: Bytes },
    /// A chunked SSE answer, step by step.
    Stream { steps: Vec<Step>, ending: Ending },
    /// A plain answer whose `content-length` promises more than comes.
    HalfPlain { ending: Ending },
    /// The connection closes as soon as it stands.
    CloseOnAccept,
    /// The request is read, then the connection is reset (RST) without an answer.
    ResetBeforeHead,
    /// The request is read, then the connection is closed (FIN) without an answer.
    CloseBeforeHead,
    /// The request is read, then nothing happens.
    Stall,
    /// The head of a good answer comes, one byte each `pause`.
    SlowHead { pause: Duration },
    /// Something that is not HTTP.
    Garbage,
    /// The request is read, and then nothing happens for a while.
    After {
        pause: Duration,
        script: Box<Script>,
    },
}

/// A part of a stream. Each [`Step::Write`] is one chunk and one write, and its time is recorded.
#[derive(Clone)]
pub enum Step {
    Write(Bytes),
    Pause(Duration),
    /// Waits until the test opens the gate.
    Wait(Gate),
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// Properly; the connection can be used again.
    Whole,
    /// Nothing more comes, and the connection stays open.
    Stall,
    /// RST.
    Reset,
    /// FIN without the last chunk.
    Truncate,
}

/// Holds streams until a test lets them go on.
#[derive(Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn closed() -> Self {
        Gate(watch::Sender::new(false))
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub async fn wait(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl Script {
    /// A JSON answer.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        let headers = vec![("content-type".into(), "application/json".into())];
        Script::Answer {
            status,
            headers,
            body: Bytes::from(body.into()),
        }
    }

    /// Adds a header to an [`Script::Answer`].
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Script::Answer { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// A whole stream of these frames, `pause` before each.
    pub fn frames<B: Into<Bytes>>(frames: impl IntoIterator<Item = B>, pause: Duration) -> Self {
        let mut steps = Vec::new();
        for frame in frames {
            if !pause.is_zero() {
                steps.push(Step::Pause(pause));
            }
            steps.push(Step::Write(frame.into()));
        }
        Script::Stream {
            steps,
            ending: Ending::Whole,
        }
    }

    /// These frames at once, then `ending`.
    pub fn broken<B: Into<Bytes>>(frames: impl IntoIterator<Item = B>, ending: Ending) -> Self {
        let steps = frames
            .into_iter()
            .map(|frame| Step::Write(frame.into()))
            .collect();
        Script::Stream { steps, ending }
    }

    /// The same after a while.
    pub fn after(self, pause: Duration) -> Self {
        let script = Box::new(self);
        Script::After { pause, script }
    }

    /// How long nothing happens, and what happens then.
    pub(super) fn timed(&self) -> (Duration, &Script) {
        match self {
            Script::After { pause, script } => (*pause, script),
            script => (Duration::ZERO, script),
        }
    }

    /// Whether the body is read before anything is done.
    pub(super) fn reads_the_body(&self) -> bool {
        !matches!(self, Script::AnswerBeforeBody { .. })
    }
}
