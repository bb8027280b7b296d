//! One choice of an answer that is written as a stream: what of its open part has to wait, and what its
//! last event says.

use serde_json::{Map, Value, json};

use super::super::{NAME, citation, finish, logprobs, part::empty_text, response};
use crate::chat::{
    event::Delta,
    extra::Extra,
    part::{Citation, Content, Part, Text, Thinking},
    response::{Finish, TokenLogprob},
};

/// A choice so far.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) index: u32,
    /// The open part: what of it is not written yet.
    open: Option<Part>,
    pub(super) has_parts: bool,
    has_tool_calls: bool,
    /// Its texts and their sources.
    texts: Vec<(String, Vec<Citation>)>,
    pub(super) tokens: Vec<TokenLogprob>,
    pub(super) finish: Option<(Finish, Extra)>,
}

impl Choice {
    pub(super) fn new(index: u32) -> Self {
        Choice {
            index,
            ..Choice::default()
        }
    }

    /// Takes a part that begins; gives back what can be written of it at once.
    pub(super) fn open(&mut self, mut part: Part) -> Option<Part> {
        self.has_tool_calls |= part.is_tool_call();
        if let Content::Refusal(text) = part.content {
            part.content = Content::Text(Text {
                text,
                ..Text::default()
            });
        }
        let new = match &mut part.content {
            Content::Text(text) => {
                let citations = std::mem::take(&mut text.citations);
                self.texts.push((text.text.clone(), citations));
                let text = std::mem::take(&mut text.text);
                written(&part, text)
            }
            Content::Thinking(thinking) => {
                let text = std::mem::take(&mut thinking.text);
                written(&part, text)
            }
            _ => None,
        };
        if new.is_some() {
            part.extra = Extra::default();
        }
        self.open = Some(part);
        new
    }

    /// Takes more of the open part; gives back what can be written at once.
    pub(super) fn extend(&mut self, delta: Delta) -> Option<Part> {
        let open = self.open.as_mut()?;
        match (&open.content, delta) {
            (Content::Text(_), Delta::Text(more)) => {
                if let Some((text, _)) = self.texts.last_mut() {
                    text.push_str(&more);
                }
                written(open, more)
            }
            (Content::Thinking(_), Delta::Text(more)) => written(open, more),
            (Content::Text(_), Delta::Citation(citation)) => {
                let last = self.texts.last_mut()?;
                last.1.push(citation);
                None
            }
            (_, delta) => {
                open.extend(delta);
                None
            }
        }
    }

    /// Whether more of the open part is text and nothing else.
    pub(super) fn is_plain(&self) -> bool {
        let is_text = |part: &Part| {
            let is_text = matches!(part.content, Content::Text(_) | Content::Thinking(_));
            is_text && part.extra.is_empty()
        };
        self.tokens.is_empty() && self.open.as_ref().is_some_and(is_text)
    }

    /// Adds to an open part that [`Choice::is_plain`]; says whether it is thoughts.
    pub(super) fn add(&mut self, more: &str) -> bool {
        let is_thought = |part: &Part| matches!(part.content, Content::Thinking(_));
        let is_thought = self.open.as_ref().is_some_and(is_thought);
        if let (false, Some((text, _))) = (is_thought, self.texts.last_mut()) {
            text.push_str(more);
        }
        is_thought
    }

    /// What is left of the part that ends: its signature, or all of a part that is sent whole.
    pub(super) fn close(&mut self) -> Option<Part> {
        let part = self.open.take()?;
        match &part.content {
            Content::Text(text) => text.signature.is_some().then_some(part),
            Content::Thinking(thinking) => thinking.opaque.is_some().then_some(part),
            _ => Some(part),
        }
    }

    pub(super) fn candidate(&mut self, part: Value) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("content".into(), json!({"parts": [part], "role": "model"}));
        out.insert("index".into(), self.index.into());
        if !self.tokens.is_empty() {
            let tokens = std::mem::take(&mut self.tokens);
            out.insert("logprobsResult".into(), logprobs::write(tokens));
        }
        out
    }

    pub(super) fn last(&mut self) -> Value {
        let mut out = self.candidate(empty_text());
        let Some((finish, mut extra)) = self.finish.take() else {
            return Value::Object(out);
        };
        let reason = finish::write(&finish, self.has_tool_calls);
        out.insert("finishReason".into(), reason);
        let own = extra.take(NAME);
        let has_own = own.contains_key("groundingMetadata") || own.contains_key("citationMetadata");
        if !has_own && let Some(grounding) = citation::write(&self.texts) {
            out.insert("groundingMetadata".into(), grounding);
        }
        response::fill(&mut out, own);
        Value::Object(out)
    }
}

/// A piece of text or of thoughts, of the same kind as `part` and without its signature.
fn written(part: &Part, text: String) -> Option<Part> {
    if text.is_empty() {
        return None;
    }
    let content = match &part.content {
        Content::Thinking(_) => Content::Thinking(Thinking {
            text,
            ..Thinking::default()
        }),
        _ => {
            return Some(Part {
                extra: part.extra.clone(),
                ..Part::text(text)
            });
        }
    };
    Some(Part {
        content,
        cache: None,
        extra: part.extra.clone(),
    })
}
