//! Recorded answers of real providers, given again: event by event in the mode in which they came, and in the
//! other one with the same text, thoughts, calls and usage, for each front end.

use serde_json::{Value, json};

use super::x_cache;
use crate::{
    recordings::{
        apis::{Kind, kind},
        corpus, reference,
        said::{self, Said},
    },
    support::{Answer, Request, Script, ScriptedUpstream, TestGateway, config::Yaml},
};

/// Who asks: the path, the dialect, and the body of a request.
struct Front {
    dialect: &'static str,
    path: fn(bool) -> String,
    body: fn(&str, bool) -> Value,
}

const FRONTS: [Front; 4] = [
    Front {
        dialect: "openai_chat",
        path: |_| "/v1/chat/completions".into(),
        body: |text, stream| {
            json!({"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream,
                "stream_options": {"include_usage": true}})
        },
    },
    Front {
        dialect: "anthropic",
        path: |_| "/v1/messages".into(),
        body: |text, stream| {
            json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": text}],
                "stream": stream})
        },
    },
    Front {
        dialect: "openai_responses",
        path: |_| "/v1/responses".into(),
        body: |text, stream| json!({"model": "m", "input": text, "stream": stream}),
    },
    Front {
        dialect: "gemini",
        path: |stream| match stream {
            true => "/v1beta/models/m:streamGenerateContent?alt=sse".into(),
            false => "/v1beta/models/m:generateContent".into(),
        },
        body: |text, _| {
            json!({"contents": [{"role": "user", "parts": [{"text": text}]}],
                "generationConfig": {"thinkingConfig": {"includeThoughts": true}}})
        },
    },
];

impl Front {
    fn request(&self, text: &str, stream: bool) -> Request {
        let body = (self.body)(text, stream).to_string();
        Request::post(&(self.path)(stream), body).bearer("test-key")
    }

    fn said(&self, answer: &Answer, stream: bool) -> Result<Said, String> {
        let whole = match stream {
            true => reference::assemble(self.dialect, &answer.body)
                .map_err(|failed| format!("{failed:?}"))?,
            false => answer.json(),
        };
        Ok(said::of(self.dialect, &whole))
    }
}

/// Providers of that dialect, and the recorded answers that are theirs.
async fn given_again(provider: &str, settings: &str) {
    let one = ScriptedUpstream::start([Script::json(200, "{}")]).await;
    let yaml = Yaml::new()
        .provider_with("one", &one.base_url(), settings)
        .and("cache: {enabled: true}");
    let gateway = TestGateway::with(&yaml).await;
    let (mut kept, mut left) = (0, Vec::new());
    for recording in corpus::load(corpus::folder()) {
        for (number, exchange) in recording.exchanges.iter().enumerate() {
            let body = exchange.request.as_ref().map(|request| &request.body);
            let is_ours = matches!(kind(&recording.api, body), Kind::Spoken(dialect) if dialect.name() == provider);
            if !is_ours || exchange.status >= 400 {
                continue;
            }
            let stream = exchange.is_streamed;
            let script = match stream {
                true => Script::Answer {
                    status: 200,
                    headers: vec![("content-type".into(), "text/event-stream".into())],
                    body: exchange.answer.clone().into(),
                },
                false => Script::json(200, String::from_utf8_lossy(&exchange.answer)),
            };
            for front in &FRONTS {
                let what = format!("{} {number} for {}", recording.name, front.dialect);
                one.follow([script.clone()]);
                let first = gateway.call(front.request(&what, stream)).await;
                if first.status != 200 {
                    left.push(format!("{what}: {}", first.status));
                    continue;
                }
                let again = gateway.call(front.request(&what, stream)).await;
                if x_cache(&again) != "HIT" {
                    left.push(format!("{what}: not kept"));
                    continue;
                }
                kept += 1;
                assert_eq!(again.text(), first.text(), "{what}");
                let other = gateway.call(front.request(&what, !stream)).await;
                assert_eq!(
                    (other.status, x_cache(&other)),
                    (200, "HIT"),
                    "{what}: {other:?}"
                );
                let (wanted, got) = (front.said(&first, stream), front.said(&other, !stream));
                let (Ok(wanted), Ok(got)) = (wanted, got) else {
                    panic!("{what}: cannot be read: {}\n{}", first.text(), other.text());
                };
                if let Some(difference) = got.differs(&wanted, 1) {
                    panic!("{what}: {difference}\n{}\n{}", first.text(), other.text());
                }
                if let (Some(got), Some(wanted)) = (got.usage, wanted.usage)
                    && let Some(difference) = got.differs(&wanted)
                {
                    panic!(
                        "{what}: usage: {difference}\n{}\n{}",
                        first.text(),
                        other.text()
                    );
                }
                assert_eq!(
                    got.usage.is_some(),
                    wanted.usage.is_some(),
                    "{what}: {}",
                    other.text()
                );
            }
        }
    }
    eprintln!(
        "{provider}: {kept} answers were given again in both modes; {} were not kept:",
        left.len()
    );
    left.iter().for_each(|what| eprintln!("  {what}"));
    assert!(kept > 20, "{kept}");
    assert!(left.len() < kept, "{} of {kept}", left.len());
}

#[tokio::test]
async fn recorded_answers_of_chat_completions_are_given_again() {
    given_again("openai_chat", "").await;
}

#[tokio::test]
async fn recorded_answers_of_messages_are_given_again() {
    given_again("anthropic", ", kind: anthropic").await;
}

#[tokio::test]
async fn recorded_answers_of_gemini_are_given_again() {
    given_again("gemini", ", kind: gemini").await;
}
