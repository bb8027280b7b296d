//! What a client is told of its limits: `X-RateLimit-*`, OpenAI's and Anthropic's headers, `Retry-After`. Pure.
//!
//! OpenAI's are in its reference under "Rate limits" (`x-ratelimit-limit-requests`, resets such as `6m0s`), Anthropic's
//! in its own (`anthropic-ratelimit-requests-limit`, resets in RFC 3339).

use std::time::Duration;

use super::refusal::{Quota, Refusal, Standing, Wait};

/// Headers, as names in lower case and values.
pub type Headers = Vec<(&'static str, String)>;

/// Whose headers a client reads besides ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// OpenAI's, which most clients know.
    OpenAi,
    /// Anthropic's.
    Anthropic,
}

/// The headers of an answer. `wall` is the time in milliseconds since 1970.
pub fn of_standing(standing: &Standing, form: Form, wall: i64) -> Headers {
    let mut headers = Headers::new();
    let tightest = standing.requests.or(standing.tokens);
    if let Some(quota) = tightest {
        headers.push(("x-ratelimit-limit", quota.max.to_string()));
        headers.push(("x-ratelimit-remaining", quota.remaining.to_string()));
        headers.push(("x-ratelimit-reset", seconds(quota.reset).to_string()));
    }
    let names = match form {
        Form::OpenAi => [
            [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ],
            [
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ],
        ],
        Form::Anthropic => [
            [
                "anthropic-ratelimit-requests-limit",
                "anthropic-ratelimit-requests-remaining",
                "anthropic-ratelimit-requests-reset",
            ],
            [
                "anthropic-ratelimit-tokens-limit",
                "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset",
            ],
        ],
    };
    for (names, quota) in names.into_iter().zip([standing.requests, standing.tokens]) {
        let Some(quota) = quota else { continue };
        let values = [
            quota.max.to_string(),
            quota.remaining.to_string(),
            reset(&quota, form, wall),
        ];
        headers.extend(names.into_iter().zip(values));
    }
    headers
}

/// The headers of a refusal. Where no wait helps, `x-should-retry: false` tells the SDKs of OpenAI and Anthropic.
pub fn of_refusal(refusal: &Refusal, form: Form, wall: i64) -> Headers {
    let mut headers = of_standing(&refusal.standing, form, wall);
    match refusal.wait.duration() {
        Some(wait) => {
            headers.push(("retry-after", seconds(wait).to_string()));
            if matches!(refusal.wait, Wait::After(_)) {
                headers.push((
                    "retry-after-ms",
                    wait.as_nanos().div_ceil(1_000_000).to_string(),
                ));
            }
        }
        None => headers.push(("x-should-retry", "false".to_owned())),
    }
    headers
}

fn reset(quota: &Quota, form: Form, wall: i64) -> String {
    match form {
        Form::OpenAi => span(quota.reset),
        Form::Anthropic => {
            let seconds = i64::try_from(seconds(quota.reset)).unwrap_or(i64::MAX);
            date(
                wall.saturating_add(999)
                    .div_euclid(1000)
                    .saturating_add(seconds),
            )
        }
    }
}

/// Whole seconds, rounded up: a client that waits so long has waited long enough.
pub fn seconds(span: Duration) -> u64 {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
}

/// As Go writes spans, which OpenAI does: `6m0s`, `1.5s`, `20ms`.
fn span(span: Duration) -> String {
    let millis = span.as_nanos().div_ceil(1_000_000);
    let (seconds, rest) = (millis / 1000, millis % 1000);
    if seconds == 0 {
        return format!("{rest}ms");
    }
    let fraction = match rest {
        0 => String::new(),
        rest => format!(".{rest:03}").trim_end_matches('0').to_owned(),
    };
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}{fraction}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}{fraction}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

/// Seconds since 1970 in RFC 3339.
fn date(seconds: i64) -> String {
    let time = std::time::UNIX_EPOCH
        .checked_add(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
        .filter(|_| seconds < 253_402_300_800)
        .unwrap_or(std::time::UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::subject::{Kind, Limit};

    fn quota(limit: Limit, remaining: u64, millis: u64) -> Quota {
        Quota {
            limit,
            max: 60,
            remaining,
            reset: Duration::from_millis(millis),
        }
    }

    fn standing() -> Standing {
        Standing {
            requests: Some(quota(Limit::RequestsPerMinute, 59, 1000)),
            tokens: Some(quota(Limit::TokensPerMinute, 7, 90_250)),
        }
    }

    fn of(headers: &Headers, name: &str) -> Option<String> {
        let found = headers.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.clone())
    }

    #[test]
    fn openais_clients_find_what_they_know() {
        let headers = of_standing(&standing(), Form::OpenAi, 0);
        assert_eq!(of(&headers, "x-ratelimit-remaining").unwrap(), "59");
        assert_eq!(of(&headers, "x-ratelimit-reset").unwrap(), "1");
        assert_eq!(of(&headers, "x-ratelimit-limit-requests").unwrap(), "60");
        assert_eq!(of(&headers, "x-ratelimit-reset-requests").unwrap(), "1s");
        assert_eq!(
            of(&headers, "x-ratelimit-reset-tokens").unwrap(),
            "1m30.25s"
        );
    }

    #[test]
    fn anthropics_clients_find_what_they_know() {
        let headers = of_standing(&standing(), Form::Anthropic, 1_700_000_000_000);
        assert_eq!(
            of(&headers, "anthropic-ratelimit-tokens-remaining").unwrap(),
            "7"
        );
        assert_eq!(
            of(&headers, "anthropic-ratelimit-requests-reset").unwrap(),
            "2023-11-14T22:13:21Z"
        );
    }

    #[test]
    fn who_waits_as_long_as_told_has_waited_long_enough() {
        let refusal = |wait| Refusal {
            kind: Kind::Key,
            id: "k".into(),
            quota: quota(Limit::RequestsPerMinute, 0, 1),
            wait,
            is_away: false,
            standing: standing(),
        };
        let wait = Wait::After(Duration::from_micros(1_000_001));
        let headers = of_refusal(&refusal(wait), Form::OpenAi, 0);
        assert_eq!(of(&headers, "retry-after").unwrap(), "2");
        assert_eq!(of(&headers, "retry-after-ms").unwrap(), "1001");
        let headers = of_refusal(&refusal(Wait::Never), Form::OpenAi, 0);
        assert_eq!(of(&headers, "retry-after"), None);
        assert_eq!(of(&headers, "x-should-retry").unwrap(), "false");
        assert!(refusal(wait).to_string().ends_with("in 2 s."));
    }

    #[test]
    fn spans_are_written_as_openai_does() {
        for (millis, text) in [
            (0, "0ms"),
            (20, "20ms"),
            (1500, "1.5s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }
}
