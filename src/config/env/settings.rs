//! The variables that set one thing each: which, under which names, and what they take.

use serde::{Deserialize, de::value::StrDeserializer};

use super::{Applying, kubernetes};
use crate::{
    config::{ByteSize, CacheOverride, Config, LimitSet, MaxSize, Seconds, StaticKey},
    secret::Secret,
};

/// A setting that variables override.
struct Setting {
    /// The variables, the strongest first.
    names: &'static [&'static str],
    /// The path in the configuration.
    path: &'static str,
    /// What the variable takes, for the message when it holds something else.
    takes: &'static str,
    /// Puts the value in its place; `None` if it cannot be used.
    set: fn(&mut Config, &str) -> Option<()>,
}

const PORT: &str = "a port from 0 to 65535";

const SETTINGS: &[Setting] = &[
    Setting {
        names: &["GATEWAY_PORT", "PORT"],
        path: "listen.port",
        takes: PORT,
        set: |config, value| put(&mut config.listen.port, value.parse().ok()),
    },
    Setting {
        names: &["GATEWAY_ADMIN_PORT"],
        path: "listen.admin_port",
        takes: PORT,
        set: |config, value| put(&mut config.listen.admin_port, value.parse().ok()),
    },
    Setting {
        names: &["GATEWAY_BIND"],
        path: "listen.address",
        takes: "an IP address such as 127.0.0.1 or 0.0.0.0",
        set: |config, value| put(&mut config.listen.address, value.parse().ok()),
    },
    Setting {
        names: &["GATEWAY_MAX_BODY_BYTES"],
        path: "listen.max_body_bytes",
        takes: "a size such as 33554432 or 32MiB",
        set: |config, value| {
            put(
                &mut config.listen.max_body_bytes,
                ByteSize::parse(value).ok(),
            )
        },
    },
    Setting {
        names: &["GATEWAY_MASTER_KEY", "ADMIN_KEY", "LITELLM_MASTER_KEY"],
        path: "auth.master_key",
        takes: "a key",
        set: |config, value| put(&mut config.auth.master_key, Some(Some(Secret::new(value)))),
    },
    Setting {
        names: &["GATEWAY_DEV"],
        path: "auth.dev",
        takes: "1 or 0",
        set: |config, value| put(&mut config.auth.dev, switch(value)),
    },
    Setting {
        names: &["GATEWAY_LOG_FORMAT"],
        path: "telemetry.log.format",
        takes: "json or text",
        set: |config, value| put(&mut config.telemetry.log.format, choice(value)),
    },
    Setting {
        names: &["GATEWAY_LOG_LEVEL"],
        path: "telemetry.log.level",
        takes: "error, warn, info, debug or trace",
        set: |config, value| put(&mut config.telemetry.log.level, choice(value)),
    },
    Setting {
        names: &["GATEWAY_DEFAULT_MODEL"],
        path: "default_model",
        takes: "a model's name",
        set: |config, value| put(&mut config.default_model, Some(Some(value.to_owned()))),
    },
    Setting {
        names: &["GATEWAY_RETRY_MAX"],
        path: "routing.retries.max",
        takes: "a whole number such as 3",
        set: |config, value| put(&mut config.routing.retries.max, value.parse().ok()),
    },
    Setting {
        names: &["RETRY_ENABLED"],
        path: "routing.retries.max",
        takes: "1 or 0",
        set: |config, value| {
            if !switch(value)? {
                config.routing.retries.max = 0;
            }
            Some(())
        },
    },
    Setting {
        names: &["CIRCUIT_BREAKER_ENABLED"],
        path: "routing.breaker.enabled",
        takes: "1 or 0",
        set: |config, value| put(&mut config.routing.breaker.enabled, switch(value)),
    },
    Setting {
        names: &["GATEWAY_HEALTH_CHECK_INTERVAL"],
        path: "routing.health_check.interval_seconds",
        takes: "a time such as 30s",
        set: |config, value| {
            let check = &mut config.routing.health_check;
            put(&mut check.interval_seconds, seconds(value))?;
            check.active = true;
            Some(())
        },
    },
    Setting {
        names: &["GATEWAY_DATABASE_URL", "DATABASE_URL"],
        path: "store.database_url",
        takes: "postgres://USER:PASSWORD@HOST/NAME or sqlite:FILE",
        set: |config, value| {
            put(
                &mut config.store.database_url,
                Some(Some(Secret::new(value))),
            )
        },
    },
    Setting {
        names: &["GATEWAY_PRICING_FILE"],
        path: "pricing.file",
        takes: "the path of a file of prices",
        // A path of the file is meant from there, one of the environment from here.
        set: |config, value| {
            let path = match value.starts_with('~') {
                true => Some(value.into()),
                false => std::path::absolute(value).ok(),
            };
            put(&mut config.pricing.file, path.map(Some))
        },
    },
    Setting {
        names: &["GATEWAY_LOG_RETENTION"],
        path: "usage.retention_days",
        takes: "days such as 30 or 30d, or 0 for ever",
        set: |config, value| put(&mut config.usage.retention_days, days(value)),
    },
    Setting {
        names: &["GATEWAY_MANAGEMENT_ROUTES"],
        path: "listen.management_routes",
        takes: "1 or 0",
        set: |config, value| put(&mut config.listen.management_routes, switch(value)),
    },
    Setting {
        names: &["GATEWAY_ENCRYPTION_KEY"],
        path: "store.encryption_key",
        takes: "64 hexadecimal digits",
        set: |config, value| {
            put(
                &mut config.store.encryption_key,
                Some(Some(Secret::new(value))),
            )
        },
    },
    Setting {
        names: &["ENABLE_MULTI_PROJECT"],
        path: "store.projects",
        takes: "1 or 0",
        set: |config, value| put(&mut config.store.projects, switch(value)),
    },
    Setting {
        names: &["GATEWAY_CACHE_ENABLED"],
        path: "cache.enabled",
        takes: "1 or 0",
        set: |config, value| put(&mut config.cache.enabled, switch(value)),
    },
    Setting {
        names: &["GATEWAY_CACHE_BACKEND"],
        path: "cache.backend",
        takes: "memory, redis, tiered or disabled",
        set: |config, value| put(&mut config.cache.backend, choice(value)),
    },
    Setting {
        names: &["GATEWAY_CACHE_TTL", "CACHE_TTL_SECONDS"],
        path: "cache.ttl_seconds",
        takes: "a time such as 3600 or 1h",
        set: |config, value| put(&mut config.cache.ttl_seconds, seconds(value)),
    },
    Setting {
        names: &["GATEWAY_CACHE_MAX_SIZE"],
        path: "cache.max_size",
        takes: "a size such as 512MB, or a number of entries",
        set: |config, value| {
            config.cache.bound(MaxSize::parse(value).ok()?);
            Some(())
        },
    },
    Setting {
        names: &["GATEWAY_REDIS_URL", "REDIS_URL"],
        path: "cache.redis_url",
        takes: "a URL such as redis://localhost:6379/0",
        set: |config, value| put(&mut config.cache.redis_url, Some(Some(Secret::new(value)))),
    },
    Setting {
        names: &["GATEWAY_RATE_LIMIT_RPM", "RATE_LIMIT_RPM"],
        path: "rate_limiting.default_key_rpm",
        takes: "requests a minute, such as 60",
        set: |config, value| {
            put(
                &mut config.rate_limiting.default_key_rpm,
                value.parse().ok(),
            )
        },
    },
    Setting {
        names: &["RATE_LIMIT_ENABLED"],
        path: "rate_limiting.enabled",
        takes: "1 or 0",
        set: |config, value| put(&mut config.rate_limiting.enabled, switch(value)),
    },
    Setting {
        names: &["GATEWAY_DATA_DIR"],
        path: "data_dir",
        takes: "a directory",
        set: |config, value| put(&mut config.data_dir, Some(Some(value.into()))),
    },
];

/// Variables that are read elsewhere: one names the file, one the gateway that commands ask, one adds to a list.
const OTHERS: &[&str] = &["GATEWAY_CONFIG", "GATEWAY_ADMIN_URL", CLIENT_KEY];
const CLIENT_KEY: &str = "GATEWAY_API_KEY";
/// The name of the key that `GATEWAY_API_KEY` holds.
const CLIENT_KEY_NAME: &str = "default";

/// The variables that have an effect.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS
        .iter()
        .flat_map(|setting| setting.names)
        .chain(OTHERS)
        .copied()
}

/// Puts every setting that a variable holds in its place.
pub(super) fn apply(applying: &mut Applying<'_>) {
    for setting in SETTINGS {
        for name in setting.names {
            let Some(value) = applying.environment.get(name) else {
                continue;
            };
            if *name == "GATEWAY_PORT" && kubernetes::is_service_address(value) {
                applying.warnings.push(
                    "GATEWAY_PORT is an address that Kubernetes set for a service called \
                     `gateway`, not a port, and is ignored; `enableServiceLinks: false` in the \
                     pod's specification keeps it away"
                        .to_owned(),
                );
                continue;
            }
            match (setting.set)(applying.config, value) {
                Some(()) => applying
                    .positions
                    .set_source(setting.path, "environment", name),
                None => applying.refuse(name, setting.takes),
            }
            break;
        }
    }
    client_key(applying);
}

/// Adds the key of `GATEWAY_API_KEY`, in place of a key of the same name.
fn client_key(applying: &mut Applying<'_>) {
    let Some(value) = applying.environment.get(CLIENT_KEY) else {
        return;
    };
    let keys = &mut applying.config.auth.keys;
    let key = Secret::new(value);
    let index = match keys.iter().position(|other| other.name == CLIENT_KEY_NAME) {
        Some(index) => index,
        // The same key under a name of its own in the file says more.
        None if keys.iter().any(|other| other.key == key) => return,
        None => keys.len(),
    };
    match keys.get_mut(index) {
        Some(other) => other.key = key,
        None => keys.push(StaticKey {
            name: CLIENT_KEY_NAME.to_owned(),
            key,
            team: None,
            user: None,
            models: Vec::new(),
            cache: CacheOverride::default(),
            limits: LimitSet::default(),
        }),
    }
    applying
        .positions
        .set_source(&format!("auth.keys.{index}"), "environment", CLIENT_KEY);
}

fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}

/// `30`, `30s`, `500ms`, `1m`.
fn seconds(value: &str) -> Option<Seconds> {
    let plain = value.trim().parse::<f64>().ok();
    let seconds = match plain {
        Some(seconds) => seconds,
        None => humantime::parse_duration(value.trim()).ok()?.as_secs_f64(),
    };
    (seconds > 0.0 && seconds <= Seconds::MAX.0).then_some(Seconds(seconds))
}

/// `30`, `30d`, `4weeks`, `720h`; what is no whole day is a day.
fn days(value: &str) -> Option<u32> {
    const DAY: u64 = 86_400;
    if let Ok(days) = value.trim().parse() {
        return Some(days);
    }
    let span = humantime::parse_duration(value.trim()).ok()?;
    u32::try_from(span.as_secs().div_ceil(DAY)).ok()
}

fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A value of an enum by the name that the file uses for it.
fn choice<T: for<'de> Deserialize<'de>>(value: &str) -> Option<T> {
    let value = value.to_ascii_lowercase();
    T::deserialize(StrDeserializer::<serde::de::value::Error>::new(&value)).ok()
}
