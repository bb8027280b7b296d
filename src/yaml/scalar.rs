//! Single values by the rules of YAML 1.2's core schema: what a text is as a number or boolean.

use super::tree::Scalar;

impl Scalar {
    /// Whether its text may be something else than a string. A quoted `"4080"` is a string; what
    /// a variable put there may be either, since people quote `"${PORT}"` out of habit.
    fn may_convert(&self) -> bool {
        self.plain || self.written.is_some()
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.text.as_str() {
            _ if !self.may_convert() => None,
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            // The way of environment variables.
            "1" if self.written.is_some() => Some(true),
            "0" if self.written.is_some() => Some(false),
            _ => None,
        }
    }

    pub(super) fn integer(&self) -> Option<i128> {
        if !self.may_convert() {
            return None;
        }
        let text = self.text.as_str();
        let digits = |text: &str, radix| {
            let legal = text.chars().all(|c| c.is_digit(radix));
            legal
                .then(|| i128::from_str_radix(text, radix).ok())
                .flatten()
        };
        if let Some(digit) = text.strip_prefix("0x") {
            return digits(digit, 16);
        }
        if let Some(digit) = text.strip_prefix("0o") {
            return digits(digit, 8);
        }
        match text.strip_prefix('-') {
            Some(text) => digits(text, 10).map(|number| -number),
            None => digits(text.strip_prefix('+').unwrap_or(text), 10),
        }
    }

    pub(super) fn float(&self) -> Option<f64> {
        if !self.may_convert() {
            return None;
        }
        match self.text.as_str() {
            ".inf" | ".Inf" | ".INF" | "+.inf" => Some(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
            ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
            // Rust also reads `inf` and `nan`, which YAML takes for words.
            text if text.contains(|c: char| c.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar {
            text: text.into(),
            plain: true,
            written: None,
        }
    }

    #[test]
    fn numbers_and_booleans_of_the_core_schema() {
        assert_eq!(plain("0x1F").integer(), Some(31));
        assert_eq!(plain("-7").integer(), Some(-7));
        assert_eq!(plain("1_000").integer(), None);
        assert_eq!(plain("").integer(), None);
        assert_eq!(plain("1e3").float(), Some(1000.0));
        assert_eq!(plain("infinity").float(), None);
        assert_eq!(plain("yes").boolean(), None);
        assert_eq!(plain("1").boolean(), None);
        assert_eq!(plain("True").boolean(), Some(true));
    }

    #[test]
    fn quotes_make_a_string() {
        assert_eq!(
            Scalar {
                plain: false,
                ..plain("4080")
            }
            .integer(),
            None
        );
        let variable = Scalar {
            plain: false,
            written: Some("${PORT}".into()),
            ..plain("4080")
        };
        assert_eq!(variable.integer(), Some(4080));
    }
}
