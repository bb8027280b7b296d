//! What a client is told of its limits: `X-RateLimit-*`, OpenAI's and Anthropic's headers, `Retry-After`. Pure.
//!
//! OpenAI's are in its reference under "Rate limits" (`x-ratelimit-limit-requests`, resets such as `6m0s`), Anthropic's
//! in its own (`anthropic-ratelimit-requests-limit`, resets in RFC 3339).

use std::{fmt::Write, ops::Range, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;

use super::refusal::{Quota, Refusal, Standing, Wait};

/// Whose headers a client reads besides ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// OpenAI's, which most clients know.
    OpenAi,
    /// Anthropic's.
    Anthropic,
}

/// The limit, what is left of it, and until when.
type Names = [HeaderName; 3];

const OURS: Names = names(
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
);
/// Of requests and of tokens.
const OPENAI: [Names; 2] = [
    names(
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    names(
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    ),
];
const ANTHROPIC: [Names; 2] = [
    names(
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    names(
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
];
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

const fn names(max: &'static str, remaining: &'static str, reset: &'static str) -> Names {
    [
        HeaderName::from_static(max),
        HeaderName::from_static(remaining),
        HeaderName::from_static(reset),
    ]
}

/// Adds to an answer's headers how its limits stand. `wall` tells the time in milliseconds since 1970.
pub fn tell_standing(
    headers: &mut HeaderMap,
    standing: &Standing,
    form: Form,
    wall: impl FnOnce() -> i64,
) {
    let mut values = Values::default();
    if let Some(quota) = standing.requests.or(standing.tokens) {
        values.quota(OURS, &quota, |text| {
            push_number(text, seconds(quota.reset));
        });
    }
    let (names, wall) = match form {
        Form::OpenAi => (OPENAI, 0),
        Form::Anthropic => (ANTHROPIC, wall()),
    };
    for (names, quota) in names.into_iter().zip([standing.requests, standing.tokens]) {
        let Some(quota) = quota else { continue };
        values.quota(names, &quota, |text| match form {
            Form::OpenAi => push_span(text, quota.reset),
            Form::Anthropic => push_date(text, wall, quota.reset),
        });
    }
    values.add_to(headers);
}

/// The headers of a refusal. Where no wait helps, `x-should-retry: false` tells the SDKs of OpenAI and Anthropic.
pub fn of_refusal(refusal: &Refusal, form: Form, wall: i64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    tell_standing(&mut headers, &refusal.standing, form, || wall);
    match refusal.wait.duration() {
        Some(wait) => {
            headers.insert(header::RETRY_AFTER, seconds(wait).into());
            if matches!(refusal.wait, Wait::After(_)) {
                let millis = wait.as_nanos().div_ceil(1_000_000);
                let millis = u64::try_from(millis).unwrap_or(u64::MAX);
                headers.insert(RETRY_AFTER_MS, millis.into());
            }
        }
        None => {
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
    }
    headers
}

/// Values that stand in one text: most answers have nine.
struct Values {
    text: String,
    places: SmallVec<[(HeaderName, Range<usize>); 9]>,
}

impl Default for Values {
    fn default() -> Self {
        Values {
            text: String::with_capacity(128),
            places: SmallVec::new(),
        }
    }
}

impl Values {
    fn quota(&mut self, names: Names, quota: &Quota, reset: impl FnOnce(&mut String)) {
        let [max, remaining, until] = names;
        self.add(max, |text| push_number(text, quota.max));
        self.add(remaining, |text| push_number(text, quota.remaining));
        self.add(until, reset);
    }

    fn add(&mut self, name: HeaderName, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        self.places.push((name, start..self.text.len()));
    }

    fn add_to(self, headers: &mut HeaderMap) {
        let text = Bytes::from(self.text);
        for (name, place) in self.places {
            // Digits, letters and what stands between them: always a value.
            if let Ok(value) = HeaderValue::from_maybe_shared(text.slice(place)) {
                headers.insert(name, value);
            }
        }
    }
}

fn push_number(text: &mut String, number: u64) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// Whole seconds, rounded up: a client that waits so long has waited long enough.
pub fn seconds(span: Duration) -> u64 {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
}

/// As Go writes spans, which OpenAI does: `6m0s`, `1.5s`, `20ms`.
fn push_span(text: &mut String, span: Duration) {
    let millis = u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let (seconds, rest) = (millis / 1000, millis % 1000);
    if seconds == 0 {
        push_number(text, rest);
        text.push_str("ms");
        return;
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 {
        push_number(text, hours);
        text.push('h');
    }
    if hours > 0 || minutes > 0 {
        push_number(text, minutes);
        text.push('m');
    }
    push_number(text, seconds % 60);
    if rest > 0 {
        // Writing to a text does not fail.
        let _ = write!(text, ".{rest:03}");
        text.truncate(text.trim_end_matches('0').len());
    }
    text.push('s');
}

/// The second in which `span` after `wall` is over, in RFC 3339.
fn push_date(text: &mut String, wall: i64, span: Duration) {
    let now = wall.saturating_add(999).div_euclid(1000);
    let then = now.saturating_add(i64::try_from(seconds(span)).unwrap_or(i64::MAX));
    let time = std::time::UNIX_EPOCH
        .checked_add(Duration::from_secs(u64::try_from(then).unwrap_or(0)))
        .filter(|_| then < 253_402_300_800)
        .unwrap_or(std::time::UNIX_EPOCH);
    let _ = write!(text, "{}", humantime::format_rfc3339_seconds(time));
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

    fn of_standing(form: Form) -> HeaderMap {
        let mut headers = HeaderMap::new();
        tell_standing(&mut headers, &standing(), form, || 1_700_000_000_000);
        headers
    }

    fn of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn openais_clients_find_what_they_know() {
        let headers = of_standing(Form::OpenAi);
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
        let headers = of_standing(Form::Anthropic);
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
            (10_000, "10s"),
            (60_020, "1m0.02s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
            (36_061_001, "10h1m1.001s"),
        ] {
            let mut written = String::new();
            push_span(&mut written, Duration::from_millis(millis));
            assert_eq!(written, text);
        }
    }
}
