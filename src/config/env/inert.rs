//! Variables that are understood and have no effect yet. They are told apart from typos, so that
//! a file written for a later version, or for the tool that came before, starts this one too.

use super::Environment;

const INERT: &[&str] = &[
    "PROMETHEUS_ENABLED",
    "ENABLE_SEMANTIC_ROUTING_SIGNAL",
    "STRIP_IDE_BOILERPLATE",
    "ENABLE_FILE_HASH_CACHE",
    "ENFORCE_DIFF_FIRST",
    "ENABLE_ANTHROPIC_CACHE_CONTROL",
    "SYSTEM_MAX_CHARS",
    "USER_MSG_MAX_CHARS",
    "TOOL_RESULT_MAX_CHARS",
    "DEFAULT_MAX_TOKENS",
    "ENABLE_SMART_ROUTING",
    "SMART_ROUTING_MODE",
    "ENABLE_CASCADE_ROUTING",
    "CASCADE_QUALITY_CHECK_MODE",
    "CASCADE_MIN_RESPONSE_LENGTH",
    "CASCADE_LOG_OUTCOMES",
    "ENABLE_SKILLS",
];

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    INERT.iter().copied()
}

/// One warning for each that is set.
pub(super) fn warnings(environment: &Environment) -> impl Iterator<Item = String> {
    names()
        .filter(|name| environment.get(name).is_some())
        .map(|name| format!("{name} is understood but has no effect in this version"))
}
