//! From one dialect to another: a request written for whoever is to serve it, and the way of the
//! answer back, piece by piece.
//!
//! ```text
//! pieces → frames → provider's reader → in order → what was emulated undone → caller's writer → bytes
//! ```

use bytes::Bytes;
use serde_json::{Map, Number, Value};

use super::{Call, Dialect, Dropped, StreamReader, StreamWriter, Written, sequence::Sequencer};
use crate::{
    chat::{
        estimate::Counter,
        event::{Assembler, Delta, Event},
        extra::Extra,
        frame::{Frame, Framer},
        part::{Content, Part},
        request::{ChatRequest, Message, Tool, ToolChoice},
        resume::{Join, Said},
        target::Target,
        usage::{Tier, Usage},
    },
    error::{AnswerError, GatewayError},
};

use super::emulate::{self, Emulation};

/// A whole answer larger than this is refused: it has to be held to be translated.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// The same for a stream, of which only what is out of order is held, and the text where the caller's
/// dialect repeats it at the end.
const MAX_STREAM_BYTES: usize = 512 << 20;

/// A request for a provider of another dialect, and what has to be undone in its answer.
#[derive(Debug, Clone, Default)]
pub struct Translated {
    /// As written.
    pub written: Written,
    /// What was put in a provider's words that it had none for.
    pub emulation: Emulation,
}

/// Writes `request` of `caller` for a provider that speaks `provider`.
///
/// # Errors
/// `InvalidBody` where the request cannot be served in that dialect at all.
pub fn request(
    mut request: ChatRequest,
    caller: &dyn Dialect,
    provider: &dyn Dialect,
    target: &Target<'_>,
) -> Result<Translated, GatewayError> {
    if request.previous.is_some() && caller.name() != provider.name() {
        let message = "`previous_response_id` refers to an answer that only its provider keeps, and this \
                       model is served by another. Send the whole conversation in `input`.";
        return Err(GatewayError::invalid(message, Some("previous_response_id")));
    }
    let mut dropped = foreign(&request, caller, provider);
    let plain = plain(&request);
    leave_natives(&mut request.messages, provider);
    let custom_tools = match target.quirks.custom_tools {
        true => Vec::new(),
        false => emulate::custom_tools(&mut request),
    };
    if provider.links_tools() {
        request.link_tools();
    }
    let mut written = provider.write_request(request, target)?;
    let lost = written.dropped.names().iter();
    lost.filter(|name| !plain.contains(&name.as_str()))
        .for_each(|name| dropped.add(name));
    written.dropped = dropped;
    let json_tool = written.json_tool.clone();
    Ok(Translated {
        written,
        emulation: Emulation {
            json_tool,
            custom_tools,
            is_regular: target.quirks.irregular && caller.name() == provider.name(),
        },
    })
}

/// The names of settings that say what would be so without them: clients send many of those, and their
/// loss is none.
fn plain(request: &ChatRequest) -> Vec<&'static str> {
    let sampling = &request.sampling;
    let is = |number: &Option<Number>, value: f64| {
        let number = number.as_ref().and_then(Number::as_f64);
        number.is_some_and(|number| (number - value).abs() < f64::EPSILON)
    };
    let is_empty = |map: &Option<Map<String, Value>>| map.as_ref().is_some_and(Map::is_empty);
    let modalities = request.modalities.as_ref();
    let tier = request.service_tier.as_deref();
    let settings = [
        ("n", request.n == Some(1)),
        ("logprobs", request.logprobs == Some(false)),
        ("top_logprobs", request.top_logprobs == Some(0)),
        ("store", request.store == Some(false)),
        (
            "parallel_tool_calls",
            request.parallel_tool_calls == Some(true),
        ),
        ("frequency_penalty", is(&sampling.frequency_penalty, 0.0)),
        ("presence_penalty", is(&sampling.presence_penalty, 0.0)),
        ("repetition_penalty", is(&sampling.repetition_penalty, 1.0)),
        ("min_p", is(&sampling.min_p, 0.0)),
        ("top_p", is(&sampling.top_p, 1.0)),
        ("logit_bias", is_empty(&sampling.logit_bias)),
        ("metadata", is_empty(&request.metadata)),
        ("stop", sampling.stop.as_ref().is_some_and(Vec::is_empty)),
        ("service_tier", matches!(tier, Some("auto" | "default"))),
        (
            "modalities",
            modalities.is_some_and(|all| all.iter().all(|kind| kind == "text")),
        ),
    ];
    let plain = settings.into_iter().filter(|(_, is_plain)| *is_plain);
    plain.map(|(name, _)| name).collect()
}

/// The names of everything that only another dialect than `provider` understands.
fn foreign(request: &ChatRequest, caller: &dyn Dialect, provider: &dyn Dialect) -> Dropped {
    let mut dropped = Dropped::default();
    let own = provider.name();
    let mut extra = |extra: &Extra| {
        extra
            .foreign_to(own)
            .filter(|name| !caller.incidental().contains(name))
            .for_each(|name| dropped.add(name));
    };
    extra(&request.extra);
    for message in &request.messages {
        extra(&message.extra);
        each_part(&message.parts, &mut |part| extra(&part.extra));
    }
    for tool in &request.tools {
        match tool {
            Tool::Function(function) => extra(&function.extra),
            Tool::Custom(custom) => extra(&custom.extra),
            Tool::Native(_) => {}
        }
    }
    let mut native = |native: &crate::chat::extra::Native, what: &str| {
        let kind = kind_of(&native.value).unwrap_or(what);
        if native.dialect != own && !caller.expressed().contains(&kind) {
            dropped.add(kind);
        }
    };
    for message in &request.messages {
        each_part(&message.parts, &mut |part| {
            if let Content::Native(value) = &part.content {
                native(value, "content");
            }
        });
    }
    for tool in &request.tools {
        if let Tool::Native(value) = tool {
            native(value, "tools");
        }
    }
    if let Some(ToolChoice::Native(value)) = &request.tool_choice {
        native(value, "tool_choice");
    }
    dropped
}

/// Takes out what only another dialect than `provider` understands, and messages that say nothing else.
fn leave_natives(messages: &mut Vec<Message>, provider: &dyn Dialect) {
    let own = provider.name();
    let is_foreign =
        |part: &Part| matches!(&part.content, Content::Native(native) if native.dialect != own);
    messages.retain_mut(|message| {
        let was_empty = message.parts.is_empty();
        message.parts.retain(|part| !is_foreign(part));
        was_empty || !message.parts.is_empty()
    });
}

fn each_part(parts: &[Part], look: &mut dyn FnMut(&Part)) {
    for part in parts {
        look(part);
        if let Content::ToolResult(result) = &part.content {
            each_part(&result.content, look);
        }
    }
}

/// What a native value is called: its `type`, or the name of its first member.
fn kind_of(value: &Value) -> Option<&str> {
    let kind = value.get("type").and_then(Value::as_str);
    kind.or_else(|| value.as_object()?.keys().next().map(String::as_str))
}

/// Turns one answer of a provider into the caller's dialect.
pub struct Transcoder {
    provider: &'static dyn Dialect,
    input: Input,
    sequencer: Sequencer,
    undo: emulate::Undo,
    /// Where another provider's answer began: the way of this one's into it.
    join: Option<Join>,
    joined: Vec<Event>,
    /// What the caller has been told, where another provider may have to go on.
    said: Option<Said>,
    output: Output,
    /// Bytes that have arrived.
    taken: usize,
    frames: Vec<Frame>,
    raw: Vec<Event>,
    ordered: Vec<Event>,
    events: Vec<Event>,
    usage: Option<Usage>,
    /// What it has said so far.
    produced: Produced,
    /// How the provider says, at first, that it serves the request.
    tier: Option<Tier>,
    failure: Option<AnswerError>,
    has_said: bool,
    is_over: bool,
}

enum Input {
    /// A body that is read when it is whole.
    Whole(Vec<u8>),
    /// A stream.
    Stream(Framer, Box<dyn StreamReader>),
}

/// A whole answer on its way to its caller.
struct Gathering {
    caller: &'static dyn Dialect,
    call: Call,
    assembler: Assembler,
}

enum Output {
    Whole(Box<Gathering>),
    Stream(Box<dyn StreamWriter>),
}

impl Transcoder {
    /// For an answer that comes `streamed_in` or whole from `provider`, and goes `streamed_out` or
    /// whole to `caller`.
    pub fn new(
        provider: &'static dyn Dialect,
        caller: &'static dyn Dialect,
        call: &Call,
        emulation: Emulation,
        (streamed_in, streamed_out): (bool, bool),
    ) -> Self {
        Transcoder {
            provider,
            input: match streamed_in {
                true => Input::Stream(Framer::new(provider.framing()), provider.stream_reader()),
                false => Input::Whole(Vec::new()),
            },
            sequencer: Sequencer::default(),
            undo: emulate::Undo::new(emulation, call.hides_thoughts),
            join: None,
            joined: Vec::new(),
            said: None,
            output: match streamed_out {
                true => Output::Stream(caller.stream_writer(call)),
                false => Output::Whole(Box::new(Gathering {
                    caller,
                    call: call.clone(),
                    assembler: Assembler::default(),
                })),
            },
            taken: 0,
            frames: Vec::new(),
            raw: Vec::new(),
            ordered: Vec::new(),
            events: Vec::new(),
            usage: None,
            produced: Produced::default(),
            tier: None,
            failure: None,
            has_said: false,
            is_over: false,
        }
    }

    /// Remembers what the caller is told, so that another provider can go on.
    #[must_use]
    pub fn remembering(mut self) -> Self {
        self.said = Some(Said::default());
        self
    }

    /// What the caller has been told, where that is remembered.
    pub fn said(&self) -> Option<&Said> {
        self.said.as_ref()
    }

    /// The same stream, with the rest of its answer from `provider`.
    #[must_use]
    pub fn continued(
        self,
        provider: &'static dyn Dialect,
        call: &Call,
        emulation: Emulation,
        is_streamed: bool,
    ) -> Self {
        let mut said = self.said.unwrap_or_default();
        let join = Some(said.join(provider.trims_prefill()));
        said.go_on();
        Transcoder {
            join,
            said: Some(said),
            output: self.output,
            ..Transcoder::new(provider, provider, call, emulation, (is_streamed, true))
        }
    }

    /// Ends a stream in which all was said but the end itself. `false` where it cannot.
    pub fn complete(&mut self, out: &mut Vec<u8>) -> bool {
        // Some readers hold the reason back until they have seen the end.
        if let Input::Stream(_, reader) = &mut self.input {
            reader.finish(&mut self.raw);
            let has_failed = |event: &Event| matches!(event, Event::Failed(_));
            self.raw.retain(|event| !has_failed(event));
            let passed = self.pass(out);
            if self.is_over && passed.is_ok() {
                return true;
            }
        }
        let is_finished = self.said.as_ref().is_some_and(Said::is_finished);
        match &mut self.output {
            Output::Stream(writer) if is_finished => writer.write(Event::Done, out),
            _ => return false,
        }
        true
    }

    /// Takes what has just arrived, and writes what it amounts to behind what is in `out`.
    ///
    /// # Errors
    /// The provider's failure, or that its answer cannot be read: the answer is over then, and
    /// [`Transcoder::fail`] writes how it ends.
    pub fn push(&mut self, piece: Bytes, out: &mut Vec<u8>) -> Result<(), AnswerError> {
        self.taken += piece.len();
        let limit = match (&self.input, &self.output) {
            (Input::Stream(..), Output::Stream(_)) => MAX_STREAM_BYTES,
            _ => MAX_ANSWER_BYTES,
        };
        if self.taken > limit {
            return Err(AnswerError::garbage("The provider's answer is too large."));
        }
        match &mut self.input {
            Input::Whole(body) => body.extend_from_slice(&piece),
            Input::Stream(framer, reader) => {
                framer.push(piece, &mut self.frames).map_err(malformed)?;
                for frame in self.frames.drain(..) {
                    reader.read(&frame, &mut self.raw);
                }
            }
        }
        self.pass(out)
    }

    /// The provider's answer has ended.
    ///
    /// # Errors
    /// As [`Transcoder::push`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), AnswerError> {
        match &mut self.input {
            Input::Whole(body) => {
                let response = self.provider.read_response(&std::mem::take(body))?;
                self.raw.extend(response.into_events());
            }
            Input::Stream(framer, reader) => {
                framer.finish(&mut self.frames).map_err(malformed)?;
                for frame in self.frames.drain(..) {
                    reader.read(&frame, &mut self.raw);
                }
                reader.finish(&mut self.raw);
            }
        }
        self.pass(out)?;
        if !self.is_over {
            return Err(AnswerError::garbage("The provider's answer broke off."));
        }
        if let Output::Whole(whole) = &mut self.output {
            let response = std::mem::take(&mut whole.assembler).finish()?;
            out.extend(whole.caller.write_response(response, &whole.call));
        }
        Ok(())
    }

    /// Ends a stream with the caller's error event. A whole answer has nothing to end.
    pub fn fail(&mut self, error: &GatewayError, out: &mut Vec<u8>) {
        if let Output::Stream(writer) = &mut self.output {
            writer.fail(error, out);
        }
    }

    /// How many tokens the provider has said so far, about.
    pub fn produced(&self) -> u64 {
        self.produced.0.tokens()
    }

    /// What the provider counted so far.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Whether the answer has said something by now, and not only that it begins.
    pub fn has_said(&self) -> bool {
        self.has_said
    }

    /// Whether the provider's answer comes whole.
    pub fn is_whole(&self) -> bool {
        matches!(self.input, Input::Whole(_))
    }

    /// Whether the caller gets a stream.
    pub fn is_stream(&self) -> bool {
        matches!(self.output, Output::Stream(_))
    }

    fn pass(&mut self, out: &mut Vec<u8>) -> Result<(), AnswerError> {
        for event in self.raw.drain(..) {
            self.sequencer.push(event, &mut self.ordered);
        }
        for event in self.ordered.drain(..) {
            self.undo.push(event, &mut self.events);
        }
        // What another provider said before is none of what this one has used.
        for event in &self.events {
            self.produced.note(event);
            match event {
                Event::Start(start) => {
                    self.tier = start.service_tier.as_deref().and_then(Tier::read);
                }
                Event::Usage { usage, .. } if !self.is_over => {
                    let tier = usage.tier.or(self.tier);
                    self.usage = Some(Usage { tier, ..*usage });
                }
                _ => {}
            }
        }
        if let Some(join) = &mut self.join {
            for event in self.events.drain(..) {
                join.push(event, &mut self.joined)?;
            }
            std::mem::swap(&mut self.events, &mut self.joined);
        }
        for event in self.events.drain(..) {
            match &event {
                // What comes behind the end is none of the caller's business.
                _ if self.is_over => continue,
                Event::Done => self.is_over = true,
                Event::Failed(failure) => {
                    self.is_over = true;
                    self.failure = Some(failure.clone());
                    continue;
                }
                _ => self.has_said = self.has_said || says_something(&event),
            }
            if let Some(said) = &mut self.said {
                said.note(&event);
            }
            match &mut self.output {
                Output::Whole(whole) => whole.assembler.push(event),
                Output::Stream(writer) => writer.write(event, out),
            }
        }
        self.failure.take().map_or(Ok(()), Err)
    }
}

/// Counts what events say.
#[derive(Default)]
struct Produced(Counter);

impl Produced {
    fn note(&mut self, event: &Event) {
        let mut add = |text: &str| self.0.push(text.as_bytes());
        match event {
            Event::Delta {
                delta: Delta::Text(text) | Delta::Arguments(text),
                ..
            } => add(text),
            Event::Open { part, .. } => match &part.content {
                Content::Text(text) => add(&text.text),
                Content::Refusal(text) => add(text),
                Content::Thinking(thinking) => add(&thinking.text),
                Content::ToolCall(call) => {
                    add(&call.name);
                    add(&call.arguments);
                }
                _ => {}
            },
            _ => {}
        }
    }
}

/// Whether an event is more than the frame of an answer.
fn says_something(event: &Event) -> bool {
    let Event::Open { part, .. } = event else {
        return matches!(event, Event::Delta { .. });
    };
    match &part.content {
        Content::Text(text) => !text.text.is_empty(),
        Content::Refusal(text) => !text.is_empty(),
        Content::Thinking(thinking) => !thinking.text.is_empty(),
        _ => true,
    }
}

fn malformed(malformed: crate::chat::frame::Malformed) -> AnswerError {
    AnswerError::garbage(format!(
        "The provider's answer cannot be read: {malformed}."
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        chat::target::{Operation, Quirks},
        dialects::{Route, by_name},
    };

    #[test]
    fn what_changes_nothing_is_no_loss() {
        let (caller, provider) = (
            by_name("openai_chat").unwrap(),
            by_name("anthropic").unwrap(),
        );
        let quirks = Quirks::default();
        let target = Target {
            model: "claude-sonnet-4-5",
            quirks: &quirks,
            operation: Operation::Generate,
        };
        let dropped = |settings: Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
            body.as_object_mut()
                .unwrap()
                .extend(settings.as_object().unwrap().clone());
            let asked = caller.read_request(body, &Route::default()).unwrap();
            let translated = request(asked.request, caller, provider, &target).unwrap();
            translated.written.dropped.names().to_vec()
        };
        let nothing = json!({"n": 1, "frequency_penalty": 0, "presence_penalty": 0.0, "logprobs": false,
            "store": false, "service_tier": "auto", "modalities": ["text"], "logit_bias": {}, "metadata": {}});
        assert_eq!(dropped(nothing), [] as [&str; 0]);
        assert_eq!(dropped(json!({"n": 2, "seed": 0})), ["n", "seed"]);
    }
}
