//! Content blocks read into parts. What is not a kind the form knows stays as it is.
//! Source: Anthropic's API reference, "Messages" (`content`).

use serde_json::Value;

use super::super::NAME;
use crate::{
    chat::{
        extra::{Native, Opaque},
        fields::{Fields, wrong_type},
        part::{
            Citation, Content, Media, MediaKind, Part, Source, Text, Thinking, ToolCall, ToolResult,
        },
    },
    dialects::NAMES,
    error::GatewayError,
};

/// Who wrote the blocks: a caller is told what it got wrong, a provider forgiven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Side {
    /// A caller, in a request.
    Request,
    /// A provider, in an answer.
    Answer,
}

/// A block's members.
struct Block {
    fields: Fields,
    side: Side,
}

impl Block {
    fn text(&mut self, name: &'static str) -> Result<Option<String>, GatewayError> {
        match self.side {
            Side::Request => self.fields.text(name),
            Side::Answer => Ok(self.fields.lenient_text(name)),
        }
    }

    fn list(&mut self, name: &'static str) -> Result<Vec<Value>, GatewayError> {
        let list = match self.side {
            Side::Request => self.fields.list(name)?,
            Side::Answer => self.fields.lenient_list(name),
        };
        Ok(list.unwrap_or_default())
    }

    fn opaque(&mut self, name: &'static str) -> Result<Option<Opaque>, GatewayError> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        Ok(text.map(|text| Opaque::read(text, NAME, NAMES)))
    }
}

/// A message's `content`: a string, or blocks.
pub(in super::super) fn parts(content: Value, side: Side) -> Result<Vec<Part>, GatewayError> {
    match content {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(blocks) => {
            let mut parts = Vec::with_capacity(blocks.len());
            for value in blocks {
                parts.push(block(value, side)?);
            }
            Ok(parts)
        }
        Value::Null => Ok(Vec::new()),
        _ if side == Side::Answer => Ok(Vec::new()),
        _ => Err(wrong_type("content", "a string or a list of blocks")),
    }
}

/// One block.
pub(in super::super) fn block(value: Value, side: Side) -> Result<Part, GatewayError> {
    let Value::Object(map) = &value else {
        return match side {
            Side::Request => Err(wrong_type("content", "a string or a list of blocks")),
            Side::Answer => Ok(Part::native(NAME, value)),
        };
    };
    // A block has few members: a look at each is cheaper than a hash.
    let kind = map.iter().find(|(name, _)| *name == "type");
    let read: fn(&mut Block) -> Result<Content, GatewayError> =
        match kind.and_then(|(_, kind)| kind.as_str()) {
            Some("text") => text,
            Some("image") => |block| media(block, MediaKind::Image),
            Some("document") => |block| media(block, MediaKind::Document),
            Some("tool_use") => tool_use,
            Some("tool_result") => tool_result,
            Some("thinking") => thinking,
            Some("redacted_thinking") => redacted_thinking,
            _ => return Ok(Part::native(NAME, value)),
        };
    let mut block = Block {
        fields: Fields::lenient(value),
        side,
    };
    block.fields.take("type");
    let content = read(&mut block)?;
    Ok(Part {
        content,
        cache: block.fields.take("cache_control"),
        extra: block.fields.rest(NAME),
    })
}

fn text(block: &mut Block) -> Result<Content, GatewayError> {
    // A list that is empty is told from none in answers only, where it costs nobody a report.
    let has_none = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let keeps = block.side == Side::Answer && block.fields.peek("citations").is_some_and(has_none);
    let citations = if keeps {
        Vec::new()
    } else {
        block.list("citations")?
    };
    Ok(Content::Text(Text {
        text: block.text("text")?.unwrap_or_default(),
        citations: citations.into_iter().map(citation).collect(),
        signature: block.opaque("signature")?,
    }))
}

/// A citation of any of the kinds: of the web, of a search result, of a place in a document.
pub(in super::super) fn citation(value: Value) -> Citation {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    Citation {
        url: text("url"),
        title: text("title").or_else(|| text("document_title")),
        cited_text: text("cited_text"),
        start: None,
        end: None,
        native: Some(Native {
            dialect: NAME,
            value,
        }),
    }
}

fn media(block: &mut Block, kind: MediaKind) -> Result<Content, GatewayError> {
    let source = match (block.fields.take("source"), block.side) {
        (Some(source), _) => source,
        (None, Side::Request) => return Err(wrong_type("source", "an object")),
        (None, Side::Answer) => Value::Null,
    };
    let name = match kind {
        MediaKind::Document => block.text("title")?,
        _ => None,
    };
    Ok(Content::Media(Media {
        kind,
        source: self::source(source),
        name,
        detail: None,
    }))
}

/// A source of which nothing would be lost; any other stays as it is.
fn source(value: Value) -> Source {
    let Value::Object(map) = &value else {
        return Source::Native(Native {
            dialect: NAME,
            value,
        });
    };
    let text = |name: &str| map.get(name).and_then(Value::as_str);
    let is_plain = |names: &[&str]| {
        map.len() == names.len() + 1 && names.iter().all(|name| text(name).is_some())
    };
    let take = |value: Value, name: &str| Fields::lenient(value).lenient_text(name);
    match text("type") {
        Some("base64") if is_plain(&["media_type", "data"]) => {
            let mut fields = Fields::lenient(value);
            Source::Base64 {
                media_type: fields.lenient_text("media_type").unwrap_or_default(),
                data: fields.lenient_text("data").unwrap_or_default(),
            }
        }
        Some("url") if is_plain(&["url"]) => {
            Source::from_url(take(value, "url").unwrap_or_default())
        }
        Some("file") if is_plain(&["file_id"]) => Source::File {
            id: take(value, "file_id").unwrap_or_default(),
        },
        Some("text")
            if is_plain(&["media_type", "data"]) && text("media_type") == Some("text/plain") =>
        {
            Source::Text {
                text: take(value, "data").unwrap_or_default(),
            }
        }
        _ => Source::Native(Native {
            dialect: NAME,
            value,
        }),
    }
}

fn tool_use(block: &mut Block) -> Result<Content, GatewayError> {
    let input = block.fields.take("input");
    Ok(Content::ToolCall(ToolCall {
        id: block.text("id")?,
        name: block.text("name")?.unwrap_or_default(),
        arguments: match input {
            Some(Value::String(text)) => text,
            Some(input) => serde_json::to_string(&input).unwrap_or_default(),
            None => "{}".to_owned(),
        },
        is_custom: false,
        signature: block.opaque("signature")?,
    }))
}

fn tool_result(block: &mut Block) -> Result<Content, GatewayError> {
    let content = block.fields.take("content").unwrap_or_default();
    Ok(Content::ToolResult(ToolResult {
        call_id: block.text("tool_use_id")?,
        name: None,
        content: parts(content, block.side)?,
        is_error: match block.side {
            Side::Request => block.fields.boolean("is_error")?,
            Side::Answer => block.fields.lenient_boolean("is_error"),
        }
        .unwrap_or(false),
        is_custom: false,
    }))
}

fn thinking(block: &mut Block) -> Result<Content, GatewayError> {
    Ok(Content::Thinking(Thinking {
        text: block.text("thinking")?.unwrap_or_default(),
        opaque: block.opaque("signature")?,
        ..Thinking::default()
    }))
}

fn redacted_thinking(block: &mut Block) -> Result<Content, GatewayError> {
    Ok(Content::Thinking(Thinking {
        opaque: block.opaque("data")?,
        is_redacted: true,
        ..Thinking::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Part {
        block(value, Side::Request).unwrap()
    }

    #[test]
    fn what_the_form_has_no_word_for_is_kept_whole() {
        let search = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}});
        assert_eq!(read(search.clone()), Part::native(NAME, search));
        let sourced = read(
            json!({"type": "document", "source": {"type": "content", "content": []}, "title": "t", "context": "c"}),
        );
        let Content::Media(media) = &sourced.content else {
            panic!("{sourced:?}")
        };
        assert!(matches!(media.source, Source::Native(_)));
        assert_eq!(media.name.as_deref(), Some("t"));
        assert_eq!(sourced.extra.get(NAME, "context"), Some(&json!("c")));
    }

    #[test]
    fn thoughts_of_other_makers_are_known_again() {
        let part =
            read(json!({"type": "thinking", "thinking": "hm", "signature": "gw1.gemini.abc"}));
        let Content::Thinking(thinking) = part.content else {
            panic!("{part:?}")
        };
        let opaque = thinking.opaque.unwrap();
        assert_eq!((opaque.dialect, opaque.data.as_str()), ("gemini", "abc"));
    }

    #[test]
    fn a_caller_is_told_what_is_wrong_and_a_provider_forgiven() {
        let wrong = json!({"type": "text", "text": 5});
        let error = block(wrong.clone(), Side::Request).unwrap_err();
        assert_eq!(error.param(), Some("text"));
        assert!(block(wrong, Side::Answer).is_ok());
    }

    #[test]
    fn tool_results_may_be_text_or_blocks() {
        let of = |content: Value| {
            let part = read(json!({"type": "tool_result", "tool_use_id": "a", "content": content}));
            match part.content {
                Content::ToolResult(result) => result.content,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(of(json!("x")), of(json!([{"type": "text", "text": "x"}])));
        assert_eq!(of(Value::Null), []);
    }
}
