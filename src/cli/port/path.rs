//! Paths and queries, with whatever people call things in them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but what stands for itself anywhere; dots too, for two of them lead elsewhere.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// The path of what is called so; `parts` are what stands behind `base`.
pub(in crate::cli) fn at(base: &str, parts: &[&str]) -> String {
    let mut path = base.to_owned();
    for part in parts {
        path.push('/');
        path.extend(utf8_percent_encode(part, ENCODED));
    }
    path
}

/// The path with what is said of a query.
pub(in crate::cli) fn with_query(path: &str, pairs: &[(&str, Option<String>)]) -> String {
    let mut target = path.to_owned();
    for (name, value) in pairs {
        if let Some(value) = value {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(name);
            target.push('=');
            target.extend(utf8_percent_encode(value, ENCODED));
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_things_are_called_they_stay_in_their_place() {
        assert_eq!(
            at("/admin/keys", &["a/b ?", "rotate"]),
            "/admin/keys/a%2Fb%20%3F/rotate"
        );
        assert_eq!(at("/admin/keys", &[".."]), "/admin/keys/%2E%2E");
        let pairs = [
            ("a", Some("x&y".to_owned())),
            ("b", None),
            ("c", Some("ü".to_owned())),
        ];
        assert_eq!(with_query("/p", &pairs), "/p?a=x%26y&c=%C3%BC");
    }
}
