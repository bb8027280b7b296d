//! The usage that the raw bytes of an answer tell, by each provider's reference: read from the parsed
//! documents alone, without any of the gateway's code.

use serde_json::Value;

/// Counts by the names of the gateway's own.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub struct Counted {
    pub input: u64,
    pub output: u64,
    pub cached_input: u64,
    pub cache_write: u64,
    pub cache_write_1h: u64,
    pub reasoning: u64,
    pub audio_input: u64,
    pub audio_output: u64,
    pub image_input: u64,
    pub image_output: u64,
    pub searches: u64,
    pub unbilled_input: u64,
    pub unbilled_output: u64,
    /// `flex`, `priority` or `batch`; nothing where it is none of them.
    pub service: Option<String>,
    pub stated_cost_pico: Option<u64>,
}

/// The JSON documents of a body: one, or one for each event, line or frame.
pub fn documents(body: &[u8]) -> Vec<Value> {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return match value {
            Value::Array(items) => items,
            value => vec![value],
        };
    }
    match std::str::from_utf8(body) {
        Ok(text) => text
            .lines()
            .map(|line| line.trim().trim_start_matches("data:").trim())
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect(),
        Err(_) => frames(body),
    }
}

/// The payloads of AWS's frames: lengths of frame and headers, a checksum, headers, payload, a checksum.
fn frames(mut body: &[u8]) -> Vec<Value> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap()) as usize;
    let mut out = Vec::new();
    while body.len() >= 16 {
        let (frame, rest) = body.split_at(number(&body[..4]));
        let payload = &frame[12 + number(&frame[4..8])..frame.len() - 4];
        out.extend(serde_json::from_slice::<Value>(payload).ok());
        body = rest;
    }
    out
}

/// What the documents of an answer of this API tell; `None` where they count nothing.
pub fn counted(api: &str, documents: &[Value]) -> Option<Counted> {
    match api {
        "chat.completions" | "completions" | "embeddings" => chat(documents),
        "responses" => responses(documents),
        "messages" | "rawPredict" | "invoke" => messages(documents),
        "generateContent" => google(documents),
        "converse" => converse(documents),
        "v2.chat" => cohere(documents),
        "api.chat" | "api.generate" => ollama(documents),
        _ => None,
    }
}

fn at(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

fn service(word: Option<&Value>) -> Option<String> {
    let word = word?.as_str()?.to_lowercase();
    let known = ["flex", "priority", "batch"];
    known
        .into_iter()
        .find(|name| word.ends_with(name))
        .map(str::to_owned)
}

fn stated(usage: &Value) -> Option<u64> {
    if let Some(ticks) = usage["cost_in_usd_ticks"]
        .as_u64()
        .filter(|ticks| *ticks > 0)
    {
        return Some(ticks * 100);
    }
    // As a decimal text, so that no float is multiplied.
    let cost = usage["cost"].as_f64()?;
    let behind = match usage["is_byok"] == true {
        true => usage["cost_details"]["upstream_inference_cost"].as_f64()?,
        false => 0.0,
    };
    let pico = |dollars: f64| {
        format!("{dollars:.12}")
            .replace('.', "")
            .parse::<u64>()
            .unwrap()
    };
    Some(pico(cost) + pico(behind))
}

fn chat(documents: &[Value]) -> Option<Counted> {
    let of = |document: &Value| {
        let own = &document["usage"];
        let usage = match own.is_object() {
            true => own.clone(),
            false => document["x_groq"]["usage"].clone(),
        };
        (usage["prompt_tokens"].is_u64()).then_some((usage, document["service_tier"].clone()))
    };
    let (usage, tier) = documents.iter().filter_map(of).next_back()?;
    let (input, said) = (
        at(&usage, "/prompt_tokens"),
        at(&usage, "/completion_tokens"),
    );
    let output = at(&usage, "/total_tokens").saturating_sub(input).max(said);
    let thought = at(&usage, "/completion_tokens_details/reasoning_tokens");
    let cached = [
        "/prompt_tokens_details/cached_tokens",
        "/prompt_cache_hit_tokens",
        "/cache_read_input_tokens",
        "/num_cached_tokens",
        "/cached_tokens",
    ];
    let written = [
        "/prompt_tokens_details/cache_write_tokens",
        "/cache_creation_input_tokens",
    ];
    let most = |names: &[&str]| names.iter().map(|name| at(&usage, name)).max().unwrap();
    Some(Counted {
        input,
        output,
        cached_input: most(&cached).min(input),
        cache_write: most(&written),
        cache_write_1h: at(&usage, "/cache_creation/ephemeral_1h_input_tokens"),
        reasoning: if thought > 0 {
            thought.min(output)
        } else {
            output - said
        },
        audio_input: at(&usage, "/prompt_tokens_details/audio_tokens"),
        audio_output: at(&usage, "/completion_tokens_details/audio_tokens"),
        image_input: at(&usage, "/prompt_tokens_details/image_tokens"),
        image_output: at(&usage, "/completion_tokens_details/image_tokens"),
        service: service(Some(&tier)),
        stated_cost_pico: stated(&usage),
        ..Counted::default()
    })
}

fn responses(documents: &[Value]) -> Option<Counted> {
    let whole = |document: &Value| match document["response"].is_object() {
        true => document["response"].clone(),
        false => document.clone(),
    };
    let with_usage = |answer: &Value| answer["usage"]["input_tokens"].is_u64();
    let answer = documents.iter().map(whole).rfind(with_usage)?;
    let usage = &answer["usage"];
    Some(Counted {
        input: at(usage, "/input_tokens"),
        output: at(usage, "/output_tokens"),
        cached_input: at(usage, "/input_tokens_details/cached_tokens"),
        cache_write: at(usage, "/input_tokens_details/cache_write_tokens"),
        reasoning: at(usage, "/output_tokens_details/reasoning_tokens"),
        service: service(answer.get("service_tier")),
        stated_cost_pico: stated(usage),
        ..Counted::default()
    })
}

fn messages(documents: &[Value]) -> Option<Counted> {
    let mut told = serde_json::Map::new();
    for document in documents {
        for usage in [&document["message"]["usage"], &document["usage"]] {
            for (name, value) in usage.as_object().into_iter().flatten() {
                if !value.is_null() {
                    told.insert(name.clone(), value.clone());
                }
            }
        }
    }
    let usage = Value::Object(told);
    usage["output_tokens"].as_u64()?;
    let read = at(&usage, "/cache_read_input_tokens");
    let written = at(&usage, "/cache_creation_input_tokens");
    Some(Counted {
        input: at(&usage, "/input_tokens") + read + written,
        output: at(&usage, "/output_tokens"),
        cached_input: read,
        cache_write: written,
        cache_write_1h: at(&usage, "/cache_creation/ephemeral_1h_input_tokens"),
        reasoning: at(&usage, "/output_tokens_details/thinking_tokens"),
        searches: at(&usage, "/server_tool_use/web_search_requests"),
        service: service(usage.get("service_tier")),
        stated_cost_pico: stated(&usage),
        ..Counted::default()
    })
}

fn google(documents: &[Value]) -> Option<Counted> {
    let with_counts = |usage: &&Value| usage["totalTokenCount"].is_u64();
    let mut usages = documents.iter().map(|document| &document["usageMetadata"]);
    let usage = usages.rfind(with_counts)?;
    let of_kind = |list: &str, word: &str, number: u64| -> u64 {
        let details = usage[list].as_array().into_iter().flatten();
        let wanted = details.filter(|one| one["modality"] == word || one["modality"] == number);
        wanted.map(|one| at(one, "/tokenCount")).sum()
    };
    let thoughts = at(usage, "/thoughtsTokenCount");
    let input = at(usage, "/promptTokenCount") + at(usage, "/toolUsePromptTokenCount");
    let output = at(usage, "/candidatesTokenCount") + thoughts;
    assert_eq!(input + output, at(usage, "/totalTokenCount"), "{usage}");
    Some(Counted {
        input,
        output,
        cached_input: at(usage, "/cachedContentTokenCount"),
        reasoning: thoughts,
        audio_input: of_kind("promptTokensDetails", "AUDIO", 4),
        audio_output: of_kind("candidatesTokensDetails", "AUDIO", 4),
        image_input: of_kind("promptTokensDetails", "IMAGE", 2),
        image_output: of_kind("candidatesTokensDetails", "IMAGE", 2),
        service: service(usage.get("serviceTier")).or(service(usage.get("trafficType"))),
        ..Counted::default()
    })
}

fn converse(documents: &[Value]) -> Option<Counted> {
    let counts = |document: &&Value| document["usage"]["inputTokens"].is_u64();
    let answer = documents.iter().rfind(counts)?;
    let usage = &answer["usage"];
    let total = at(usage, "/totalTokens");
    let output = at(usage, "/outputTokens");
    Some(Counted {
        // The total holds the cache, which `inputTokens` does not.
        input: total - output,
        output,
        cached_input: at(usage, "/cacheReadInputTokens"),
        cache_write: at(usage, "/cacheWriteInputTokens"),
        service: service(answer["serviceTier"].get("type")),
        ..Counted::default()
    })
}

fn cohere(documents: &[Value]) -> Option<Counted> {
    let of = |document: &Value| match document["delta"]["usage"].is_object() {
        true => document["delta"]["usage"].clone(),
        false => document["usage"].clone(),
    };
    let usage = documents.iter().map(of).rfind(Value::is_object)?;
    let (input, output) = (
        at(&usage, "/tokens/input_tokens"),
        at(&usage, "/tokens/output_tokens"),
    );
    let billed = |name: &str| usage["billed_units"][name].as_f64().unwrap() as u64;
    Some(Counted {
        input,
        output,
        cached_input: at(&usage, "/cached_tokens"),
        reasoning: at(&usage, "/tokens/reasoning_tokens"),
        unbilled_input: input.saturating_sub(billed("input_tokens")),
        unbilled_output: output.saturating_sub(billed("output_tokens")),
        ..Counted::default()
    })
}

fn ollama(documents: &[Value]) -> Option<Counted> {
    let last = documents.iter().rfind(|line| line["done"] == true)?;
    Some(Counted {
        input: at(last, "/prompt_eval_count"),
        output: at(last, "/eval_count"),
        ..Counted::default()
    })
}
