//! Times, as people write them.

use std::time::SystemTime;

use crate::{identity::period::Period, store};

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
    fn times_are_read() {
        assert_eq!(end("2030-01-31T12:00:00Z"), Ok(1_896_091_200_000));
        assert_eq!(end("2030-01-31"), Ok(1_896_048_000_000));
        let in_a_day = end("1d").unwrap() - store::now();
        assert!((86_390_000..=86_400_000).contains(&in_a_day), "{in_a_day}");
        assert!(end("tomorrow").is_err());
    }
}
