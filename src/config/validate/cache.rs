//! Checks of the `cache` section, and of what routes and keys have of their own about it.

use super::Check;
use crate::config::{CacheOverride, RedisServers};

const MAX_LOOKUP_MS: u32 = 10_000;

impl Check<'_> {
    pub(super) fn cache(&mut self) {
        let cache = &self.config.cache;
        let off = "; to keep no answers write `backend: disabled`";
        self.not_zero("cache.ttl_seconds", cache.ttl_seconds);
        self.not_zero(
            "cache.idempotency_ttl_seconds",
            cache.idempotency_ttl_seconds,
        );
        if cache.max_bytes.0 == 0 {
            self.problem("cache.max_bytes", format!("is no memory at all{off}"));
        }
        if cache.max_entries == Some(0) {
            self.problem("cache.max_entries", format!("is not one answer{off}"));
        }
        if cache.max_entry_bytes.0 == 0 {
            self.problem("cache.max_entry_bytes", format!("keeps no answer{off}"));
        }
        if !(1..=MAX_LOOKUP_MS).contains(&cache.lookup_timeout_ms) {
            let message = format!("takes milliseconds from 1 to {MAX_LOOKUP_MS}");
            self.problem("cache.lookup_timeout_ms", message);
        }
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.:".contains(letter);
        if cache.redis_prefix.is_empty() || !cache.redis_prefix.chars().all(is_plain) {
            let message = "takes letters, digits and `_`, `-`, `.`, `:`";
            self.problem("cache.redis_prefix", message);
        }
        self.redis();
        for (index, route) in self.config.routes.iter().enumerate() {
            self.cache_override(&format!("routes.{index}.cache"), &route.cache);
        }
        for (index, key) in self.config.auth.keys.iter().enumerate() {
            self.cache_override(&format!("auth.keys.{index}.cache"), &key.cache);
        }
    }

    fn redis(&mut self) {
        let cache = &self.config.cache;
        match &cache.redis_url {
            Some(url) => {
                if let Err(problem) = RedisServers::parse(url.expose()) {
                    self.problem("cache.redis_url", problem);
                }
            }
            None if cache.in_redis() => self.problem(
                "cache.backend",
                "keeps answers in Redis; say where that is with `redis_url` or GATEWAY_REDIS_URL",
            ),
            None => {}
        }
    }

    fn cache_override(&mut self, path: &str, settings: &CacheOverride) {
        if let Some(ttl) = settings.ttl_seconds {
            self.not_zero(&format!("{path}.ttl_seconds"), ttl);
        }
    }
}
