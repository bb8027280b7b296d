//! What a key may do on the admin interface, as a word of the command line.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admin::access::Grant;

/// A grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(in crate::cli) struct GrantWord(Grant);

impl FromStr for GrantWord {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let word = word.trim().to_ascii_lowercase().replace('-', "_");
        Grant::deserialize(&Value::String(word))
            .map(GrantWord)
            .map_err(|_| "takes read, write, team_read, team_write, or none")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_written_in_either_way() {
        assert_eq!("team-write".parse(), Ok(GrantWord(Grant::TeamWrite)));
        assert_eq!("read".parse(), Ok(GrantWord(Grant::Read)));
        assert!("king".parse::<GrantWord>().is_err());
    }
}
