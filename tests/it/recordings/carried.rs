//! Requests for providers of every other dialect: written, or refused with a reason; readable there;
//! and nothing lost in silence.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Number, Value, json};

use ai_gateway::{
    chat::{
        part::{Content, Part, Source},
        request::{ChatRequest, Tool, ToolChoice},
        target::{Operation, Quirks, Target},
    },
    dialects::{Asked, DIALECTS, Dialect, Route, translate},
    error::GatewayError,
};

use super::{json::cut, report::Account, settings, turns};

/// Writes `asked` of `caller` for all the others.
pub fn to_all(caller: &dyn Dialect, asked: &Asked, account: &mut Account) {
    for provider in DIALECTS
        .iter()
        .filter(|provider| provider.name() != caller.name())
    {
        to(caller, *provider, asked, account);
    }
}

fn to(caller: &dyn Dialect, provider: &'static dyn Dialect, asked: &Asked, account: &mut Account) {
    let check = format!("request for {}", provider.name());
    account.checked("requests carried to other dialects");
    let quirks = Quirks::default();
    let target = Target {
        model: model(provider.name()),
        quirks: &quirks,
        operation: Operation::Generate,
    };
    let written = match translate::request(asked.request.clone(), caller, provider, &target) {
        Ok(translated) => translated.written,
        Err(GatewayError::InvalidBody { message, .. }) if !message.is_empty() => {
            account.checked("requests refused by other dialects");
            account.skip(format!(
                "{} cannot take the request: {message}",
                provider.name()
            ));
            return;
        }
        Err(error) => return account.fail(&check, error),
    };
    let Ok(body) = serde_json::from_slice::<Value>(&written.body) else {
        return account.fail(&check, "a body that is no JSON");
    };
    let path = provider.path(&target, asked.request.stream);
    let path = format!("/{}", path.trim_start_matches(['.', '/']));
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let second = match provider.read_request(body.clone(), &Route { path, query }) {
        Ok(second) => second.request,
        Err(error) => return account.fail(&check, format!("cannot be read there: {error}")),
    };
    let dropped = written.dropped.names();
    let is_dropped = |names: &[&str]| {
        let fits = |dropped: &String, name: &&str| {
            dropped == name || dropped.starts_with(&format!("{name}."))
        };
        names
            .iter()
            .any(|name| dropped.iter().any(|dropped| fits(dropped, name)))
    };
    let found = Found::new(&body);
    let (first, json_tool) = (&asked.request, written.json_tool.as_deref());
    for lost in words(first).iter().filter(|word| !found.holds(word)) {
        if !is_dropped(lost.names) {
            account.fail(
                &check,
                format!("lost in silence: {}; dropped {dropped:?}", lost.show()),
            );
        }
    }
    if let Some(lost) = turns::lost(first, &second) {
        account.fail(&check, cut(&lost));
    }
    for (name, names) in settings::lost(first, &second, json_tool) {
        if !is_dropped(names) && !is_default(name, first, provider) {
            account.fail(
                &check,
                format!("lost in silence: {name}; dropped {dropped:?}"),
            );
        }
    }
}

/// Settings that say what every provider does without them, so that their loss is none and is not
/// reported: see `plain` in `src/dialects/translate.rs`. Anthropic assumes its priority tier too, where
/// it is paid for.
fn is_default(name: &str, request: &ChatRequest, provider: &dyn Dialect) -> bool {
    let sampling = &request.sampling;
    let is = |number: &Option<Number>, value: f64| {
        let number = number.as_ref().and_then(Number::as_f64);
        number.is_some_and(|number| (number - value).abs() < f64::EPSILON)
    };
    match name {
        "n" => request.n == Some(1),
        "logprobs" => request.logprobs == Some(false),
        "store" => request.store == Some(false),
        "parallel_tool_calls" => request.parallel_tool_calls == Some(true),
        "top_p" => is(&sampling.top_p, 1.0),
        "frequency_penalty" => is(&sampling.frequency_penalty, 0.0),
        "presence_penalty" => is(&sampling.presence_penalty, 0.0),
        "service_tier" => match request.service_tier.as_deref() {
            Some("auto" | "default") => true,
            Some("priority") => provider.name() == "anthropic",
            _ => false,
        },
        _ => false,
    }
}

/// A model that providers of the dialect have: what can be asked for goes by its name.
fn model(dialect: &str) -> &'static str {
    match dialect {
        "openai_chat" => "gpt-4.1-mini",
        "openai_responses" => "gpt-5.1",
        "anthropic" => "claude-sonnet-4-5",
        "gemini" => "gemini-2.5-flash",
        "ollama" => "qwen3",
        "cohere" => "command-a-reasoning-08-2025",
        _ => "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    }
}

/// Something that a request says.
struct Word<'a> {
    what: What<'a>,
    /// The names under which its loss may be reported; none where it may not be lost.
    names: &'static [&'static str],
}

enum What<'a> {
    Text(&'a str),
    /// Arguments of a call.
    Json(&'a str),
}

impl Word<'_> {
    fn show(&self) -> String {
        match self.what {
            What::Text(text) | What::Json(text) => super::json::cut(&format!("{text:?}")),
        }
    }
}

/// All that a request says in words.
fn words(request: &ChatRequest) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for message in &request.messages {
        message
            .parts
            .iter()
            .for_each(|part| add(part, &[], &mut words));
    }
    // Where none may be called, none need be declared.
    let are_off = request.tool_choice == Some(ToolChoice::None);
    for tool in request.tools.iter().filter(|_| !are_off) {
        let (name, description) = match tool {
            Tool::Function(tool) => (&tool.name, &tool.description),
            Tool::Custom(tool) => (&tool.name, &tool.description),
            Tool::Native(_) => continue,
        };
        let texts = [Some(name), description.as_ref()].into_iter().flatten();
        words.extend(texts.map(|text| Word {
            what: What::Text(text),
            names: &["tools"],
        }));
    }
    words
}

fn add<'a>(part: &'a Part, names: &'static [&'static str], words: &mut Vec<Word<'a>>) {
    let mut word = |what, names| words.push(Word { what, names });
    match &part.content {
        Content::Text(text) => word(What::Text(&text.text), names),
        Content::Refusal(text) => word(What::Text(text), names),
        Content::Thinking(thinking) => word(What::Text(&thinking.text), &["thinking"]),
        Content::ToolCall(call) => {
            word(What::Text(&call.name), &[]);
            word(What::Json(&call.arguments), &[]);
        }
        Content::ToolResult(result) => {
            for part in &result.content {
                add(part, &["tool_result", "documents"], words);
            }
        }
        Content::Media(media) => match &media.source {
            Source::Base64 { data, .. } => word(What::Text(data), MEDIA),
            Source::Url { url, .. } => word(What::Text(url), MEDIA),
            Source::Text { text } => word(What::Text(text), MEDIA),
            Source::File { .. } | Source::Native(_) => {}
        },
        Content::Native(_) => {}
    }
}

const MEDIA: &[&str] = &["images", "documents", "audio", "video", "tool_result"];

/// What a body holds.
struct Found<'a> {
    texts: Vec<&'a str>,
    objects: Vec<Value>,
}

impl<'a> Found<'a> {
    fn new(body: &'a Value) -> Self {
        let mut found = Found {
            texts: Vec::new(),
            objects: Vec::new(),
        };
        found.collect(body);
        let parsed = found
            .texts
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok());
        let parsed: Vec<Value> = parsed.filter(Value::is_object).collect();
        found.objects.extend(parsed);
        found
    }

    fn collect(&mut self, value: &'a Value) {
        match value {
            Value::String(text) => self.texts.push(text),
            Value::Array(list) => list.iter().for_each(|value| self.collect(value)),
            Value::Object(map) => {
                self.objects.push(value.clone());
                map.values().for_each(|value| self.collect(value));
            }
            _ => {}
        }
    }

    fn holds(&self, word: &Word<'_>) -> bool {
        match word.what {
            What::Text(text) => self.has_text(text),
            What::Json(text) => {
                let value = serde_json::from_str(text).ok();
                let value = value.filter(Value::is_object).unwrap_or(json!({}));
                let wrapped = json!({ "input": text });
                self.objects
                    .iter()
                    .any(|known| *known == value || *known == wrapped)
                    || self.has_text(text)
            }
        }
    }

    /// A result that is JSON may be written as JSON.
    fn has_text(&self, text: &str) -> bool {
        text.is_empty()
            || decoded(text).is_some_and(|text| self.has_text(&text))
            || self.texts.iter().any(|known| known.contains(text))
            || serde_json::from_str::<Value>(text)
                .is_ok_and(|value| value.is_object() && self.objects.contains(&value))
    }
}

/// Bytes that are text may be written as text.
fn decoded(base64: &str) -> Option<String> {
    let bytes = STANDARD.decode(base64).ok()?;
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}
