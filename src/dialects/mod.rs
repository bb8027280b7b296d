//! Bytes ↔ the gateway's own language, without I/O. One folder a dialect, the same verbs in each.
//! [`DIALECTS`] is the registry: a new dialect is a folder, its `mod` line and its entry there.
//!
//! ```text
//! caller's bytes    → read_request  → ChatRequest  → write_request  → provider's bytes
//! provider's answer → read_response → ChatResponse → write_response → caller's answer
//! provider's stream → StreamReader  → Event …      → StreamWriter   → caller's stream
//! ```
//!
//! Where both ends speak one dialect none of this runs: [`Dialect::inspect`] finds what routing
//! needs and [`splice`] changes only what must change.

pub mod anthropic;
pub mod bedrock;
pub mod closing;
pub mod cohere;
pub mod compact;
pub mod emulate;
pub mod ending;
pub mod gemini;
#[cfg(test)]
mod laws;
pub mod ollama;
pub mod openai_chat;
pub mod openai_responses;
pub mod produced;
pub mod scan;
pub mod sequence;
pub mod splice;
mod stated;
pub mod translate;

use std::ops::Range;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

pub use crate::chat::target::Operation;
use crate::{
    chat::{
        event::Event,
        extra::Opaque,
        frame::{Frame, Framing},
        request::ChatRequest,
        response::ChatResponse,
        target::Target,
        usage::Usage,
    },
    error::{AnswerError, GatewayError},
};
use closing::Closing;
use ending::Ending;
use produced::Produced;
use scan::Places;
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

    /// The path below a provider's base URL, with its query; `../` leaves the base URL's last
    /// segment. Some dialects tell the target's operation and `stream` apart by path.
    fn path(&self, target: &Target<'_>, stream: bool) -> String;

    /// Where a request that came in by `route` goes as it is, to a provider of this same dialect; `None`
    /// where that is [`Dialect::path`].
    fn same_path(&self, _route: &Route<'_>) -> Option<&'static str> {
        None
    }

    /// What a provider of this same dialect would refuse, by its quirks, in a body that is otherwise passed
    /// on as it is: in every dialect, the thoughts of other providers' models. `places` are those of its
    /// members, as far as they are known.
    fn unfit(&self, body: &[u8], _places: &Places, _target: &Target<'_>) -> Unfit {
        Unfit {
            needs_writing: Opaque::is_carried(body),
            ..Unfit::default()
        }
    }

    /// Reads a request. What the form has no word for is kept in `Extra`s.
    ///
    /// # Errors
    /// `InvalidBody` where a member has the wrong type, naming it.
    fn read_request(&self, body: Value, route: &Route<'_>) -> Result<Asked, GatewayError>;

    /// Writes a request for a provider. What the dialect cannot express it reports; `Extra`s and
    /// `Native`s of other dialects it skips ([`translate`] reports those).
    ///
    /// # Errors
    /// `InvalidBody` where the request makes no sense in this dialect, saying why.
    fn write_request(
        &self,
        request: ChatRequest,
        target: &Target<'_>,
    ) -> Result<Written, GatewayError>;

    /// Reads a whole answer below 400.
    ///
    /// # Errors
    /// An error that came with a good status, or a body that is no answer of this dialect.
    fn read_response(&self, body: &[u8]) -> Result<ChatResponse, AnswerError>;

    /// Writes a whole answer.
    fn write_response(&self, response: ChatResponse, call: &Call) -> Vec<u8>;

    /// How events of this dialect follow each other.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    /// The `content-type` of a streamed answer to `call`.
    fn stream_type(&self, _call: &Call) -> &'static str {
        "text/event-stream"
    }

    /// What may be sent between events so that a silent stream is not taken for a dead one.
    fn keep_alive(&self) -> Option<&'static [u8]> {
        Some(b": keep-alive\n\n")
    }

    /// By what a client knows that a stream is over.
    fn closing(&self) -> Closing {
        Closing::End
    }

    /// A reader for one streamed answer.
    fn stream_reader(&self) -> Box<dyn StreamReader>;

    /// A writer for one streamed answer.
    fn stream_writer(&self, call: &Call) -> Box<dyn StreamWriter>;

    /// Members of requests whose loss means nothing to another dialect's provider (ids of items,
    /// their status), so that it is not reported.
    fn incidental(&self) -> &'static [&'static str] {
        &[]
    }

    /// Kinds of native items that the form says as well in its own words, so that nothing is lost
    /// with them.
    fn expressed(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a beginning of the answer, given with the request, may not end in white space.
    fn trims_prefill(&self) -> bool {
        false
    }

    /// Whether every tool call must have an id and every result name its call
    /// ([`ChatRequest::link_tools`] runs before such a dialect writes).
    fn links_tools(&self) -> bool {
        true
    }

    /// Whether providers of this dialect count tokens when asked; the gateway estimates otherwise.
    fn counts(&self) -> bool {
        false
    }

    /// Where the events of a stream have what the model says; `None` where no stream of this dialect is
    /// passed on as it is.
    fn produced(&self) -> Option<&'static Produced> {
        None
    }

    /// How an answer of this dialect says that it is whole; `None` where it has no callers.
    fn ending(&self) -> Option<&'static Ending> {
        None
    }

    /// Whether the stream that a request asks for would come without its usage, in dialects that leave the
    /// choice.
    fn hides_usage(&self, _request: &Inspection, _body: &[u8]) -> bool {
        false
    }

    /// A request for a stream as [`Dialect::hides_usage`] found it, so that its usage comes with it.
    fn with_usage(&self, body: &Bytes) -> Bytes {
        body.clone()
    }

    /// Whole events of a stream without the one that tells its usage.
    fn without_usage(&self, events: Bytes) -> Bytes {
        events
    }

    /// The number of tokens in the answer to a count.
    fn read_count(&self, _body: &[u8]) -> Option<u64> {
        None
    }

    /// The answer to a count of tokens; empty where the dialect has no such thing.
    fn write_count(&self, _tokens: u64) -> Bytes {
        Bytes::new()
    }
}

/// Turns the frames of one streamed answer into events.
pub trait StreamReader: Send + Sync {
    /// Reads the next frame and adds what it says to `out`, holding nothing back. What a provider
    /// gets wrong is mended where its meaning is plain, and an [`Event::Failed`] where it is not.
    fn read(&mut self, frame: &Frame, out: &mut Vec<Event>);

    /// The stream has ended: adds what its end implies. Where the dialect's end was not seen, that is
    /// [`Event::Failed`], but for providers that are known to leave it out after a finish reason.
    fn finish(&mut self, out: &mut Vec<Event>);
}

/// Turns the events of one answer into the bytes of a stream.
pub trait StreamWriter: Send + Sync {
    /// Writes what `event` comes to, at once, behind what is in `out`.
    fn write(&mut self, event: Event, out: &mut Vec<u8>);

    /// Writes the error that ends the stream, as [`Dialect::write_stream_error`] does, after whatever
    /// has to be closed first.
    fn fail(&mut self, error: &GatewayError, out: &mut Vec<u8>);
}

/// What a provider would refuse in a body of its own dialect.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unfit {
    /// Members to leave out, and whether their loss is one: their names.
    pub cuts: Cuts,
    /// Names of members that are left out and change the answer.
    pub dropped: Dropped,
    /// Whether only writing the request anew makes it fit.
    pub needs_writing: bool,
}

/// Where a request came in: some dialects say the model and what is wanted in the path.
#[derive(Debug, Clone, Copy, Default)]
pub struct Route<'a> {
    /// Its path.
    pub path: &'a str,
    /// Its query, without the question mark; empty where there is none.
    pub query: &'a str,
}

/// A request that has been read, and how its caller is to be answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// What is asked.
    pub request: ChatRequest,
    /// How to answer.
    pub call: Call,
}

/// How a caller is to be answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    /// The model as the caller named it, for answers whose provider does not name one.
    pub model: String,
    /// The time, in seconds since 1970, for answers whose provider does not tell.
    pub created: u64,
    /// Whether the answer is to stream.
    pub stream: bool,
    /// Whether a stream ends with the usage, in dialects that leave the choice.
    pub include_usage: bool,
    /// Which of several forms of its dialect the caller wants (`generate` of Ollama, `array` for
    /// Gemini's stream without `alt=sse`).
    pub form: Option<&'static str>,
    /// The names of tools whose input is free text: a provider that has none of the kind got them as
    /// functions, and their calls are turned back by [`translate`] before a writer sees them.
    pub custom_tools: Vec<String>,
    /// Whether thoughts are not to be shown: Gemini shows them on demand only.
    pub hides_thoughts: bool,
    /// Members of the request that the answer repeats (Responses).
    pub echo: Map<String, Value>,
}

/// A request as written for a provider.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// The body.
    pub body: Vec<u8>,
    /// What could not be expressed.
    pub dropped: Dropped,
    /// The name of the tool whose arguments are the answer, where a JSON Schema was asked for and the
    /// provider has only tools; [`translate`] turns its call back into text.
    pub json_tool: Option<String>,
}

/// Names of what could not be expressed, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped(Vec<String>);

impl Dropped {
    /// Reports `name`.
    pub fn add(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    /// Reports `name` where `value` is something.
    pub fn unless_none<T>(&mut self, name: &str, value: &Option<T>) {
        if value.is_some() {
            self.add(name);
        }
    }

    /// All names, in the order in which they were reported.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// All dialects.
pub const DIALECTS: &[&dyn Dialect] = &[
    &openai_chat::OpenAiChat,
    &openai_responses::OpenAiResponses,
    &anthropic::Anthropic,
    &gemini::Gemini,
    &ollama::Ollama,
    &cohere::Cohere,
    &bedrock::Bedrock,
];

/// Their names, for the marks of [`crate::chat::extra::Opaque`].
pub const NAMES: &[&str] = &[
    "openai_chat",
    "openai_responses",
    "anthropic",
    "gemini",
    "ollama",
    "cohere",
    "bedrock",
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
    /// Where it says on whose behalf it is: the values of `user` and `metadata`.
    pub labels: Labels,
    /// Where the body's members stand.
    pub places: Places,
}

/// Where a request says on whose behalf it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// The value of `user`.
    pub user: Option<Range<usize>>,
    /// The value of `metadata`.
    pub metadata: Option<Range<usize>>,
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
    /// Its words for the kind of error (`type`, `code`, `status` …), for `providers::errors` to
    /// classify.
    pub words: Vec<String>,
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
            // `laws` is tests.
            .filter(|entry| entry.path().is_dir() && entry.file_name() != "laws")
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        let mut names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name()).collect();
        folders.sort_unstable();
        names.sort_unstable();
        assert_eq!(folders, names);
        assert!(names.iter().all(|name| by_name(name).is_some()));
        assert!(names.iter().all(|name| NAMES.contains(name)) && NAMES.len() == names.len());
    }
}
