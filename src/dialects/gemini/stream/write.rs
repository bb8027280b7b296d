//! Writes a stream. Google sends calls whole, so that a call's pieces are held until it is complete;
//! text never is. Why it ended and what it used stand in the last event.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    super::{ARRAY, NAME, error, names, part::for_caller, response, usage},
    choice::Choice,
    plain::{self, Piece},
};
use crate::{
    chat::{
        event::{Delta, Event, Start},
        id,
        part::Part,
    },
    dialects::{Call, StreamWriter},
    error::GatewayError,
};

/// See [`StreamWriter`].
#[derive(Debug, Default)]
pub(super) struct Writer {
    is_array: bool,
    has_written: bool,
    model: String,
    id: Option<String>,
    own: Map<String, Value>,
    counts: Map<String, Value>,
    choices: Vec<Choice>,
}

impl Writer {
    pub(super) fn new(call: &Call) -> Self {
        Writer {
            is_array: call.form == Some(ARRAY),
            model: call.model.clone(),
            ..Writer::default()
        }
    }
}

impl StreamWriter for Writer {
    fn write(&mut self, event: Event, out: &mut Vec<u8>) {
        match event {
            Event::Start(start) => self.start(start),
            Event::Open { choice, part, .. } => {
                let new = self.choice(choice).open(part);
                self.parts(choice, new, out);
            }
            Event::Delta {
                choice,
                delta: Delta::Text(text),
                ..
            } if self.adds_text(choice, &text) => self.text(choice, &text, out),
            Event::Delta { choice, delta, .. } => {
                let new = self.choice(choice).extend(delta);
                self.parts(choice, new, out);
            }
            Event::Close { choice, .. } => {
                let new = self.choice(choice).close();
                self.parts(choice, new, out);
            }
            Event::Logprobs { choice, tokens } => self.choice(choice).tokens.extend(tokens),
            Event::Finish {
                choice,
                finish,
                extra,
            } => self.choice(choice).finish = Some((finish, extra)),
            Event::Usage {
                usage: counted,
                mut extra,
            } => {
                let own = extra.take(NAME);
                self.counts = if own.is_empty() {
                    usage::write(&counted)
                } else {
                    own
                };
            }
            Event::Extra(mut extra) => self.own.extend(extra.take(NAME)),
            // The error has its own way: `fail`.
            Event::Failed(_) => {}
            Event::Done => self.end(out),
        }
    }

    fn fail(&mut self, failure: &GatewayError, out: &mut Vec<u8>) {
        if self.is_array {
            self.frame(&error::object(failure), out);
            out.extend_from_slice(b"\n]\n");
        } else {
            out.extend_from_slice(&error::write_event(failure));
        }
    }
}

impl Writer {
    fn start(&mut self, start: Start) {
        if let Some(model) = start.model {
            self.model = model;
        }
        self.id = start.id;
        self.own.extend({ start.extra }.take(NAME));
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let known = |choice: &Choice| choice.index == index;
        let at = match self.choices.iter().position(known) {
            Some(at) => at,
            None => {
                self.choices.push(Choice::new(index));
                self.choices.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "found or pushed just now")]
        &mut self.choices[at]
    }

    /// Writes an event with these parts.
    fn parts(&mut self, choice: u32, part: Option<Part>, out: &mut Vec<u8>) {
        let Some(part) = part.and_then(for_caller) else {
            return;
        };
        let choice = self.choice(choice);
        choice.has_parts = true;
        let candidate = choice.candidate(part);
        self.event(vec![Value::Object(candidate)], out);
    }

    /// Whether a text is all that its event says.
    fn adds_text(&mut self, choice: u32, text: &str) -> bool {
        self.own.is_empty() && !text.is_empty() && self.choice(choice).is_plain()
    }

    /// Writes an event with a piece of the open text or thoughts.
    fn text(&mut self, index: u32, text: &str, out: &mut Vec<u8>) {
        let choice = self.choice(index);
        choice.has_parts = true;
        let piece = Piece {
            choice: index,
            text,
            is_thought: choice.add(text),
        };
        let id = self.id.get_or_insert_with(|| id::new("")).clone();
        let model = std::mem::take(&mut self.model);
        self.frame(&plain::body(piece, &model, &id), out);
        self.model = model;
    }

    fn event(&mut self, candidates: Vec<Value>, out: &mut Vec<u8>) {
        let mut body = Map::new();
        if !candidates.is_empty() {
            body.insert("candidates".into(), candidates.into());
        }
        body.insert("modelVersion".into(), self.model.clone().into());
        let id = self.id.get_or_insert_with(|| id::new(""));
        body.insert("responseId".into(), id.clone().into());
        names::fill(&mut body, self.own.clone());
        self.frame(&Value::Object(body), out);
    }

    fn frame<T: Serialize>(&mut self, value: &T, out: &mut Vec<u8>) {
        let (before, behind): (&[u8], &[u8]) = match (self.is_array, self.has_written) {
            (false, _) => (b"data: ", b"\r\n\r\n"),
            (true, false) => (b"[", b""),
            (true, true) => (b"\n,\r\n", b""),
        };
        self.has_written = true;
        out.extend_from_slice(before);
        // Writing to a vector does not fail.
        let _ = serde_json::to_writer(&mut *out, value);
        out.extend_from_slice(behind);
    }

    /// The last event: why each choice ended, and what all of it used.
    fn end(&mut self, out: &mut Vec<u8>) {
        let mut choices = std::mem::take(&mut self.choices);
        let is_silent = choices.iter().all(|choice| !choice.has_parts);
        let candidates = match is_silent && response::is_blocked(&self.own) {
            true => Vec::new(),
            false => choices.iter_mut().map(Choice::last).collect(),
        };
        if !self.counts.is_empty() {
            let counts = std::mem::take(&mut self.counts);
            self.own.insert("usageMetadata".into(), counts.into());
        }
        self.event(candidates, out);
        if self.is_array {
            out.extend_from_slice(b"\n]\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{
        extra::Extra,
        part::{Content, ToolCall},
        response::{Finish, FinishReason},
        usage::Usage,
    };
    use serde_json::json;

    fn write(form: Option<&'static str>, events: Vec<Event>) -> String {
        let call = Call {
            model: "m".into(),
            form,
            ..Call::default()
        };
        let (mut writer, mut out) = (Writer::new(&call), Vec::new());
        events
            .into_iter()
            .for_each(|event| writer.write(event, &mut out));
        String::from_utf8(out).unwrap()
    }

    fn open(block: u32, part: Part) -> Event {
        Event::Open {
            choice: 0,
            block,
            part,
        }
    }

    fn delta(block: u32, delta: Delta) -> Event {
        Event::Delta {
            choice: 0,
            block,
            delta,
        }
    }

    fn sample() -> Vec<Event> {
        let call = ToolCall {
            id: Some("x".into()),
            name: "f".into(),
            ..ToolCall::default()
        };
        vec![
            Event::Start(Start {
                id: Some("r".into()),
                ..Start::default()
            }),
            open(0, Part::text("")),
            delta(0, Delta::Text("hi".into())),
            Event::Close {
                choice: 0,
                block: 0,
            },
            open(1, Part::new(Content::ToolCall(call))),
            delta(1, Delta::Arguments("{\"a\"".into())),
            delta(1, Delta::Arguments(":1}".into())),
            Event::Close {
                choice: 0,
                block: 1,
            },
            Event::Finish {
                choice: 0,
                finish: Finish::new(FinishReason::ToolCalls),
                extra: Extra::default(),
            },
            Event::Usage {
                usage: Usage {
                    input: 1,
                    output: 2,
                    ..Usage::default()
                },
                extra: Extra::default(),
            },
            Event::Done,
        ]
    }

    #[test]
    fn text_goes_out_at_once_calls_whole_and_counts_last() {
        let out = write(None, sample());
        let chunks: Vec<Value> = out
            .split("\r\n\r\n")
            .filter_map(|frame| serde_json::from_str(frame.strip_prefix("data: ")?).ok())
            .collect();
        let part = |at: usize| chunks[at]["candidates"][0]["content"]["parts"][0].clone();
        assert_eq!(chunks.len(), 3);
        assert_eq!(part(0), json!({"text": "hi"}));
        assert_eq!(
            part(1),
            json!({"functionCall": {"id": "x", "name": "f", "args": {"a": 1}}})
        );
        assert_eq!(chunks[2]["candidates"][0]["finishReason"], "STOP");
        assert_eq!(chunks[2]["usageMetadata"]["totalTokenCount"], 3);
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk["responseId"] == "r" && chunk["modelVersion"] == "m")
        );
    }

    #[test]
    fn an_array_is_one_json_document_even_where_it_fails() {
        let whole: Value = serde_json::from_str(&write(Some(ARRAY), sample())).unwrap();
        assert_eq!(whole.as_array().unwrap().len(), 3);
        let call = Call {
            form: Some(ARRAY),
            ..Call::default()
        };
        let (mut writer, mut out) = (Writer::new(&call), Vec::new());
        writer.write(open(0, Part::text("a")), &mut out);
        writer.fail(&GatewayError::Draining, &mut out);
        let whole: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(whole[1]["error"]["status"], "UNAVAILABLE");
    }
}
