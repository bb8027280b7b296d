//! A string that must not be seen: provider keys, client keys, the master key.
//! Used by every floor; printing it, formatting it or serialising it shows `***`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// A secret from config or environment. Only [`Secret::expose`] gives its text away, so that a
/// search for that word finds every place where a secret leaves this type.
#[derive(Clone, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps `text`. White space around it (a trailing line break from a file) is not part of it.
    pub fn new(text: &str) -> Self {
        Secret(text.trim().into())
    }

    /// The secret itself. Call it only where the bytes go to whom they are for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it, as when a variable is set but empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Secret::new(&text))
    }
}

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_shows_its_text() {
        let secret = Secret::new("sk-canary\n");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
        assert_eq!(secret.expose(), "sk-canary");
    }
}
