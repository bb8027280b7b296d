//! The record of a finished request, and its form as a log line.

use std::{
    borrow::Cow,
    fmt::{Display, Write as _},
    io::Write as _,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

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
    /// What it used, where that is known.
    #[serde(skip)]
    pub used: Option<Used>,
}

/// What an attempt used, or a whole request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Tokens by kind.
    pub usage: Usage,
    /// Whether the gateway counted them itself, for the provider did not come to say.
    pub is_estimated: bool,
    /// What it cost; `None` where that is not known.
    pub cost: Option<Usd>,
}

impl Used {
    /// Both together. What they cost is known where each is.
    #[must_use]
    pub fn plus(self, other: Used) -> Used {
        Used {
            usage: self.usage.plus(other.usage),
            is_estimated: self.is_estimated || other.is_estimated,
            cost: self.cost.zip(other.cost).map(|(one, other)| one + other),
        }
    }
}

/// What one of several calls of a request used, as the ledger keeps it: each has a price of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part<'a> {
    /// The provider's configured name.
    #[serde(borrow)]
    pub provider: Cow<'a, str>,
    /// The model's name there.
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    /// Tokens by kind.
    pub usage: Usage,
    /// Whether the gateway counted them itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

/// A finished request, for the log and for the journal. Absent values are left out of the line.
#[derive(Debug)]
pub struct Record<'a> {
    /// The request's id, as in `X-Request-Id`.
    pub id: &'a str,
    /// When its head had arrived.
    pub at: SystemTime,
    /// The client's address.
    pub client: Option<IpAddr>,
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
    /// What all attempts used.
    pub used: Option<Used>,
    /// What the request cost; `None` where that is not known.
    pub cost: Option<Usd>,
}

impl Record<'_> {
    /// The line for a log, without its line break.
    pub fn line(&self, json: bool) -> Vec<u8> {
        let ended = self.at.checked_add(self.latency).unwrap_or(self.at);
        let time = timestamp(ended);
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
        if let Some(used) = self.used {
            let (usage, about) = (used.usage, if used.is_estimated { "~" } else { "" });
            let _ = write!(line, " tokens={about}{}+{}", usage.input, usage.output);
            if let Some(cost) = self.cost {
                let _ = write!(line, " cost_usd={about}{cost}");
            }
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
        if let Some(client) = self.client {
            line.extend_from_slice(br#","client":""#);
            write_address(&mut line, client);
            line.push(b'"');
        }
        let mut text = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                line.extend_from_slice(name.as_bytes());
                write_text(&mut line, value);
            }
        };
        text(r#","id":"#, Some(self.id));
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
        let stream = if self.stream { "true" } else { "false" };
        line.extend_from_slice(br#","stream":"#);
        line.extend_from_slice(stream.as_bytes());
        let mut number = |name: &str, value: u64| {
            line.extend_from_slice(name.as_bytes());
            line.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        };
        number(r#","status":"#, self.status.into());
        number(r#","latency_ms":"#, milliseconds(self.latency));
        number(r#","bytes_in":"#, self.bytes_in as u64);
        number(r#","bytes_out":"#, self.bytes_out as u64);
        if let Some(first_byte) = self.first_byte {
            number(r#","first_byte_ms":"#, milliseconds(first_byte));
        }
        let _ = match (self.cost, &self.used) {
            (Some(cost), _) => write!(line, r#","cost_usd":{cost}"#),
            (None, Some(_)) => write!(line, r#","cost_usd":null"#),
            (None, None) => Ok(()),
        };
        line.extend_from_slice(br#","attempts":"#);
        let _ = serde_json::to_writer(&mut line, self.attempts);
        if let Some(used) = &self.used {
            line.extend_from_slice(br#","usage":"#);
            let _ = serde_json::to_writer(&mut line, &used.usage);
            if used.is_estimated {
                line.extend_from_slice(br#","estimated":true"#);
            }
        }
        line.push(b'}');
        line
    }
}

fn milliseconds(span: Duration) -> u64 {
    let whole = span.as_secs().saturating_mul(1000);
    whole.saturating_add(span.subsec_millis().into())
}

/// An address as it is usually written; that of version 4 by hand, for it is on every line.
fn write_address(line: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(four) = address else {
        let _ = write!(line, "{address}");
        return;
    };
    for (place, octet) in four.octets().into_iter().enumerate() {
        if place > 0 {
            line.push(b'.');
        }
        line.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
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
            used: None,
        }];
        let record = Record {
            id: "req_1",
            at: SystemTime::now(),
            client: Some([203, 0, 113, 9].into()),
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
            used: Some(Used {
                usage: Usage {
                    input: 3,
                    output: 5,
                    ..Usage::default()
                },
                is_estimated: true,
                cost: Some(Usd::from_pico(125_000_000)),
            }),
            cost: Some(Usd::from_pico(125_000_000)),
        };
        let line = record.line(true);
        assert!(!line.contains(&b'\n'));
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["event"], "request");
        assert_eq!(
            (&value["client"], &value["latency_ms"]),
            (&"203.0.113.9".into(), &12.into())
        );
        assert_eq!(value["attempts"][0]["outcome"], "refused");
        assert_eq!(value["cost_usd"], 0.000_125);
        assert!(record.tried().unwrap().contains("refused"));
        assert_eq!(
            (&value["estimated"], &value["usage"]["output"]),
            (&true.into(), &5.into())
        );
        let text = String::from_utf8(record.line(false)).unwrap();
        assert!(text.contains(" tokens=~3+5 cost_usd=~0.000125 "), "{text}");
        let free = Record {
            cost: None,
            ..record
        };
        let value: serde_json::Value = serde_json::from_slice(&free.line(true)).unwrap();
        assert_eq!(value.get("cost_usd"), Some(&serde_json::Value::Null));
        assert!(
            text.contains("status=502") && text.contains("attempt=openai:refused"),
            "{text}"
        );
    }
}
