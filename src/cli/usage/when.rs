//! Times as people write them.

use std::time::{SystemTime, UNIX_EPOCH};

/// `7d` is so long ago; dates and times are UTC.
pub(super) fn parse(text: &str) -> Result<SystemTime, String> {
    let text = text.trim();
    if let Ok(ago) = humantime::parse_duration(text) {
        let then = SystemTime::now().checked_sub(ago);
        return then.ok_or_else(|| "is too long ago".to_owned());
    }
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    humantime::parse_rfc3339_weak(&whole)
        .map_err(|_| "write `7d`, `24h`, `2026-01-31` or `2026-01-31T12:00:00Z`".to_owned())
}

/// In milliseconds since 1970.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970 as RFC 3339 has it.
pub(super) fn shown(milliseconds: i64) -> String {
    let since = u64::try_from(milliseconds).unwrap_or_default();
    // Later years have five digits, which nobody can read back.
    let since = std::time::Duration::from_millis(since.min(253_402_300_799_999));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        let day = milliseconds(parse("2026-01-31").unwrap());
        assert_eq!(shown(day), "2026-01-31T00:00:00.000Z");
        assert_eq!(
            milliseconds(parse("2026-01-31T01:00:00Z").unwrap()) - day,
            3_600_000
        );
        let ago = SystemTime::now()
            .duration_since(parse("2h").unwrap())
            .unwrap();
        assert!((7199..7260).contains(&ago.as_secs()));
        assert!(parse("yesterday").is_err() && parse("2026-13-01").is_err());
        assert_eq!(shown(i64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
