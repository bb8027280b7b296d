//! The limits' settings in force: how they are counted, through which Redis they are shared, what guards the edge.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use parking_lot::Mutex;

use super::Gateway;
use crate::{
    config::{Config, RedisServers},
    limits::{
        Settings,
        edge::{Edge, EdgeLimits},
        fleet::Fleet,
    },
    secret::Secret,
};

/// The Redis through which limits are shared, and the prefix of names there.
pub(super) type SharedBy = Mutex<Option<(Secret, String)>>;

impl Gateway {
    /// Limits are kept by this configuration from now on. What was counted stays counted.
    pub fn limit_by(&self, config: &Config) {
        let section = &config.rate_limiting;
        self.limits.apply(Settings::from(section));
        self.share_limits(config);
        let wanted = EdgeLimits::from(&section.edge);
        let is_wanted = section.enabled && wanted.bounds_anything();
        let edge = self.edge.load();
        match &*edge {
            Some(edge) if is_wanted && *edge.limits() == wanted => {}
            _ if is_wanted => self.edge.store(Some(Arc::new(Edge::new(wanted)))),
            _ => self.edge.store(None),
        }
        self.spending.now();
    }

    fn share_limits(&self, config: &Config) {
        let section = &config.rate_limiting;
        let url = config.cache.redis_url.as_ref();
        let wanted = url
            .filter(|_| section.enabled && section.shared)
            .map(|url| (url.clone(), config.cache.redis_prefix.clone()));
        let mut before = self.shared_by.lock();
        if *before == wanted {
            return;
        }
        let fleet = wanted.as_ref().map(|(url, prefix)| {
            let servers = RedisServers::parse(url.expose())?;
            // Another one for each process and each fleet.
            let replica = RandomState::new().hash_one("replica");
            Fleet::new(servers, prefix, replica, self.metrics.limits.clone())
        });
        match fleet.transpose() {
            Ok(fleet) => {
                self.limits.share(fleet.map(Arc::new));
                *before = wanted;
            }
            Err(problem) => log::error!("limits are not shared: {problem}"),
        }
    }
}
