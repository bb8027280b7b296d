//! A JSON value without its insignificant white space, as the runs of bytes between it: for hashing, where
//! nobody needs the value in one piece. Strings are stepped over sixteen bytes at a time.

use super::scan;

/// Gives `each` the runs of `value`, a well-formed JSON value, that lie between insignificant white space.
/// What would make one token of two (`1 2`) keeps a space.
pub fn runs<'a>(value: &'a [u8], each: &mut impl FnMut(&'a [u8])) {
    let mut from = 0;
    let mut at = 0;
    let piece = |from: usize, to: usize| value.get(from..to).unwrap_or_default();
    while let Some(skip) = next_break(value.get(at..).unwrap_or_default()) {
        at += skip;
        if value.get(at) == Some(&b'"') {
            let text = value.get(at + 1..).unwrap_or_default();
            at = match scan::quote(text) {
                Some(quote) => at + quote + 2,
                None => value.len(),
            };
            continue;
        }
        each(piece(from, at));
        let space = piece(at, value.len())
            .iter()
            .take_while(|byte| is_space(**byte));
        let after = at + space.count();
        let is_split =
            |at: Option<usize>| at.and_then(|at| value.get(at)).is_some_and(is_of_scalar);
        if is_split(at.checked_sub(1)) && is_split(Some(after)) {
            each(b" ");
        }
        from = after;
        at = after;
    }
    each(piece(from, value.len()));
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

fn is_of_scalar(byte: &u8) -> bool {
    !matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"')
}

/// The next quote or white space.
fn next_break(bytes: &[u8]) -> Option<usize> {
    // Most of a compact body outside its strings is a few bytes long.
    bytes
        .iter()
        .position(|byte| *byte == b'"' || is_space(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined(value: &str) -> String {
        let mut out = Vec::new();
        runs(value.as_bytes(), &mut |run| out.extend_from_slice(run));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn white_space_goes_but_not_that_of_strings() {
        assert_eq!(
            joined("{ \"a b\" : [ 1 ,\n\t2 ], \"c\\\" d\" : null }"),
            r#"{"a b":[1,2],"c\" d":null}"#
        );
        assert_eq!(joined("[1 2]"), "[1 2]");
        assert_eq!(joined("\"x  y"), "\"x  y");
    }

    proptest! {
        #[test]
        fn pretty_and_compact_come_to_the_same(text in any::<String>(), number in any::<f64>(), list in prop::collection::vec(any::<String>(), 0..5)) {
            let value = serde_json::json!({"a": text, "n": number, "list": list, "o": {"x": [[], {}]}});
            let compact = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(&joined(&serde_json::to_string_pretty(&value).unwrap()), &compact);
            prop_assert_eq!(joined(&compact), compact);
        }
    }
}
