//! The usage that nearly every answer has, read without a tree: OpenAI's own members and no others. It is on
//! every request's way.

use serde::Deserialize;

use crate::chat::usage::Usage;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<Prompt>,
    #[serde(default)]
    completion_tokens_details: Option<Completion>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Prompt {
    cached_tokens: u64,
    audio_tokens: u64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Completion {
    reasoning_tokens: u64,
    audio_tokens: u64,
    #[serde(rename = "accepted_prediction_tokens")]
    _accepted: u64,
    #[serde(rename = "rejected_prediction_tokens")]
    _rejected: u64,
}

/// What a `usage` object says; `None` where there is more to it, and [`super::count`] has to look.
pub(super) fn read(usage: &[u8]) -> Option<Usage> {
    let plain: Plain = serde_json::from_slice(usage).ok()?;
    let prompt = plain.prompt_tokens_details.unwrap_or_default();
    let completion = plain.completion_tokens_details.unwrap_or_default();
    let (input, output) = (plain.prompt_tokens, plain.completion_tokens);
    let is_sum = input.checked_add(output) == Some(plain.total_tokens);
    is_sum.then(|| Usage {
        input,
        output,
        cached_input: prompt.cached_tokens.min(input),
        audio_input: prompt.audio_tokens,
        reasoning: completion.reasoning_tokens.min(output),
        audio_output: completion.audio_tokens,
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn it_says_what_the_patient_reader_says(
            counts in prop::array::uniform6(0_u64..2000),
            beyond in 0_u64..2,
            has_details in any::<bool>(),
        ) {
            let [input, output, cached, reasoning, heard, spoken] = counts;
            let mut usage = json!({
                "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output + beyond,
            });
            if has_details {
                usage["prompt_tokens_details"] = json!({"cached_tokens": cached, "audio_tokens": heard});
                usage["completion_tokens_details"] = json!({
                    "reasoning_tokens": reasoning, "audio_tokens": spoken,
                    "accepted_prediction_tokens": 1, "rejected_prediction_tokens": 2,
                });
            }
            let text = usage.to_string();
            let patient = super::super::count(usage.as_object().unwrap());
            match read(text.as_bytes()) {
                Some(quick) => prop_assert_eq!(Some(quick), patient),
                None => prop_assert!(beyond > 0),
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_patient_reader() {
        for usage in [
            r#"{"prompt_tokens":1,"completion_tokens":2}"#,
            r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":9}"#,
            r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"cost":0.1}"#,
            r#"{"prompt_tokens":1.5,"completion_tokens":2,"total_tokens":3}"#,
            r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"image_tokens":1}}"#,
        ] {
            assert!(read(usage.as_bytes()).is_none(), "{usage}");
        }
    }
}
