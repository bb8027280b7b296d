//! Answers that the client gets in other words than the provider's: streams in translation, and whole
//! answers, which are gathered first.

use std::collections::VecDeque;

use bytes::Bytes;
use pingora::http::ResponseHeader;

use crate::{
    chat::{resume::Said, usage::Usage},
    dialects::{Dialect, openai_chat::embeddings, translate::Transcoder},
    error::AnswerError,
};

/// The answer to a count of tokens is a few bytes.
const MAX_COUNT_BYTES: usize = 1 << 20;
/// Vectors are held to be encoded; a batch of 2,048 is about this large.
const MAX_VECTORS_BYTES: usize = 128 << 20;

/// A stream in translation.
pub struct Streamed {
    /// What translates it.
    pub(super) transcoder: Transcoder,
    /// The `content-type` that the client gets.
    pub(super) kind: &'static str,
    /// The head that the client gets, for where Pingora does not come to write it.
    pub(super) head: Option<ResponseHeader>,
    /// Pieces that were handed on and may not have been sent: Pingora gathers a few of them before it
    /// writes, and drops them where the next one is an error.
    pending: VecDeque<Bytes>,
    /// Bytes that are known to have been sent.
    sent: usize,
    /// What was written before the provider failed, and has not been sent.
    pub(super) unsent: Vec<u8>,
    /// Whether another provider's answer began it.
    pub(super) is_continued: bool,
}

/// A whole answer in translation.
pub struct Gathered {
    into: Into,
    /// Its head, which waits with it.
    pub(super) head: Option<ResponseHeader>,
    /// What the client gets, once all is here.
    pub(super) whole: Option<Bytes>,
    /// Its `content-type`.
    pub(super) kind: &'static str,
}

/// What a whole answer is turned into.
pub(super) enum Into {
    /// The same answer in the caller's dialect.
    Answer(Box<Transcoder>),
    /// A count of tokens: the provider's answer so far, and the caller's dialect.
    Count(Vec<u8>, &'static dyn Dialect),
    /// Embeddings: the provider's answer so far.
    Vectors(Vec<u8>),
}

impl Streamed {
    /// One that has not begun.
    pub(super) fn new(transcoder: Transcoder, kind: &'static str) -> Self {
        Streamed {
            transcoder,
            kind,
            head: None,
            pending: VecDeque::new(),
            sent: 0,
            unsent: Vec::new(),
            is_continued: false,
        }
    }

    /// The same stream, gone on with by another provider; `transcoder` makes the way of its answer of
    /// that of the one before.
    pub(super) fn continued(self, transcoder: impl FnOnce(Transcoder) -> Transcoder) -> Self {
        Streamed {
            unsent: self.unsent,
            is_continued: true,
            ..Streamed::new(transcoder(self.transcoder), self.kind)
        }
    }

    /// What the client has been told, where that is remembered.
    pub(super) fn said(&self) -> Option<&Said> {
        self.transcoder.said()
    }

    /// Whether the client has been told anything that matters.
    pub(super) fn has_content(&self) -> bool {
        self.said().is_some_and(Said::is_something)
    }

    /// Whether another provider can go on with it.
    pub(super) fn can_go_on(&self) -> bool {
        self.said().is_some_and(Said::can_go_on)
    }

    /// The last bytes, where all was said but the end itself.
    pub(super) fn complete(&mut self) -> Option<Bytes> {
        let mut out = std::mem::take(&mut self.unsent);
        if self.transcoder.complete(&mut out) {
            return Some(out.into());
        }
        self.unsent = out;
        None
    }

    /// Learns how much of its body the client's session has taken.
    pub(super) fn note_sent(&mut self, bytes: usize) {
        if bytes > 0 {
            self.head = None;
        }
        while let Some(first) = self.pending.front()
            && self.sent + first.len() <= bytes
        {
            self.sent += first.len();
            self.pending.pop_front();
        }
    }

    /// See [`super::answer::Answer::pass`].
    pub(super) fn pass(
        &mut self,
        piece: &mut Option<Bytes>,
        is_end: bool,
    ) -> Result<Option<Usage>, AnswerError> {
        // Of the answer before, where this one goes on with it.
        let mut out = std::mem::take(&mut self.unsent);
        let bytes = piece.take().unwrap_or_default();
        let mut passed = match bytes.is_empty() {
            true => Ok(()),
            false => self.transcoder.push(bytes, &mut out),
        };
        if is_end && passed.is_ok() {
            passed = self.transcoder.finish(&mut out);
        }
        match passed {
            Ok(()) => {
                *piece = (!out.is_empty()).then(|| out.into());
                self.pending.extend(piece.clone());
            }
            Err(error) => {
                self.unsent = std::mem::take(&mut self.pending)
                    .into_iter()
                    .flatten()
                    .collect();
                self.unsent.extend(out);
                return Err(error);
            }
        }
        Ok(self.transcoder.usage())
    }
}

impl Gathered {
    /// One of which nothing is here yet.
    pub(super) fn new(into: Into, kind: &'static str) -> Self {
        Gathered {
            into,
            kind,
            head: None,
            whole: None,
        }
    }

    /// See [`super::answer::Answer::produced`].
    pub(super) fn produced(&self) -> Option<u64> {
        match &self.into {
            Into::Answer(transcoder) => Some(transcoder.produced()),
            _ => None,
        }
    }

    /// See [`super::answer::Answer::pass`].
    pub(super) fn pass(
        &mut self,
        piece: Bytes,
        is_end: bool,
        dialect: &dyn Dialect,
    ) -> Result<Option<Usage>, AnswerError> {
        let mut out = Vec::new();
        match &mut self.into {
            Into::Answer(transcoder) => {
                if !piece.is_empty() {
                    transcoder.push(piece, &mut out)?;
                }
                if is_end {
                    transcoder.finish(&mut out)?;
                    self.whole = Some(out.into());
                }
                Ok(transcoder.usage())
            }
            Into::Vectors(body) => {
                if body.len() + piece.len() > MAX_VECTORS_BYTES {
                    return Err(AnswerError::garbage(
                        "The provider's vectors are too large.",
                    ));
                }
                body.extend_from_slice(&piece);
                if !is_end {
                    return Ok(None);
                }
                let encoded = embeddings::encode(body);
                let encoded = encoded.ok_or_else(|| {
                    AnswerError::garbage("The provider's vectors cannot be read.")
                })?;
                self.whole = Some(encoded.into());
                Ok(dialect.read_usage(body, false))
            }
            Into::Count(body, caller) => {
                if body.len() + piece.len() <= MAX_COUNT_BYTES {
                    body.extend_from_slice(&piece);
                }
                if is_end {
                    let count = dialect.read_count(body);
                    let count =
                        count.ok_or_else(|| AnswerError::garbage("The provider did not count."))?;
                    self.whole = Some(caller.write_count(count));
                }
                Ok(None)
            }
        }
    }
}
