//! Costs worked by hand: what a recorded answer used, at the rates of `conf/pricing.yaml`, as literals.
//!
//! Each row cites its recording and exchange; above it stand its tokens by kind, each with the dollars per
//! million that it costs. The sums were made outside of the gateway.

use ai_gateway::{chat::usage::Usage, price, providers::pricing};

use crate::recordings::{apis, corpus};

/// A recording, the exchange in it, the provider's name in the catalog, the model, and the cost in dollars.
pub(super) type Row = (
    &'static str,
    usize,
    &'static str,
    &'static str,
    &'static str,
);

pub(super) const TABLE: &[Row] = &[
    // 3 input × 3 + 4565 written for an hour × 6 + 7 output × 15
    (
        "anthropic/messages-matrix-automatic-1h-prefix-1h-no-tools-streaming",
        0,
        "anthropic",
        "claude-sonnet-4-6",
        "0.027504",
    ),
    // 3 input × 3 + 4565 cached × 0.3 + 7 output × 15
    (
        "anthropic/messages-matrix-automatic-1h-prefix-1h-no-tools-streaming",
        1,
        "anthropic",
        "claude-sonnet-4-6",
        "0.0014835",
    ),
    // 3 input × 3 + 1276 written × 3.75 + 58 output × 15
    (
        "anthropic/messages-exec-anthropic-toolcall-stream",
        0,
        "anthropic",
        "claude-sonnet-4-20250514",
        "0.005664",
    ),
    // 6 input × 3 + 72 written × 3.75 + 1276 cached × 0.3 + 4 output × 15
    (
        "anthropic/messages-exec-anthropic-toolcall-stream",
        1,
        "anthropic",
        "claude-sonnet-4-20250514",
        "0.0007308",
    ),
    // 16 input × 2 + 7049 written × 2.5 + 13637 cached × 0.2 + 33 thought × 10 + 311 output × 10
    (
        "anthropic/messages-anthropic-code-execution-files-cache-prefix-stable-messages-sonnet-5",
        0,
        "anthropic",
        "claude-sonnet-5",
        "0.0238219",
    ),
    // 401468 input, above 200000 × 6 + 792 output × 22.5, and 10 searches × $0.01
    (
        "anthropic/messages-pause-turn-web-search-vcr",
        0,
        "anthropic",
        "claude-sonnet-4-5-20250929",
        "2.526628",
    ),
    // 9447 input × 1 + 114 output × 5, and 1 searches × $0.01
    (
        "anthropic/messages-web-search-with-anthropic-claude-hai-search-turns-and-reconstructs-them-stream",
        0,
        "anthropic",
        "claude-haiku-4-5-20251001",
        "0.020017",
    ),
    // 53 input, flex × 0.625 + 448 thought, flex × 5 + 21 output, flex × 5
    (
        "openai/responses-openai-responses-streaming-usage",
        0,
        "openai",
        "gpt-5-2025-08-07",
        "0.002378125",
    ),
    // 1143 input × 1.25 + 8320 cached × 0.125 + 512 thought × 10 + 70 output × 10
    (
        "openai/responses-openai-responses-model-web-search-tool-stream",
        0,
        "openai",
        "gpt-5-2025-08-07",
        "0.00828875",
    ),
    // 4158 input × 5 + 4418 written × 6.25 + 32 thought × 30 + 20 output × 30
    (
        "openai/responses-openai-responses-model-web-search-tool-without-external-access",
        0,
        "openai",
        "gpt-5.6-sol",
        "0.0499625",
    ),
    // 1 input × 0.02
    (
        "openai/embeddings-embeddings-version-v1-only",
        0,
        "openai",
        "text-embedding-3-small",
        "0.00000002",
    ),
    // 194 input × 0.15 + 19 output × 0.6
    (
        "azure/chat-completions-azure-agent-kickoff-structured-output-with-tools",
        0,
        "azure",
        "gpt-4o-mini-2024-07-18",
        "0.0000405",
    ),
    // 442 input × 2.5 + 27 output × 10
    (
        "azure/chat-completions-azuremultimodalintegration-test-describe-image",
        0,
        "azure",
        "gpt-4o-2024-11-20",
        "0.001375",
    ),
    // 9 input × 0.3 + 258 seen × 0.3 + 142 thought × 2.5 + 4 output × 2.5
    (
        "gemini/generatecontent-encodes-base64-image",
        0,
        "gemini",
        "gemini-2.5-flash",
        "0.0004451",
    ),
    // 35 input × 1.25 + 62 thought, in the total alone × 10 + 12 output × 10
    (
        "gemini/chat-completions-compatible-api-with-tool-calls-without-id",
        0,
        "gemini",
        "gemini-2.5-pro",
        "0.00078375",
    ),
    // 26 input × 2 + 132 thought × 12 + 23 output × 12
    (
        "vertex/generatecontent-google-stream-tool-call-arguments",
        0,
        "vertex",
        "gemini-3.1-pro-preview",
        "0.001912",
    ),
    // 3 input × 0.075 + 1792 cached × 0.0375 + 14 thought × 0.3 + 2 output × 0.3
    (
        "groq/chat-completions-blocking-probe",
        1,
        "groq",
        "openai/gpt-oss-20b",
        "0.000072225",
    ),
    // 76 input × 0.3 + 384 cached × 0.006 + 29 thought × 1.2 + 45 output × 1.2
    (
        "deepseek/chat-completions-agent-streaming-reasoner-roundtrip-streams-reasoning-first",
        0,
        "deepseek",
        "deepseek-v4-flash",
        "0.000113904",
    ),
    // 57 input × 0.15 + 16 cached × 0.15 + 21 output × 0.6
    (
        "mistral/chat-completions-blocking-document-and-image-in-one-message",
        0,
        "mistral",
        "mistral-small-latest",
        "0.00002355",
    ),
    // 2 input × 3.3 + 1322 written × 4.125 + 5 output × 16.5
    (
        "bedrock/converse-bedrock-cache-write-and-read",
        0,
        "bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "0.00554235",
    ),
    // 2 input × 3.3 + 1322 cached × 0.33 + 5 output × 16.5
    (
        "bedrock/converse-bedrock-cache-write-and-read",
        1,
        "bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "0.00052536",
    ),
    // 426 input × 0.035 + 66 output × 0.14
    (
        "bedrock/converse-bedrock-model-retry",
        0,
        "bedrock",
        "us.amazon.nova-micro-v1:0",
        "0.00002415",
    ),
    // 27 input × 2.5 + 1 heard × 40 + 17 output × 10
    (
        "openai/chat-completions-audio-to-text",
        0,
        "openai",
        "gpt-4o-audio-preview-2025-06-03",
        "0.0002775",
    ),
    // 46 billed input of 1445 × 2.5 + 14 billed output of 43 × 10
    (
        "cohere/v2-chat-cohere-empty-tool-call-stream",
        0,
        "cohere",
        "command-a-03-2025",
        "0.000255",
    ),
    // What the answer says: 5596400 × 10⁻¹⁰. It is 274 input × 0.2 + 192 cached × 0.02 + 334 output × 1.5.
    (
        "xai/chat-completions-openaicompatiblecommon-xai-grok-code-fast-multi-tool-streaming",
        0,
        "xai",
        "grok-code-fast-1",
        "0.00055964",
    ),
    // What the answer says: 2733250 × 10⁻¹⁰. The table has another price for the name by now.
    (
        "xai/chat-completions-openaicompatiblethinking-xai-grok-3-mini-thinking",
        0,
        "xai",
        "grok-3-mini",
        "0.000273325",
    ),
    // What the answer says.
    (
        "openrouter/chat-completions-openrouter-cache-all-settings-real-api",
        0,
        "openrouter",
        "anthropic/claude-4.6-sonnet-20260217",
        "0.01058775",
    ),
    // On one's own machine.
    (
        "ollama/chat-completions-function-calling-ollama-cloud-gpt-os-multi-turn-streaming-conversations",
        0,
        "ollama",
        "gpt-oss:120b",
        "0",
    ),
];

/// What nobody knows the price of, though its tokens are known.
const UNKNOWN: &[(&str, usize, &str, &str)] = &[
    // It states 0, and is billed by Azure.
    (
        "azure/chat-completions-function-calling-azure-grok-4-1-fast-multi-turn-streaming-conversations",
        0,
        "azure",
        "grok-4-1-fast-non-reasoning",
    ),
    (
        "together/chat-completions-together-chat-legacy",
        0,
        "together",
        "mistralai/Mixtral-8x7B-Instruct-v0.1",
    ),
    (
        "perplexity/chat-completions-tool-integration-stream",
        0,
        "perplexity",
        "llama-3.1-sonar-small-128k-online",
    ),
];

fn usage(name: &str, number: usize) -> Usage {
    let (recording, at) = (name, number);
    let recordings = corpus::load(corpus::folder());
    let recording = recordings.iter().find(|one| one.name == recording).unwrap();
    let exchange = &recording.exchanges[at];
    let body = exchange.request.as_ref().map(|request| &request.body);
    let (apis::Kind::Spoken(dialect) | apis::Kind::Passed(dialect)) =
        apis::kind(&recording.api, body)
    else {
        panic!("{name} has no dialect");
    };
    let usage = dialect.read_usage(&exchange.answer, exchange.is_streamed);
    usage.unwrap_or_else(|| panic!("{name} has no usage"))
}

#[test]
fn recorded_answers_cost_what_was_worked_out_by_hand() {
    assert!(TABLE.len() >= 20);
    for (name, number, kind, model, cost) in TABLE {
        let usage = usage(name, *number);
        let found = price::cost(pricing::embedded().price(kind, model), &usage);
        let found = found.map(|usd| usd.to_string());
        assert_eq!(found.as_deref(), Some(*cost), "{name} {number}: {usage:?}");
    }
}

#[test]
fn what_nobody_knows_the_price_of_has_no_cost() {
    for (name, number, kind, model) in UNKNOWN {
        let usage = usage(name, *number);
        assert!(usage.total() > 0, "{name}");
        let found = price::cost(pricing::embedded().price(kind, model), &usage);
        assert_eq!(found, None, "{name}");
    }
}
