//! Times, as people write and read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{identity::period::Period, store};

/// A time in milliseconds since 1970, as RFC 3339 writes it.
pub(super) fn shown(milliseconds: i64) -> String {
    let since = u64::try_from(milliseconds).unwrap_or(0);
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(since));
    match time {
        // Beyond the year 9999 there is no such form.
        Some(time) if since < 253_402_300_800_000 => {
            humantime::format_rfc3339_seconds(time).to_string()
        }
        _ => "never".to_owned(),
    }
}

/// When something ends: after a span of time (`30d`), at a time (`2030-01-31T12:00:00Z`), or at the
/// beginning of a day (`2030-01-31`).
///
/// # Errors
/// A sentence for whoever typed it.
pub(super) fn end(text: &str) -> Result<i64, String> {
    if let Ok(period) = text.parse::<Period>() {
        return Ok(period.end(store::now()));
    }
    let written = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    let time = humantime::parse_rfc3339_weak(&written)
        .map_err(|_| "takes a span of time such as 30d, or a time such as 2030-01-31T12:00:00Z")?;
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        assert_eq!(end("2030-01-31T12:00:00Z"), Ok(1_896_091_200_000));
        assert_eq!(end("2030-01-31"), Ok(1_896_048_000_000));
        assert_eq!(shown(1_896_048_000_000), "2030-01-31T00:00:00Z");
        assert_eq!(shown(i64::MAX), "never");
        let in_a_day = end("1d").unwrap() - store::now();
        assert!((86_390_000..=86_400_000).contains(&in_a_day), "{in_a_day}");
        assert!(end("tomorrow").is_err());
    }
}
