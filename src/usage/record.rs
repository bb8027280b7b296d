//! The record of a finished request, and its form as a log line.

use std::{
    fmt::{Display, Write as _},
    io::Write as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::labels::Labels;
use crate::{
    chat::usage::Usage,
    error::Outcome,
    price::Usd,
    telemetry::logging::{quoted, timestamp},
};

/// One attempt at a provider.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// The provider's configured name.
    pub provider: Arc<str>,
    /// The model's name there.
    pub model: Arc<str>,
    /// How it ended.
    #[serde(serialize_with = "outcome_name")]
    pub outcome: Outcome,
    /// The provider's status, where it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What went wrong, in the words of whoever noticed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A finished request, for the log and for the journal. Absent values are left out of the line.
#[derive(Debug)]
pub struct Record<'a> {
    /// The request's id, as in `X-Request-Id`.
    pub id: &'a str,
    /// When its head had arrived.
    pub at: SystemTime,
    /// The client's address.
    pub client: Option<std::net::IpAddr>,
    /// What keys are told apart by.
    pub account: Option<&'a str>,
    /// The name of the key that it used.
    pub key: Option<&'a str>,
    /// The key's team.
    pub team: Option<&'a str>,
    /// The key's user.
    pub user: Option<&'a str>,
    /// The key's project.
    pub project: Option<&'a str>,
    /// The terms that the key shares with others.
    pub budget: Option<&'a str>,
    /// The key's organization.
    pub organization: Option<&'a str>,
    /// What the request says of itself.
    pub labels: &'a Labels<'a>,
    /// The request's method.
    pub method: &'a str,
    /// The request's path, without its query.
    pub path: &'a str,
    /// The client's dialect.
    pub dialect: &'a str,
    /// The provider's dialect, where one was asked.
    pub spoken: Option<&'a str>,
    /// The status that the client saw; 499 where it left.
    pub status: u16,
    /// The model that was asked for.
    pub model: Option<&'a str>,
    /// The provider that served, or that was tried last.
    pub provider: Option<&'a str>,
    /// The model's name there.
    pub served_model: Option<&'a str>,
    /// What the cache did for it; `None` where it has nothing to do with it.
    pub cache: Option<&'a str>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What was tried and is over, in order.
    pub attempts: &'a [Attempt],
    /// Whether one more is under way.
    pub is_trying: bool,
    /// A stable word for what went wrong.
    pub error: Option<&'a str>,
    /// Why the key may not be used, which the client is not told.
    pub key_fault: Option<&'a str>,
    /// From the request's head to the answer's end.
    pub latency: Duration,
    /// From the request's head to the answer's first byte.
    pub first_byte: Option<Duration>,
    /// What of that was the gateway's own time.
    pub overhead: Duration,
    /// Bytes of the request's body.
    pub bytes_in: usize,
    /// Bytes of the answer's body.
    pub bytes_out: usize,
    /// What the provider counted.
    pub usage: Option<Usage>,
    /// What it cost; `None` where that is not known.
    pub cost: Option<Usd>,
}

impl Record<'_> {
    /// The line for a log, without its line break.
    pub fn line(&self, json: bool) -> Vec<u8> {
        let time = timestamp(SystemTime::now());
        if json {
            return self.json_line(&time);
        }
        let mut line = format!("{time} INFO  request status={}", self.status);
        let mut field = |name: &str, value: &str| {
            let _ = write!(line, " {name}={}", quoted(value));
        };
        field("method", self.method);
        field("path", self.path);
        for (name, value) in [
            ("model", self.model),
            ("provider", self.provider),
            ("served_model", self.served_model),
            ("key", self.key),
            ("cache", self.cache),
            ("error", self.error),
            ("key_fault", self.key_fault),
        ] {
            if let Some(value) = value {
                field(name, value);
            }
        }
        let _ = write!(line, " latency={}ms", self.latency.as_millis());
        if let Some(first_byte) = self.first_byte {
            let _ = write!(line, " first_byte={}ms", first_byte.as_millis());
        }
        if let Some(usage) = self.usage {
            let _ = write!(line, " tokens={}+{}", usage.input, usage.output);
        }
        if self.attempts.len() > 1 || self.error.is_some() {
            for attempt in self.attempts {
                let _ = write!(
                    line,
                    " attempt={}:{}",
                    attempt.provider,
                    attempt.outcome.name()
                );
            }
        }
        let _ = write!(line, " id={}", self.id);
        line.into_bytes()
    }

    /// Written by hand, for this is on every request's way: names are known to need no escapes, and
    /// most values are seen to at a glance.
    fn json_line(&self, time: &impl Display) -> Vec<u8> {
        let mut line = Vec::with_capacity(768);
        let _ = write!(
            line,
            r#"{{"time":"{time}","level":"info","event":"request""#
        );
        let client = self.client.map(|client| client.to_string());
        let mut text = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                line.extend_from_slice(name.as_bytes());
                write_text(&mut line, value);
            }
        };
        text(r#","id":"#, Some(self.id));
        text(r#","client":"#, client.as_deref());
        text(r#","key":"#, self.key);
        text(r#","team":"#, self.team);
        text(r#","user":"#, self.user);
        text(r#","project":"#, self.project);
        text(r#","method":"#, Some(self.method));
        text(r#","path":"#, Some(self.path));
        text(r#","model":"#, self.model);
        text(r#","provider":"#, self.provider);
        text(r#","served_model":"#, self.served_model);
        text(r#","cache":"#, self.cache);
        text(r#","error":"#, self.error);
        text(r#","key_fault":"#, self.key_fault);
        let _ = write!(
            line,
            r#","status":{},"stream":{},"latency_ms":{},"bytes_in":{},"bytes_out":{}"#,
            self.status,
            self.stream,
            self.latency.as_millis(),
            self.bytes_in,
            self.bytes_out
        );
        if let Some(first_byte) = self.first_byte {
            let _ = write!(line, r#","first_byte_ms":{}"#, first_byte.as_millis());
        }
        if let Some(cost) = self.cost {
            let _ = write!(line, r#","cost_usd":{cost}"#);
        }
        line.extend_from_slice(br#","attempts":"#);
        let _ = serde_json::to_writer(&mut line, self.attempts);
        if let Some(usage) = &self.usage {
            line.extend_from_slice(br#","usage":"#);
            let _ = serde_json::to_writer(&mut line, usage);
        }
        line.push(b'}');
        line
    }
}

/// A JSON string. Most values hold nothing that must be escaped.
fn write_text(line: &mut Vec<u8>, value: &str) {
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if value.bytes().all(is_plain) {
        line.push(b'"');
        line.extend_from_slice(value.as_bytes());
        line.push(b'"');
    } else {
        let _ = serde_json::to_writer(line, value);
    }
}

fn outcome_name<S: serde::Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(outcome.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_json_object_on_one_line() {
        let attempts = [Attempt {
            provider: "openai".into(),
            model: "gpt-4o".into(),
            outcome: Outcome::Refused,
            status: None,
            ms: 3,
            detail: Some("line\nbreak".into()),
        }];
        let record = Record {
            id: "req_1",
            at: SystemTime::now(),
            client: None,
            account: None,
            key: Some("app"),
            team: None,
            user: None,
            project: None,
            budget: None,
            organization: None,
            labels: &Labels::default(),
            dialect: "openai_chat",
            spoken: None,
            method: "POST",
            path: "/v1/chat/completions",
            status: 502,
            model: Some("gpt-4o"),
            provider: Some("openai"),
            served_model: Some("gpt-4o"),
            cache: Some("miss"),
            stream: true,
            attempts: &attempts,
            is_trying: false,
            error: Some("provider_unreachable"),
            key_fault: None,
            latency: Duration::from_millis(12),
            first_byte: None,
            overhead: Duration::ZERO,
            bytes_in: 100,
            bytes_out: 10,
            usage: None,
            cost: Some(Usd::from_pico(125_000_000)),
        };
        let line = record.line(true);
        assert!(!line.contains(&b'\n'));
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["event"], "request");
        assert_eq!(value["attempts"][0]["outcome"], "refused");
        assert_eq!(value["cost_usd"], 0.000_125);
        assert!(record.tried().unwrap().contains("refused"));
        let text = String::from_utf8(record.line(false)).unwrap();
        assert!(
            text.contains("status=502") && text.contains("attempt=openai:refused"),
            "{text}"
        );
    }
}
