//! Writes a request for a provider, by its quirks.

mod choice;

use serde_json::{Map, Number, Value, json};
use sha2::{Digest, Sha256};

use super::{
    conversation,
    reasoning::{self, Family, family},
};
use crate::{
    chat::{
        json,
        part::Part,
        request::{ChatRequest, Format, Message, Reasoning, Role, Sampling},
        target::{MaxTokens, Quirks, ReasoningRequest, Target},
    },
    dialects::{
        Dropped, Written,
        openai_chat::{
            NAME,
            marks::{AS, fill},
            models,
            parts::Lost,
        },
    },
    error::GatewayError,
};

/// OpenAI's limits.
const MAX_STOPS: usize = 4;
const MAX_USER_CHARS: usize = 64;

/// See [`crate::dialects::Dialect::write_request`].
pub(in crate::dialects::openai_chat) fn write(
    mut request: ChatRequest,
    target: &Target<'_>,
) -> Result<Written, GatewayError> {
    let mut extra = request.extra.take(NAME);
    let marks = match extra.shift_remove(AS) {
        Some(Value::Object(marks)) => Some(marks),
        _ => None,
    };
    let quirks = target.quirks;
    let mut writer = Writer {
        model: target.model,
        quirks,
        is_own: marks.is_some(),
        is_openai: quirks.max_tokens == MaxTokens::ByModel,
        family: match quirks.max_tokens {
            MaxTokens::ByModel => family(target.model),
            _ => Family::Unknown,
        },
        marks: marks.unwrap_or_default(),
        extra,
        out: Map::new(),
        dropped: Dropped::default(),
        json_tool: None,
    };
    if !target.model.is_empty() {
        writer.out.insert("model".into(), target.model.into());
    }
    if request.format == Some(Format::Json) && !writer.is_own {
        ask_for_json(&mut request.messages);
    }
    let messages = std::mem::take(&mut request.messages);
    let (messages, lost) = conversation::write(messages, target.model, quirks, writer.is_own);
    writer.dropped = lost;
    writer.out.insert("messages".into(), messages.into());
    writer.tools(&mut request);
    writer.members(request);
    Ok(Written {
        body: json::print(&writer.out),
        dropped: writer.dropped,
        json_tool: writer.json_tool,
    })
}

struct Writer<'a> {
    model: &'a str,
    quirks: &'a Quirks,
    /// Whether the request was read from this dialect.
    is_own: bool,
    /// Whether OpenAI's own limits hold.
    is_openai: bool,
    family: Family,
    /// How its caller wrote what has several ways.
    marks: Map<String, Value>,
    /// Its own members.
    extra: Map<String, Value>,
    out: Map<String, Value>,
    dropped: Dropped,
    json_tool: Option<String>,
}

impl Writer<'_> {
    fn lose(&mut self, lost: Lost) {
        lost.into_iter().for_each(|name| self.dropped.add(name));
    }

    fn mark(&self, name: &str) -> Option<&str> {
        self.marks.get(name)?.as_str()
    }

    /// Writes a member, under the server's name for it, or reports that the server refuses it.
    fn set<T: Into<Value>>(&mut self, name: &str, value: Option<T>) {
        let Some(value) = value else { return };
        if self.quirks.refuses(name) {
            return self.dropped.add(name);
        }
        let name = self.quirks.renames.get(name).map_or(name, String::as_str);
        self.out.insert(name.to_owned(), value.into());
    }

    fn members(&mut self, request: ChatRequest) {
        let max_tokens = match self.is_openai {
            true => models::clamp(request.max_tokens, self.model, &mut self.dropped),
            false => request.max_tokens,
        };
        self.set(self.max_tokens(), max_tokens);
        self.sampling(request.sampling);
        if let Some(reasoning) = request.reasoning {
            self.reasoning(&reasoning);
        }
        self.set("n", request.n);
        self.set("logprobs", request.logprobs);
        self.set("top_logprobs", request.top_logprobs);
        let tier = request.service_tier.map(|tier| match tier.as_str() {
            // Anthropic's and Bedrock's words for the tier that is not paid for ahead.
            "standard_only" | "standard" if !self.is_own => "default".to_owned(),
            _ => tier,
        });
        self.set("service_tier", tier);
        self.user(request.user);
        self.metadata(request.metadata, request.store);
        self.set("store", request.store);
        self.set("verbosity", request.verbosity);
        self.set("prompt_cache_key", request.prompt_cache_key);
        self.modalities(request.modalities);
        self.stream(request.stream);
        for (name, value) in std::mem::take(&mut self.extra) {
            if self.quirks.refuses(&name) {
                self.dropped.add(&name);
            } else {
                fill(&mut self.out, Map::from_iter([(name, value)]));
            }
        }
        if self.is_openai {
            let effort = self.out.get("reasoning_effort").and_then(Value::as_str);
            let draws = models::draws(self.model, effort);
            models::withhold(&mut self.out, draws, &mut self.dropped);
        }
    }

    fn max_tokens(&self) -> &'static str {
        let is_newer = match self.quirks.max_tokens {
            MaxTokens::MaxCompletionTokens => true,
            MaxTokens::ByModel if matches!(self.family, Family::Thinks(_)) => true,
            _ => self.mark("max_tokens").is_some(),
        };
        if is_newer {
            "max_completion_tokens"
        } else {
            "max_tokens"
        }
    }

    fn sampling(&mut self, sampling: Sampling) {
        let number = |number: Option<Number>| number.map(Value::Number);
        self.set("temperature", number(sampling.temperature));
        self.set("top_p", number(sampling.top_p));
        self.extended("top_k", sampling.top_k);
        self.extended("min_p", sampling.min_p);
        self.set("frequency_penalty", number(sampling.frequency_penalty));
        self.set("presence_penalty", number(sampling.presence_penalty));
        self.extended("repetition_penalty", sampling.repetition_penalty);
        self.set("seed", number(sampling.seed));
        self.set("logit_bias", sampling.logit_bias);
        let Some(mut stop) = sampling.stop else {
            return;
        };
        if self.is_openai && !self.is_own && stop.len() > MAX_STOPS {
            stop.truncate(MAX_STOPS);
            self.dropped.add("stop");
        }
        let stop: Value = match self.mark("stop") {
            Some(_) => stop.pop().into(),
            None => stop.into(),
        };
        self.set("stop", Some(stop));
    }

    /// What most servers took over from each other, and OpenAI refuses.
    fn extended(&mut self, name: &str, number: Option<Number>) {
        if self.is_openai && !self.is_own {
            return self.dropped.unless_none(name, &number);
        }
        self.set(name, number.map(Value::Number));
    }

    /// A caller of this dialect may have said it in ways that go beyond the form: they stand, unless
    /// the server has a way of its own.
    fn reasoning(&mut self, reasoning: &Reasoning) {
        let is_kept = self.mark("reasoning").is_some();
        if is_kept && self.quirks.reasoning == ReasoningRequest::Effort {
            return;
        }
        let own = match self.quirks.reasoning {
            ReasoningRequest::Object => "reasoning",
            ReasoningRequest::Thinking => "thinking",
            ReasoningRequest::Effort | ReasoningRequest::None => "",
        };
        let others = reasoning::MEMBERS.iter().filter(|name| **name != own);
        others.for_each(|name| {
            self.extra.shift_remove(*name);
        });
        match reasoning::write(reasoning, self.quirks, self.family) {
            Some(members) => {
                for (name, value) in members {
                    self.set(&name, Some(value));
                }
            }
            None => self.dropped.add("reasoning_effort"),
        }
    }

    /// OpenAI takes no long names; what stands for one is the same each time.
    fn user(&mut self, user: Option<String>) {
        let name = self.mark("user").unwrap_or("user").to_owned();
        let is_long = |user: &String| user.chars().count() > MAX_USER_CHARS;
        let user = user.map(
            |user| match self.is_openai && !self.is_own && is_long(&user) {
                true => short(&user),
                false => user,
            },
        );
        self.set(&name, user);
    }

    /// OpenAI takes labels only for what it keeps.
    fn metadata(&mut self, metadata: Option<Map<String, Value>>, store: Option<bool>) {
        if self.is_openai && !self.is_own && store != Some(true) {
            return self.dropped.unless_none("metadata", &metadata);
        }
        self.set("metadata", metadata);
    }

    fn modalities(&mut self, modalities: Option<Vec<String>>) {
        let is_plain = |wanted: &Vec<String>| wanted.iter().all(|one| one == "text");
        let modalities = modalities.filter(|wanted| self.is_own || !is_plain(wanted));
        self.set("modalities", modalities);
    }

    /// Usage is always asked for: the gateway counts it, whether or not its caller wants to know.
    fn stream(&mut self, stream: bool) {
        let options = self.extra.shift_remove("stream_options");
        if !stream {
            return;
        }
        self.out.insert("stream".into(), true.into());
        if !self.quirks.stream_options {
            return;
        }
        let mut members = Map::from_iter([("include_usage".to_owned(), json!(true))]);
        if let Some(Value::Object(options)) = options {
            fill(&mut members, options);
        }
        self.out.insert("stream_options".into(), members.into());
    }
}

/// OpenAI and others refuse `json_object` where no message speaks of JSON.
fn ask_for_json(messages: &mut Vec<Message>) {
    let speaks = |part: &Part| {
        let text = part.as_text().unwrap_or_default();
        ["JSON", "json", "Json"]
            .iter()
            .any(|word| text.contains(word))
    };
    let mut parts = messages.iter().flat_map(|message| &message.parts);
    if !parts.any(speaks) {
        let asked = Part::text("Answer with a JSON object.");
        messages.insert(0, Message::new(Role::System, vec![asked]));
    }
}

/// A short name that stands for a long one.
fn short(user: &str) -> String {
    let digest = Sha256::digest(user.as_bytes());
    let digits = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
    format!("user-{}", digits.collect::<String>())
}

#[cfg(test)]
mod tests;
