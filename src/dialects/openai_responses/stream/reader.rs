//! Reads a streamed answer: deltas are what counts, the whole texts and items behind them mend what
//! a server left out of its deltas.

use serde_json::{Map, Value};

use super::{blocks::Item, places::Sink, within::read_into};
use crate::{
    chat::{
        event::{Event, Start},
        fields::Fields,
        frame::Frame,
        part::Content,
        usage::Tier,
    },
    dialects::{
        StreamReader,
        openai_responses::{NAME, response},
    },
    error::AnswerError,
};

/// See [`crate::dialects::Dialect::stream_reader`].
#[derive(Debug, Default)]
pub(in crate::dialects::openai_responses) struct Reader {
    has_started: bool,
    has_ended: bool,
    has_tool_calls: bool,
    next_block: u32,
    items: Vec<Item>,
}

impl StreamReader for Reader {
    fn read(&mut self, frame: &Frame, out: &mut Vec<Event>) {
        if self.has_ended || frame.data.as_ref() == b"[DONE]" {
            return;
        }
        let Ok(Value::Object(fields)) = serde_json::from_slice(&frame.data) else {
            return;
        };
        let mut fields = Fields::lenient(Value::Object(fields));
        let kind = match fields.lenient_text("type") {
            Some(kind) => kind,
            None => frame.event.clone().unwrap_or_default(),
        };
        let before = out.len();
        self.read_event(&kind, fields, out);
        self.has_tool_calls |= out.iter().skip(before).any(opens_call);
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        if !self.has_ended {
            let message = "The stream ended before the answer was complete.";
            self.fail(AnswerError::garbage(message), out);
        }
    }
}

fn opens_call(event: &Event) -> bool {
    matches!(event, Event::Open { part, .. } if matches!(part.content, Content::ToolCall(_)))
}

impl Reader {
    fn read_event(&mut self, kind: &str, mut fields: Fields, out: &mut Vec<Event>) {
        match kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.start(fields.lenient_object("response"), out);
            }
            "response.completed" | "response.incomplete" | "response.cancelled" => {
                self.end(fields.lenient_object("response").unwrap_or_default(), out);
            }
            "response.failed" => {
                let mut response = fields.lenient_object("response").unwrap_or_default();
                let failure = response::failure(response.take("error"), Map::new());
                self.fail(failure, out);
            }
            "error" | "response.error" => {
                let error = fields.take("error");
                fields.take("sequence_number");
                self.fail(response::failure(error, fields.into_map()), out);
            }
            _ if kind.starts_with("response.") => {
                self.start(None, out);
                self.read_part_of_item(kind, fields, out);
            }
            // No event, but an answer or an error in its place.
            _ if fields.peek("output").is_some() || fields.peek("error").is_some() => {
                self.read_whole(Value::Object(fields.into_map()), out);
            }
            _ => {}
        }
    }

    fn start(&mut self, response: Option<Fields>, out: &mut Vec<Event>) {
        if self.has_started {
            return;
        }
        self.has_started = true;
        let Some(mut response) = response else {
            out.push(Event::Start(response::head(Fields::default())));
            return;
        };
        for name in ["status", "output", "usage"] {
            response.take(name);
        }
        // The tier that was asked for; the end tells which one it was.
        let tier = response.peek("service_tier").cloned();
        let is_known = tier.as_ref().is_some_and(|tier| tier != "auto");
        if !is_known {
            response.take("service_tier");
        }
        let mut start: Start = response::head(response);
        if let Some(tier) = tier.filter(|_| !is_known) {
            start.extra.insert(NAME, "service_tier", tier);
        }
        out.push(Event::Start(start));
    }

    fn end(&mut self, mut response: Fields, out: &mut Vec<Event>) {
        if !self.has_started {
            let whole = response.into_map();
            let copy = Fields::lenient(Value::Object(whole.clone()));
            self.start(Some(copy), out);
            response = Fields::lenient(Value::Object(whole));
        }
        let output = response.lenient_list("output").unwrap_or_default();
        self.complete_items(output, out);
        self.has_tool_calls |= out.iter().any(opens_call);
        self.has_ended = true;
        let usage = response::take_usage(&mut response);
        let finish = response::end(&mut response, self.has_tool_calls);
        let mut late = response::head(response);
        let tier = late.service_tier.as_deref().and_then(Tier::read);
        for (name, value) in [
            ("id", late.id.map(Value::from)),
            ("model", late.model.map(Value::from)),
            ("created_at", late.created.map(Value::from)),
            ("service_tier", late.service_tier.map(Value::from)),
        ] {
            if let Some(value) = value {
                late.extra.insert(NAME, name, value);
            }
        }
        out.push(Event::Extra(late.extra));
        if let Some(finish) = finish {
            out.push(Event::Finish {
                choice: 0,
                finish,
                extra: Default::default(),
            });
        }
        if let Some((mut usage, extra)) = usage {
            usage.tier = tier;
            out.push(Event::Usage { usage, extra });
        }
        out.push(Event::Done);
    }

    /// Items that the answer has in the end and that were never finished, or never seen.
    fn complete_items(&mut self, output: Vec<Value>, out: &mut Vec<Event>) {
        for (index, value) in (0_u64..).zip(output) {
            let id = value.get("id").and_then(Value::as_str);
            let known = self.items.iter().any(|item| {
                item.is_done && (item.index == index || id.is_some() && item.id.as_deref() == id)
            });
            if !known {
                self.finish_item(index, value, out);
            }
        }
        self.abandon(out);
    }

    fn abandon(&mut self, out: &mut Vec<Event>) {
        let mut sink = Sink {
            next_block: &mut self.next_block,
            out,
        };
        for item in &mut self.items {
            item.abandon(&mut sink);
        }
    }

    fn fail(&mut self, failure: AnswerError, out: &mut Vec<Event>) {
        self.has_ended = true;
        out.push(Event::Failed(failure));
    }

    fn read_whole(&mut self, value: Value, out: &mut Vec<Event>) {
        match response::of_value(value) {
            Ok(answer) if !self.has_started => {
                self.has_ended = true;
                out.extend(answer.into_events());
            }
            Ok(_) => {}
            Err(failure) => self.fail(failure, out),
        }
    }

    /// The item that `index` or `id` names; the last one where neither is said.
    fn item(&mut self, fields: &mut Fields) -> Option<usize> {
        if let Some(index) = fields.lenient_count("output_index") {
            return self.items.iter().position(|item| item.index == index);
        }
        match fields.lenient_text("item_id") {
            Some(id) => {
                let same = |item: &Item| item.id.as_deref() == Some(id.as_str());
                self.items.iter().position(same)
            }
            None => self.items.len().checked_sub(1),
        }
    }

    fn begin_item(&mut self, index: u64, value: Value, out: &mut Vec<Event>) {
        let mut sink = Sink {
            next_block: &mut self.next_block,
            out,
        };
        self.items.push(Item::begin(index, value, &mut sink));
    }

    fn finish_item(&mut self, index: u64, value: Value, out: &mut Vec<Event>) {
        let known = self.items.iter().position(|item| item.index == index);
        if known.is_none() {
            // Never announced: what it holds comes at once.
            self.begin_item(index, Value::Null, out);
        }
        let at = known.unwrap_or(self.items.len().saturating_sub(1));
        let mut sink = Sink {
            next_block: &mut self.next_block,
            out,
        };
        if let Some(item) = self.items.get_mut(at) {
            if item.id.is_none() {
                let id = value.get("id").and_then(Value::as_str);
                item.id = id.map(str::to_owned);
            }
            item.finish(value, &mut sink);
        }
    }

    fn read_part_of_item(&mut self, kind: &str, mut fields: Fields, out: &mut Vec<Event>) {
        if let "response.output_item.added" | "response.output_item.done" = kind {
            let index = fields.lenient_count("output_index");
            let value = fields.take("item").unwrap_or_default();
            let is_done = kind == "response.output_item.done";
            let open = self.items.iter().rposition(|item| !item.is_done);
            let index = index.unwrap_or(match open.filter(|_| is_done) {
                Some(at) => at as u64,
                None => self.items.len() as u64,
            });
            if is_done {
                self.finish_item(index, value, out);
            } else if !self.items.iter().any(|item| item.index == index) {
                self.begin_item(index, value, out);
            }
            return;
        }
        let Some(at) = self.item(&mut fields) else {
            return;
        };
        let mut sink = Sink {
            next_block: &mut self.next_block,
            out,
        };
        if let Some(item) = self.items.get_mut(at) {
            read_into(item, kind, fields, &mut sink);
        }
    }
}
