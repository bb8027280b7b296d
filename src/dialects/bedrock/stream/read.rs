//! Reads a stream. Blocks of text and thoughts begin with their first delta; what a server tool does
//! is held until it is whole, for no other dialect knows it in pieces.

use serde_json::{Map, Value, json};

use super::block::{Block, Kind, empty, native};
use crate::{
    chat::{
        event::{Delta, Event, Start},
        extra::Extra,
        fields::Fields,
        frame::Frame,
        part::{Content, Media, MediaKind, Part, Source, ToolCall},
        usage::Tier,
    },
    dialects::{
        StreamReader,
        bedrock::{NAME, citation, error, finish, media, thinking, usage},
    },
    error::AnswerError,
};

/// Reads one streamed answer.
#[derive(Debug, Default)]
pub(in crate::dialects::bedrock) struct Reader {
    has_started: bool,
    /// The provider's blocks that are open.
    open: Vec<Block>,
    /// How many blocks there were.
    blocks: u32,
    has_stopped: bool,
    is_over: bool,
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame, out: &mut Vec<Event>) {
        if self.is_over {
            return;
        }
        if let Some(name) = frame
            .event
            .as_deref()
            .and_then(|event| event.strip_prefix("exception:"))
        {
            self.is_over = true;
            out.push(Event::Failed(error::exception(name, &frame.data)));
            return;
        }
        let value: Value = serde_json::from_slice(&frame.data).unwrap_or_default();
        match &frame.event {
            Some(event) => self.event(event, value, out),
            // As SDKs show it: an object with the event's name.
            None => {
                if let Value::Object(fields) = value {
                    for (event, value) in fields {
                        self.event(&event, value, out);
                    }
                }
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        out.push(match self.has_stopped {
            true => Event::Done,
            false => Event::Failed(AnswerError::garbage(
                "The provider's stream ended too early.",
            )),
        });
    }
}

impl Reader {
    fn event(&mut self, event: &str, value: Value, out: &mut Vec<Event>) {
        let mut fields = Fields::lenient(value);
        // Padding against guesses by length.
        fields.take("p");
        if !self.has_started {
            self.has_started = true;
            out.push(Event::Start(Start::default()));
        }
        match event {
            "messageStart" => {
                fields.take("role");
                push_extra(fields.rest(NAME), out);
            }
            "contentBlockStart" => self.start(fields, out),
            "contentBlockDelta" => self.delta(fields, out),
            "contentBlockStop" => self.close(index_of(&mut fields), out),
            "messageStop" => self.stop(fields, out),
            "metadata" => self.metadata(fields, out),
            name if name.ends_with("Exception") => {
                self.is_over = true;
                let payload = Value::Object(fields.into_map()).to_string();
                out.push(Event::Failed(error::exception(name, payload.as_bytes())));
            }
            _ => {}
        }
    }

    fn start(&mut self, mut fields: Fields, out: &mut Vec<Event>) {
        let index = index_of(&mut fields);
        let mut start = fields.lenient_object("start").unwrap_or_default();
        if let Some(call) = start.take("toolUse") {
            let is_ours = call
                .get("type")
                .is_none_or(|kind| kind != "server_tool_use");
            match (is_ours, call) {
                (true, call) => self.open_call(index, call, out),
                (false, call) => self.hold(index, "toolUse", call, out),
            }
        } else if let Some(result) = start.take("toolResult") {
            self.hold(index, "toolResult", result, out);
        } else if let Some(image) = start.take("image") {
            let format = image.get("format").and_then(Value::as_str);
            self.open_image(index, format.unwrap_or("png"), out);
        }
    }

    fn open_call(&mut self, index: u64, call: Value, out: &mut Vec<Event>) {
        let mut fields = Fields::lenient(call);
        let call = ToolCall {
            id: fields.lenient_text("toolUseId"),
            name: fields.lenient_text("name").unwrap_or_default(),
            ..ToolCall::default()
        };
        let mut part = Part::new(Content::ToolCall(call));
        part.extra = fields.rest(NAME);
        self.open(index, Kind::Call, part, out);
    }

    fn open_image(&mut self, index: u64, format: &str, out: &mut Vec<Event>) {
        let media_type = media::media_type(MediaKind::Image, format);
        let part = Part::new(Content::Media(Media {
            kind: MediaKind::Image,
            source: Source::Base64 {
                media_type,
                data: String::new(),
            },
            name: None,
            detail: None,
        }));
        self.open(index, Kind::Image, part, out);
    }

    /// Begins a block. One of the same number that is open still is over.
    fn open(&mut self, index: u64, kind: Kind, part: Part, out: &mut Vec<Event>) -> u32 {
        self.close(index, out);
        let block = self.blocks;
        self.blocks += 1;
        self.open.push(Block { index, block, kind });
        out.push(Event::Open {
            choice: 0,
            block,
            part,
        });
        block
    }

    fn hold(&mut self, index: u64, name: &'static str, start: Value, out: &mut Vec<Event>) {
        self.close(index, out);
        let inside = match start {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        self.open.push(Block {
            index,
            block: 0,
            kind: Kind::Native(name, inside, String::new()),
        });
    }

    fn delta(&mut self, mut fields: Fields, out: &mut Vec<Event>) {
        let index = index_of(&mut fields);
        let mut delta = fields.lenient_object("delta").unwrap_or_default();
        if let Some(text) = delta.lenient_text("text") {
            // Some models open their answer with an empty text in a block of its own.
            if !text.is_empty() {
                self.push(index, Kind::Text, Delta::Text(text), out);
            }
        } else if let Some(thoughts) = delta.lenient_object("reasoningContent") {
            self.thoughts(index, thoughts, out);
        } else if let Some(mut call) = delta.lenient_object("toolUse") {
            match call.take("input") {
                Some(Value::String(input)) => self.arguments(index, input, out),
                Some(input) => self.arguments(index, input.to_string(), out),
                None => {}
            }
        } else if let Some(source) = delta.take("citation") {
            let source = Delta::Citation(citation::read(source));
            self.push(index, Kind::Text, source, out);
        } else if let Some(pieces) = delta.lenient_list("toolResult") {
            self.result(index, pieces, out);
        } else if let Some(mut image) = delta.lenient_object("image") {
            let source = image.lenient_object("source");
            if let Some(data) = source.and_then(|mut source| source.lenient_text("bytes")) {
                self.push(index, Kind::Image, Delta::Data(data), out);
            }
        }
    }

    fn thoughts(&mut self, index: u64, mut thoughts: Fields, out: &mut Vec<Event>) {
        if let Some(text) = thoughts
            .lenient_text("text")
            .filter(|text| !text.is_empty())
        {
            self.push(index, Kind::Thinking, Delta::Text(text), out);
        }
        if let Some(signature) = thoughts.lenient_text("signature") {
            let signature = Delta::Opaque(thinking::signature(signature));
            self.push(index, Kind::Thinking, signature, out);
        }
        if let Some(data) = thoughts.lenient_text("redactedContent") {
            let opaque = thinking::redacted(&data).opaque;
            if let Some(opaque) = opaque {
                self.push(index, Kind::Redacted, Delta::Opaque(opaque), out);
            }
        }
    }

    fn arguments(&mut self, index: u64, input: String, out: &mut Vec<Event>) {
        let held = self.open.iter_mut().find(|block| block.index == index);
        if let Some(Block {
            kind: Kind::Native(_, _, text),
            ..
        }) = held
        {
            text.push_str(&input);
        } else if !input.is_empty() {
            self.push(index, Kind::Call, Delta::Arguments(input), out);
        }
    }

    /// What a server tool said. Texts that follow each other are one.
    fn result(&mut self, index: u64, pieces: Vec<Value>, out: &mut Vec<Event>) {
        if !self.open.iter().any(|block| block.index == index) {
            self.hold(index, "toolResult", Value::Null, out);
        }
        let held = self.open.iter_mut().find(|block| block.index == index);
        if let Some(Block {
            kind: Kind::Native(_, inside, _),
            ..
        }) = held
            && let Value::Array(content) = inside.entry("content").or_insert_with(|| json!([]))
        {
            content.extend(pieces);
        }
    }

    /// Adds to a block, and begins one where none of this kind is open under its number.
    fn push(&mut self, index: u64, kind: Kind, delta: Delta, out: &mut Vec<Event>) {
        let open = self.open.iter().find(|block| block.index == index);
        let block = match open {
            Some(block) if block.kind == kind => block.block,
            _ => {
                let part = empty(&kind);
                self.open(index, kind, part, out)
            }
        };
        out.push(Event::Delta {
            choice: 0,
            block,
            delta,
        });
    }

    fn close(&mut self, index: u64, out: &mut Vec<Event>) {
        let Some(at) = self.open.iter().position(|block| block.index == index) else {
            return;
        };
        let closed = self.open.remove(at);
        let mut block = closed.block;
        if let Kind::Native(name, inside, input) = closed.kind {
            block = self.blocks;
            self.blocks += 1;
            out.push(Event::Open {
                choice: 0,
                block,
                part: native(name, inside, &input),
            });
        }
        out.push(Event::Close { choice: 0, block });
    }

    fn stop(&mut self, mut fields: Fields, out: &mut Vec<Event>) {
        while let Some(index) = self.open.first().map(|block| block.index) {
            self.close(index, out);
        }
        if self.has_stopped {
            return;
        }
        self.has_stopped = true;
        let word = fields.lenient_text("stopReason").unwrap_or_default();
        let told = fields.peek("additionalModelResponseFields");
        out.push(Event::Finish {
            choice: 0,
            finish: finish::read(word, told),
            extra: fields.rest(NAME),
        });
    }

    fn metadata(&mut self, mut fields: Fields, out: &mut Vec<Event>) {
        if let Some(counts) = fields.take("usage") {
            let (mut usage, extra) = usage::read(counts);
            let tier = fields.peek("serviceTier").and_then(|tier| tier.get("type"));
            usage.tier = tier.and_then(Value::as_str).and_then(Tier::read);
            out.push(Event::Usage { usage, extra });
        }
        push_extra(fields.rest(NAME), out);
        if self.has_stopped {
            self.is_over = true;
            out.push(Event::Done);
        }
    }
}

fn index_of(fields: &mut Fields) -> u64 {
    fields
        .lenient_count("contentBlockIndex")
        .unwrap_or_default()
}

fn push_extra(extra: Extra, out: &mut Vec<Event>) {
    if !extra.is_empty() {
        out.push(Event::Extra(extra));
    }
}
