//! What becomes of a provider's answer on its way to the client: passed on and watched for usage,
//! translated, or, where it is an error, withheld and read so that the client gets it in its own
//! shape.

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use pingora::http::ResponseHeader;

use super::{
    headers,
    rewritten::{Gathered, Into, Streamed},
};
use crate::{
    chat::{estimate::Counter, sse::Frames, usage::Usage},
    dialects::{Dialect, translate::Transcoder},
    error::{AnswerError, GatewayError},
};

/// An error's body beyond this is cut off.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// A whole answer beyond this is not searched for its usage, which would cost a copy.
const MAX_WATCHED_BYTES: usize = 1 << 20;

const JSON: &str = "application/json";

/// What becomes of an answer.
#[derive(Default)]
pub enum Answer {
    /// Not here yet.
    #[default]
    Undecided,
    /// Passed on as it comes: upgraded connections, encoded bodies.
    Raw,
    /// Passed on as it comes, kept for a look at its usage.
    Plain(Watched),
    /// Passed on event by event.
    Events(Frames),
    /// Translated as it comes, into a stream of this type.
    Streamed(Box<Streamed>),
    /// Read to its end, then translated: its head waits until it is known to be an answer.
    Gathered(Box<Gathered>),
    /// Read, not passed on.
    Withheld(BytesMut),
}

/// A whole answer as it passes.
#[derive(Default)]
pub struct Watched {
    pieces: Vec<Bytes>,
    length: usize,
    /// Whether it is a stream after all, in lines of JSON.
    is_stream: bool,
    /// Of such a stream the line that is not whole yet.
    line: Vec<u8>,
    /// Whether the line has passed by which a client knows that it is over.
    is_closed: bool,
}

impl Answer {
    /// An answer that goes through `transcoder`; `kind` is the `content-type` of a stream.
    pub fn translated(transcoder: Transcoder, kind: &'static str) -> Self {
        match (transcoder.is_stream(), transcoder.is_whole()) {
            (true, false) => Answer::Streamed(Box::new(Streamed::new(transcoder, kind))),
            // What comes whole is known to be an answer before its first byte goes out.
            (true, true) => Answer::gathering(Into::Answer(Box::new(transcoder)), kind),
            (false, _) => Answer::gathering(Into::Answer(Box::new(transcoder)), JSON),
        }
    }

    fn gathering(into: Into, kind: &'static str) -> Self {
        Answer::Gathered(Box::new(Gathered::new(into, kind)))
    }

    /// Embeddings whose vectors are to be put into base64.
    pub fn vectors() -> Self {
        Answer::gathering(Into::Vectors(Vec::new()), JSON)
    }

    /// A count of tokens, for `caller`.
    pub fn count(caller: &'static dyn Dialect) -> Self {
        Answer::gathering(Into::Count(Vec::new(), caller), JSON)
    }

    /// What has been read of an answer that is withheld.
    pub fn withheld(&mut self) -> Option<Bytes> {
        match self {
            Answer::Withheld(body) => Some(body.split().freeze()),
            _ => None,
        }
    }

    /// Keeps the head of an answer that is gathered until its body can be read, and of a stream in
    /// translation until a piece of it has been sent.
    pub fn keep_head(&mut self, head: &ResponseHeader) {
        match self {
            Answer::Gathered(gathered) => gathered.head = Some(head.clone()),
            Answer::Streamed(streamed) => streamed.head = Some(head.clone()),
            _ => {}
        }
    }

    /// Whether it is a stream in translation that has said something by now, to whoever has heard it.
    pub fn has_said(&self) -> bool {
        matches!(self, Answer::Streamed(streamed) if streamed.transcoder.has_said())
    }

    /// The head of a stream that said something, none of which the client has heard.
    pub fn take_unsaid(&mut self) -> Option<ResponseHeader> {
        match self {
            Answer::Streamed(streamed) if streamed.transcoder.has_said() => streamed.head.take(),
            _ => None,
        }
    }

    /// How many tokens the provider has said so far, about, where that is counted: of an answer that passes
    /// event by event in `meter`.
    pub fn produced(&self, meter: &Counter) -> Option<u64> {
        match self {
            Answer::Events(_) => Some(meter.tokens()),
            Answer::Streamed(streamed) => Some(streamed.transcoder.produced()),
            Answer::Gathered(gathered) => gathered.produced(),
            _ => None,
        }
    }

    /// Head and body of an answer that was gathered, once it is whole.
    pub fn take_reply(&mut self) -> Option<(ResponseHeader, Bytes)> {
        let Answer::Gathered(gathered) = self else {
            return None;
        };
        let (mut head, body) = (gathered.head.take()?, gathered.whole.take()?);
        let kind = HeaderValue::from_static(gathered.kind);
        headers::set_framing(&mut head, kind, Some(body.len()));
        Some((head, body))
    }

    /// Whether it is gathered, and not yet whole.
    pub fn is_gathering(&self) -> bool {
        matches!(self, Answer::Gathered(gathered) if gathered.whole.is_none())
    }

    /// Whether what was passed on so far ends in the middle of an event, which was too large to hold.
    pub fn is_inside_event(&self) -> bool {
        matches!(self, Answer::Events(frames) if frames.is_cut())
    }

    /// Learns how much of its body the client's session has taken.
    pub fn note_sent(&mut self, bytes: usize) {
        if let Answer::Streamed(streamed) = self {
            streamed.note_sent(bytes);
        }
    }

    /// The `content-type` of a stream in translation.
    pub fn stream_type(&self) -> Option<&'static str> {
        match self {
            Answer::Streamed(streamed) => Some(streamed.kind),
            _ => None,
        }
    }

    /// What ends a stream that has begun and cannot be completed; `None` for anything else, which
    /// must break off visibly.
    pub fn last_words(&mut self, caller: &dyn Dialect, error: &GatewayError) -> Option<Bytes> {
        match self {
            Answer::Events(_) => Some(caller.write_stream_error(error)),
            Answer::Streamed(streamed) => {
                let mut out = std::mem::take(&mut streamed.unsent);
                streamed.transcoder.fail(error, &mut out);
                Some(out.into())
            }
            _ => None,
        }
    }

    /// Takes the next piece of the body and leaves in its place what the client gets now.
    /// Gives back the usage, once it is known. `dialect` is the provider's.
    ///
    /// # Errors
    /// The provider's failure inside an answer that is being translated.
    pub fn pass(
        &mut self,
        piece: &mut Option<Bytes>,
        is_end: bool,
        dialect: &dyn Dialect,
    ) -> Result<Option<Usage>, AnswerError> {
        match self {
            Answer::Undecided | Answer::Raw => Ok(None),
            Answer::Withheld(body) => {
                let bytes = piece.take().unwrap_or_default();
                let room = MAX_ERROR_BYTES.saturating_sub(body.len());
                body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
                Ok(None)
            }
            Answer::Plain(watched) => Ok(watched.pass(piece.as_ref(), is_end, dialect)),
            Answer::Events(frames) => {
                let mut out = frames.push(piece.take().unwrap_or_default());
                if is_end {
                    let rest = frames.finish();
                    if !rest.is_empty() {
                        out = [out, rest].concat().into();
                    }
                }
                let usage = dialect.read_usage(&out, true);
                *piece = (!out.is_empty()).then_some(out);
                Ok(usage)
            }
            Answer::Streamed(streamed) => streamed.pass(piece, is_end),
            Answer::Gathered(gathered) => {
                gathered.pass(piece.take().unwrap_or_default(), is_end, dialect)
            }
        }
    }
}

impl Watched {
    /// A stream in lines of JSON.
    pub fn lines() -> Self {
        Watched {
            is_stream: true,
            ..Watched::default()
        }
    }

    /// Whether the line has passed by which a client knows that the stream is over.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Looks for the last line of a stream, however pieces cut it, and for the usage in it.
    fn pass_lines(&mut self, piece: &Bytes, dialect: &dyn Dialect) -> Option<Usage> {
        let end = memchr::memrchr(b'\n', piece).map_or(0, |at| at + 1);
        let (whole, rest) = piece.split_at_checked(end)?;
        let mut usage = None;
        if !whole.is_empty() {
            self.line.extend_from_slice(whole);
            if dialect.closing().is_in(&self.line) {
                self.is_closed = true;
                usage = dialect.read_usage(&self.line, true);
            }
            self.line.clear();
        }
        if self.line.len() <= MAX_WATCHED_BYTES {
            self.line.extend_from_slice(rest);
        }
        usage
    }

    fn pass(
        &mut self,
        piece: Option<&Bytes>,
        is_end: bool,
        dialect: &dyn Dialect,
    ) -> Option<Usage> {
        if let Some(bytes) = piece.filter(|bytes| !bytes.is_empty()) {
            self.length += bytes.len();
            if self.length <= MAX_WATCHED_BYTES {
                self.pieces.push(bytes.clone());
            } else {
                self.pieces.clear();
            }
        }
        if !is_end && self.is_stream {
            return self.pass_lines(piece?, dialect);
        }
        if !is_end || self.length > MAX_WATCHED_BYTES {
            return None;
        }
        match self.pieces.as_slice() {
            [whole] => dialect.read_usage(whole, self.is_stream),
            pieces => dialect.read_usage(&pieces.concat(), self.is_stream),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::{ollama::Ollama, openai_chat::OpenAiChat};

    fn feed(answer: &mut Answer, pieces: &[&'static str]) -> (String, Option<Usage>) {
        let (mut out, mut usage) = (String::new(), None);
        for (index, text) in pieces.iter().enumerate() {
            let mut piece = Some(Bytes::from_static(text.as_bytes()));
            let is_end = index + 1 == pieces.len();
            let seen = answer.pass(&mut piece, is_end, &OpenAiChat).unwrap();
            usage = seen.or(usage);
            out.push_str(std::str::from_utf8(&piece.unwrap_or_default()).unwrap());
        }
        (out, usage)
    }

    #[test]
    fn a_plain_answer_passes_and_yields_its_usage() {
        let pieces = [
            "{\"usage\":{\"prompt_",
            "tokens\":3,\"completion_tokens\":4}}",
            "",
        ];
        let (out, usage) = feed(&mut Answer::Plain(Watched::default()), &pieces);
        assert_eq!(out, pieces.concat());
        assert_eq!(usage.unwrap().output, 4);
    }

    #[test]
    fn the_last_line_of_a_stream_in_lines_is_seen_however_it_is_cut() {
        let text = "{\"done\":false}\n{\"done\":true,\"prompt_eval_count\":3,\"eval_count\":4}\n";
        for cut in 0..text.len() {
            let mut watched = Watched::lines();
            let pieces = [text.get(..cut), text.get(cut..)];
            let mut usage = None;
            for piece in pieces.into_iter().flatten() {
                let piece = Bytes::from_static(piece.as_bytes());
                usage = watched.pass(Some(&piece), false, &Ollama).or(usage);
            }
            assert!(watched.is_closed());
            assert_eq!(usage.unwrap().output, 4);
        }
    }

    #[test]
    fn the_end_of_a_stream_without_a_blank_line_is_not_lost() {
        let (out, _) = feed(
            &mut Answer::Events(Frames::default()),
            &["data: 1\n\nda", "ta: 2"],
        );
        assert_eq!(out, "data: 1\n\ndata: 2");
    }

    #[test]
    fn what_was_not_sent_before_a_failure_is_sent_with_the_last_words() {
        let chunk = |text: &str| {
            let text = format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
            );
            Some(Bytes::from(text))
        };
        let caller: &'static dyn Dialect = &crate::dialects::anthropic::Anthropic;
        let (call, emulation) = Default::default();
        let transcoder = Transcoder::new(&OpenAiChat, caller, &call, emulation, (true, true));
        let mut answer = Answer::translated(transcoder, "text/event-stream");
        let mut first = chunk("one");
        answer.pass(&mut first, false, &OpenAiChat).unwrap();
        answer.note_sent(first.unwrap().len());
        answer.pass(&mut chunk("two"), false, &OpenAiChat).unwrap();
        let mut error = Some(Bytes::from_static(
            b"data: {\"error\":{\"message\":\"no\"}}\n\n",
        ));
        answer.pass(&mut error, false, &OpenAiChat).unwrap_err();
        let last = answer.last_words(caller, &GatewayError::Draining).unwrap();
        let last = String::from_utf8_lossy(&last);
        assert!(!last.contains("one") && last.contains("two"), "{last}");
    }

    #[test]
    fn an_error_is_withheld_and_bounded() {
        let mut answer = Answer::Withheld(BytesMut::new());
        let mut piece = Some(Bytes::from(vec![b'x'; MAX_ERROR_BYTES + 1]));
        answer.pass(&mut piece, true, &OpenAiChat).unwrap();
        let Answer::Withheld(body) = answer else {
            unreachable!()
        };
        assert_eq!((body.len(), piece), (MAX_ERROR_BYTES, None));
    }
}
