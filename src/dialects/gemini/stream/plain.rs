//! The event that adds text and says nothing else, as nearly all of a stream do: written without a tree.

use serde::Serialize;

/// A piece of an answer's text or thoughts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) choice: u32,
    pub(super) text: &'a str,
    pub(super) is_thought: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    candidates: [Candidate<'a>; 1],
    model_version: &'a str,
    response_id: &'a str,
}

#[derive(Serialize)]
struct Candidate<'a> {
    content: Content<'a>,
    index: u32,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Text<'a>; 1],
    role: &'static str,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
}

/// The body of the event of `piece`.
pub(super) fn body<'a>(piece: Piece<'a>, model: &'a str, id: &'a str) -> impl Serialize + 'a {
    Body {
        candidates: [Candidate {
            content: Content {
                parts: [Text {
                    text: piece.text,
                    thought: piece.is_thought.then_some(true),
                }],
                role: "model",
            },
            index: piece.choice,
        }],
        model_version: model,
        response_id: id,
    }
}
