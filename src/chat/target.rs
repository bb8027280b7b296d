//! What a provider's server accepts, as data: where servers of one dialect differ. Each provider's
//! entry in `conf/providers.yaml` may set these; the defaults are what most servers do.

use serde::{Deserialize, Serialize};

use super::id::IdRule;

/// Whom a request is written for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The model's name there.
    pub model: &'a str,
    /// What the server accepts.
    pub quirks: &'a Quirks,
    /// What is asked of it.
    pub operation: Operation,
}

/// What is asked of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// An answer.
    Generate,
    /// The number of the prompt's tokens: what only concerns the answer is left out.
    CountTokens,
}

/// Where servers of one dialect differ. Only the OpenAI-compatible ones need most of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// The name that the limit of an answer's tokens goes by.
    pub max_tokens: MaxTokens,
    /// Whether instructions may have the role `developer`; they become `system` otherwise.
    pub developer_role: bool,
    /// Whether instructions may stand behind other messages; they become user text otherwise.
    pub late_system: bool,
    /// What ids of tool calls must look like.
    pub tool_ids: IdRule,
    /// Whether `stream_options.include_usage` is understood.
    pub stream_options: bool,
    /// How an answer's JSON Schema is asked for.
    pub json_schema: JsonSchema,
    /// How thinking is asked for.
    pub reasoning: ReasoningRequest,
    /// How earlier thoughts are sent back.
    pub reasoning_back: ReasoningBack,
    /// Globs of the models that take earlier thoughts, where others refuse them (Groq); empty for all.
    pub reasoning_models: Vec<String>,
    /// The members of messages that are taken, where any other is refused (Mistral, Groq): `name`, or
    /// `tool.name` in a tool's messages only. Empty for all.
    pub message_members: Vec<String>,
    /// The word for "some tool must be called": `required`, or Mistral's `any`.
    pub required: String,
    /// Fields that go by another name: `seed` is Mistral's `random_seed`.
    pub renames: std::collections::BTreeMap<String, String>,
    /// Fields that are refused, so that they are dropped and reported.
    pub unsupported: Vec<String>,
    /// Whether `cache_control` is understood on parts (OpenRouter, and Anthropic models elsewhere).
    pub cache_control: bool,
    /// Whether tools whose input is free text are understood (OpenAI's `custom`); they become functions
    /// with one argument otherwise.
    pub custom_tools: bool,
    /// Whether `tool_choice: allowed_tools` is understood; fewer tools are declared otherwise.
    pub allowed_tools: bool,
    /// How documents are sent.
    pub documents: Documents,
    /// Whether a content may be a list of texts; they are joined to one text otherwise.
    pub text_lists: bool,
    /// Whether the assistant must speak between a tool's result and the user (Mistral).
    pub assistant_after_tool: bool,
    /// Whether a last message of the assistant's, to go on from, must say `prefix: true` (Mistral).
    pub prefix: bool,
    /// Whether Gemini's signatures are understood on tool calls (`extra_content.google`).
    pub google_signatures: bool,
    /// The efforts of thinking that are understood, of which the nearest is sent; empty for all.
    pub efforts: Vec<String>,
    /// Whether OpenAI's own SDKs cannot read its answers (Mistral's calls have neither `index` nor `type`,
    /// and its thoughts are parts of the content), so that they are written anew even for a caller of the
    /// same dialect.
    pub irregular: bool,
    /// Whether `encoding_format: base64` is honoured for embeddings; the gateway encodes them otherwise.
    pub base64_embeddings: bool,
    /// Claude, at Anthropic and on Bedrock: what `max_tokens` is where the caller sets none, since
    /// Anthropic demands one and Bedrock takes 4,096. Unset it is what the model gives, 32,000 at most,
    /// and 8,192 for models of other makers behind Anthropic's API.
    pub default_max_tokens: Option<u64>,
}

impl Default for Quirks {
    fn default() -> Self {
        Quirks {
            max_tokens: MaxTokens::MaxTokens,
            developer_role: false,
            late_system: true,
            tool_ids: IdRule::Short,
            stream_options: true,
            json_schema: JsonSchema::Native,
            reasoning: ReasoningRequest::Effort,
            reasoning_back: ReasoningBack::None,
            reasoning_models: Vec::new(),
            message_members: Vec::new(),
            required: "required".to_owned(),
            renames: std::collections::BTreeMap::new(),
            unsupported: Vec::new(),
            cache_control: false,
            custom_tools: false,
            allowed_tools: false,
            documents: Documents::File,
            text_lists: true,
            assistant_after_tool: false,
            prefix: false,
            google_signatures: false,
            efforts: Vec::new(),
            irregular: false,
            base64_embeddings: false,
            default_max_tokens: None,
        }
    }
}

impl Quirks {
    /// Whether `field` is refused.
    pub fn refuses(&self, field: &str) -> bool {
        self.unsupported.iter().any(|name| name == field)
    }
}

/// The name of the limit of an answer's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokens {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
    /// OpenAI's rule: `max_completion_tokens` for reasoning models (`o1*`, `o3*`, `o4*`, `gpt-5*`
    /// and later), else `max_tokens`.
    ByModel,
}

/// How a JSON Schema for the answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonSchema {
    /// `response_format: json_schema`, or the dialect's own way.
    Native,
    /// A tool that must be called, whose arguments are the answer.
    ForcedTool,
}

/// How thinking is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningRequest {
    /// `reasoning_effort`.
    Effort,
    /// OpenRouter's `reasoning` object.
    Object,
    /// `thinking: {type: enabled}` (DeepSeek, Z.ai).
    Thinking,
    /// Not at all.
    None,
}

/// How earlier thoughts are sent back to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningBack {
    /// Not at all: most servers refuse or ignore them.
    None,
    /// `reasoning_content` (DeepSeek, Z.ai, vLLM, llama.cpp).
    Content,
    /// `reasoning` (Groq, Ollama).
    Reasoning,
    /// OpenRouter's `reasoning_details`.
    Details,
    /// Mistral's `thinking` parts.
    Parts,
}

/// How documents are sent in a Chat Completions request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Documents {
    /// `file` parts with the bytes in base64.
    File,
    /// `file` parts with the bytes or with a URL (OpenRouter).
    FileOrUrl,
    /// `document_url` parts (Mistral).
    DocumentUrl,
}
