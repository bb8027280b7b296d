//! Tokens by kind, as a provider counted them.

use serde::{Deserialize, Serialize};

/// What a request used. Cached tokens are part of `input`, reasoning tokens part of `output`, so
/// that `input + output` is the total and nothing is counted twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input: u64,
    /// Tokens of the answer, reasoning included.
    pub output: u64,
    /// Tokens of the prompt that the provider read from its cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_input: u64,
    /// Tokens of the answer that were reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
