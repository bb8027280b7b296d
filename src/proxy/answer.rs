//! What becomes of a provider's answer on its way to the client: passed on and watched for usage,
//! or, where it is an error, withheld and read so that the client gets it in its own shape.

use bytes::{Bytes, BytesMut};

use crate::{
    chat::{sse::Frames, usage::Usage},
    dialects::Dialect,
};

/// An error's body beyond this is cut off.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// A whole answer beyond this is not searched for its usage, which would cost a copy.
const MAX_WATCHED_BYTES: usize = 1 << 20;

/// What becomes of an answer.
#[derive(Debug)]
pub enum Answer {
    /// Not here yet.
    Undecided,
    /// Passed on as it comes: upgraded connections, encoded bodies.
    Raw,
    /// Passed on as it comes, kept for a look at its usage.
    Plain(Vec<Bytes>, usize),
    /// Passed on event by event.
    Events(Frames),
    /// Read, not passed on.
    Withheld(BytesMut),
}

impl Answer {
    /// What has been read of an answer that is withheld.
    pub fn withheld(&mut self) -> Option<Bytes> {
        match self {
            Answer::Withheld(body) => Some(body.split().freeze()),
            _ => None,
        }
    }

    /// Takes the next piece of the body and leaves in its place what the client gets now.
    /// Gives back the usage, once it is known.
    pub fn pass(
        &mut self,
        piece: &mut Option<Bytes>,
        is_end: bool,
        dialect: &dyn Dialect,
    ) -> Option<Usage> {
        match self {
            Answer::Undecided | Answer::Raw => None,
            Answer::Withheld(body) => {
                let bytes = piece.take().unwrap_or_default();
                let room = MAX_ERROR_BYTES.saturating_sub(body.len());
                body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
                None
            }
            Answer::Plain(pieces, length) => {
                if let Some(bytes) = piece.as_ref().filter(|bytes| !bytes.is_empty()) {
                    *length += bytes.len();
                    if *length <= MAX_WATCHED_BYTES {
                        pieces.push(bytes.clone());
                    }
                }
                if !is_end || *length > MAX_WATCHED_BYTES {
                    return None;
                }
                match pieces.as_slice() {
                    [whole] => dialect.read_usage(whole, false),
                    pieces => dialect.read_usage(&pieces.concat(), false),
                }
            }
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
                usage
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::openai_chat::OpenAiChat;

    fn feed(answer: &mut Answer, pieces: &[&'static str]) -> (String, Option<Usage>) {
        let (mut out, mut usage) = (String::new(), None);
        for (index, text) in pieces.iter().enumerate() {
            let mut piece = Some(Bytes::from_static(text.as_bytes()));
            let seen = answer.pass(&mut piece, index + 1 == pieces.len(), &OpenAiChat);
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
        let (out, usage) = feed(&mut Answer::Plain(Vec::new(), 0), &pieces);
        assert_eq!(out, pieces.concat());
        assert_eq!(usage.unwrap().output, 4);
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
    fn an_error_is_withheld_and_bounded() {
        let mut answer = Answer::Withheld(BytesMut::new());
        let mut piece = Some(Bytes::from(vec![b'x'; MAX_ERROR_BYTES + 1]));
        answer.pass(&mut piece, true, &OpenAiChat);
        let Answer::Withheld(body) = answer else {
            unreachable!()
        };
        assert_eq!((body.len(), piece), (MAX_ERROR_BYTES, None));
    }
}
