//! Bytes ↔ the gateway's own language, without I/O. One folder a dialect, the same verbs in each.
//! [`DIALECTS`] is the registry: a new dialect is a folder, its `mod` line and its entry there.

pub mod anthropic;
pub mod gemini;
pub mod openai_chat;
pub mod scan;
pub mod splice;

use std::ops::Range;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::{chat::usage::Usage, error::GatewayError};
use splice::Cuts;

/// A way to speak to language models over HTTP.
pub trait Dialect: Sync {
    /// Its name in configuration, logs and metrics.
    fn name(&self) -> &'static str;

    /// What routing must know of a request, read in one pass without building a tree.
    ///
    /// # Errors
    /// `InvalidBody` where the body is not an object of this dialect, naming the field.
    fn inspect(&self, body: &[u8]) -> Result<Inspection, GatewayError>;

    /// The error as a whole answer's body; the status is the error's own.
    fn write_error(&self, error: &GatewayError) -> Bytes;

    /// The error as the event that ends a stream which has begun.
    fn write_stream_error(&self, error: &GatewayError) -> Bytes;

    /// What a provider of this dialect says in the body of an answer of 400 or more.
    fn read_error(&self, status: StatusCode, body: &[u8]) -> ProviderMessage;

    /// The usage in a whole answer, or in one or more whole stream events.
    fn read_usage(&self, bytes: &[u8], stream: bool) -> Option<Usage>;
}

/// All dialects.
pub const DIALECTS: &[&dyn Dialect] = &[
    &openai_chat::OpenAiChat,
    &anthropic::Anthropic,
    &gemini::Gemini,
];

/// The dialect of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Dialect> {
    DIALECTS
        .iter()
        .copied()
        .find(|dialect| dialect.name() == name)
}

/// What routing must know of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inspection {
    /// The model that it asks for.
    pub model: Option<String>,
    /// Where the model's name stands in the body.
    pub model_at: ModelPlace,
    /// The gateway's own fields, to be cut before a provider sees them.
    pub cuts: Cuts,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The provider that it asks for (`provider`, a field of the gateway's own).
    pub provider: Option<String>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
}

/// Where the model's name stands in a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ModelPlace {
    /// Not in the body.
    #[default]
    Elsewhere,
    /// The value of the member `model`, quotes included.
    Value(Range<usize>),
    /// There is no such member; one can be put in here, before others or alone.
    Missing {
        /// Behind the opening brace.
        at: usize,
        /// Whether other members follow.
        has_others: bool,
    },
}

/// What a provider says in an error's body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProviderMessage {
    /// For people.
    pub message: String,
    /// Its error object, where it sent one.
    pub error: Option<Map<String, Value>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_in_the_registry() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dialects");
        let mut folders: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        let mut names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name()).collect();
        folders.sort_unstable();
        names.sort_unstable();
        assert_eq!(folders, names);
        assert!(names.iter().all(|name| by_name(name).is_some()));
    }
}
