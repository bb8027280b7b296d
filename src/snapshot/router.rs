//! From the configuration's pools and routes to those that requests are routed by.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::{Config, PoolTarget, StrategyName},
    routing::{
        Router,
        pool::{Pool, Target, Tier},
        route::{Arm, Route},
        strategies,
    },
};

/// The name of the pool that `routing.providers` makes.
const SHARED: &str = "providers";

/// Fills in everything but the providers, which are there.
pub(super) fn fill(router: &mut Router, config: &Config) {
    let rules = &config.routing;
    for (name, pool) in &config.pools {
        let strategy = pool.strategy.unwrap_or(rules.strategy);
        let pool = Arc::new(build(router, name, strategy, &pool.targets));
        router.pools.insert(name.as_str().into(), pool);
    }
    let routes = config.routes.iter().enumerate();
    router.routes = routes
        .filter_map(|(number, settings)| route(router, number, settings))
        .collect();
    (router.shared, router.shared_default) = shared(router, config);
    let names = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
    let chains = |map: &indexmap::IndexMap<String, Vec<String>>| {
        let chain = |(model, chain): (&String, &Vec<String>)| (model.as_str().into(), names(chain));
        map.iter().map(chain).collect()
    };
    router.fallbacks = chains(&rules.fallbacks);
    router.context_window_fallbacks = chains(&rules.context_window_fallbacks);
    router.default_fallbacks =
        (!rules.default_fallbacks.is_empty()).then(|| names(&rules.default_fallbacks));
    router.fallback_on.clone_from(&rules.fallback_on);
    router.max_cost = rules.max_cost_per_request;
    router.aliases = config
        .aliases
        .iter()
        .map(|(name, target)| (name.as_str().into(), target.as_str().into()))
        .collect();
    router.default_model = config.default_model.as_deref().map(Into::into);
}

fn build(router: &Router, name: &str, strategy: StrategyName, targets: &[PoolTarget]) -> Pool {
    let mut tiers: BTreeMap<i32, Vec<Target>> = BTreeMap::new();
    for target in targets {
        let Some(member) = router.members.get(target.provider.as_str()) else {
            continue;
        };
        let model: Option<Arc<str>> = target.model.as_deref().map(Into::into);
        let health = model
            .as_ref()
            .map(|model| member.provider.health.target(model));
        let price = model
            .as_ref()
            .and_then(|model| member.provider.price(model).cloned());
        tiers.entry(target.priority).or_default().push(Target {
            provider: member.provider.clone(),
            model,
            health,
            price,
            weight: target.weight,
            rpm: target.rpm,
            tpm: target.tpm,
        });
    }
    let tier = |(priority, targets): (i32, Vec<Target>)| Tier {
        priority,
        strategy: strategies::build(strategy, &targets),
        targets,
    };
    Pool {
        name: name.into(),
        strategy,
        tiers: tiers.into_iter().map(tier).collect(),
        identity: Default::default(),
    }
}

fn route(router: &Router, number: usize, settings: &crate::config::Route) -> Option<Route> {
    let pool = |name: &str| router.pools.get(name).cloned();
    let arms: Vec<Arm> = match &settings.pool {
        Some(name) => vec![Arm {
            name: None,
            pool: pool(name)?,
            weight: 1,
        }],
        None => settings
            .split
            .iter()
            .filter_map(|arm| {
                let name = arm.name.as_deref().unwrap_or(&arm.pool);
                Some(Arm {
                    name: Some(name.into()),
                    pool: pool(&arm.pool)?,
                    weight: arm.weight,
                })
            })
            .collect(),
    };
    let usual = || match settings.pool.as_deref() {
        Some(pool) => pool.to_owned(),
        None => format!("route-{number}"),
    };
    let name = settings.name.clone().unwrap_or_else(usual);
    let names = |names: &Vec<String>| names.iter().map(|name| name.as_str().into()).collect();
    Some(Route {
        name: name.as_str().into(),
        model: settings.model.as_str().into(),
        when: settings.when.clone(),
        arms,
        fallbacks: settings.fallbacks.as_ref().map(names),
        fallback_on: settings.fallback_on.as_deref().map(Into::into),
        shadow: settings
            .shadow
            .as_ref()
            .map(|shadow| (shadow.to.as_str().into(), per_million(shadow.percent))),
        max_cost: settings.max_cost_per_request,
        cache: (&settings.cache).into(),
    })
}

/// Per cent as parts of a million.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped"
)]
fn per_million(percent: f64) -> u32 {
    (percent.clamp(0.0, 100.0) * 10_000.0).round() as u32
}

/// The pools of `routing.providers`: for models that clients name, and for requests that name none, where
/// each has its own.
fn shared(router: &Router, config: &Config) -> (Option<Arc<Pool>>, Option<Arc<Pool>>) {
    let weights = &config.routing.providers;
    if weights.is_empty() {
        return (None, None);
    }
    let target = |(name, weight): (&String, &u16), model: Option<String>| PoolTarget {
        provider: name.clone(),
        model,
        weight: *weight,
        priority: 0,
        rpm: None,
        tpm: None,
    };
    let usual = |name: &str| {
        let member = router.members.get(name)?;
        let is_name = |name: &&String| !name.contains(['*', '?']);
        let names = member.models.iter().filter(is_name);
        let mut known = member.default_model.iter().chain(names);
        known.find(|model| member.provider.allows(model)).cloned()
    };
    let named: Vec<_> = weights.iter().map(|entry| target(entry, None)).collect();
    let own: Vec<_> = weights
        .iter()
        .filter_map(|entry| Some(target(entry, Some(usual(entry.0)?))))
        .collect();
    let strategy = config.routing.strategy;
    (
        Some(Arc::new(build(router, SHARED, strategy, &named))),
        (!own.is_empty()).then(|| Arc::new(build(router, SHARED, strategy, &own))),
    )
}
