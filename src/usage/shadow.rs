//! The record of a copy of a request: a line of the log, and with the answer's text one of
//! `shadow.jsonl`.

use std::{fmt::Write, time::SystemTime};

use serde::Serialize;

use crate::{
    chat::usage::Usage,
    telemetry::logging::{quoted, timestamp},
};

/// A copy that is over. Absent values are left out.
#[derive(Debug, Clone, Serialize)]
pub struct Record<'a> {
    /// The id of the request that was copied.
    pub request: &'a str,
    /// The provider that got the copy.
    pub provider: &'a str,
    /// The model's name there.
    pub model: &'a str,
    /// How it ended.
    pub outcome: &'static str,
    /// The provider's status, where it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// From the copy's start to the answer's end.
    pub latency_ms: u64,
    /// What the provider counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Who was asked first for the request itself.
    pub primary_provider: &'a str,
    /// And for which model.
    pub primary_model: &'a str,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

/// The same with the answer.
#[derive(Serialize)]
struct Entry<'a> {
    time: String,
    #[serde(flatten)]
    copy: &'a Record<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

#[derive(Serialize)]
struct Event<'a> {
    time: String,
    level: &'static str,
    event: &'static str,
    #[serde(flatten)]
    copy: &'a Record<'a>,
}

impl Record<'_> {
    /// The line for the log, without its line break.
    pub fn line(&self, json: bool) -> Vec<u8> {
        let time = timestamp(SystemTime::now()).to_string();
        if json {
            let event = Event {
                time,
                level: "info",
                event: "shadow",
                copy: self,
            };
            return serde_json::to_vec(&event).unwrap_or_default();
        }
        let mut line = format!("{time} INFO  shadow");
        let status = self.status.map(|status| status.to_string());
        for (name, value) in [
            ("provider", Some(self.provider)),
            ("model", Some(self.model)),
            ("outcome", Some(self.outcome)),
            ("status", status.as_deref()),
            ("primary", Some(self.primary_provider)),
            ("error", self.error),
        ] {
            if let Some(value) = value {
                let _ = write!(line, " {name}={}", quoted(value));
            }
        }
        let _ = write!(line, " latency={}ms", self.latency_ms);
        if let Some(usage) = self.usage {
            let _ = write!(line, " tokens={}+{}", usage.input, usage.output);
        }
        let _ = write!(line, " id={}", self.request);
        line.into_bytes()
    }

    /// The line for the file, with its line break.
    pub fn entry(&self, text: Option<&str>) -> Vec<u8> {
        let entry = Entry {
            time: timestamp(SystemTime::now()).to_string(),
            copy: self,
            text,
        };
        let mut line = serde_json::to_vec(&entry).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_log_has_all_but_the_answer_and_the_file_has_that_too() {
        let copy = Record {
            request: "req_1",
            provider: "two",
            model: "m",
            outcome: "ok",
            status: Some(200),
            latency_ms: 12,
            usage: Some(Usage {
                input: 3,
                output: 5,
                ..Usage::default()
            }),
            primary_provider: "one",
            primary_model: "n",
            error: None,
        };
        let log: Value = serde_json::from_slice(&copy.line(true)).unwrap();
        assert_eq!(log["event"], "shadow");
        assert_eq!(log["usage"]["output"], 5);
        assert!(log.get("text").is_none() && log.get("error").is_none());
        let text = String::from_utf8(copy.line(false)).unwrap();
        assert!(
            text.contains("status=200 primary=one latency=12ms tokens=3+5"),
            "{text}"
        );
        let entry = copy.entry(Some("a\nb"));
        assert_eq!(entry.iter().filter(|byte| **byte == b'\n').count(), 1);
        let entry: Value = serde_json::from_slice(&entry).unwrap();
        assert_eq!(
            (&entry["text"], &entry["primary_model"]),
            (&"a\nb".into(), &"n".into())
        );
    }
}
