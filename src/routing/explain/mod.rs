//! What becomes of a request, and why: for `gateway route test` and the admin port's `route/test`. Nothing
//! is decided here: it asks what requests are routed by, and nobody is called.

mod candidates;
mod decision;
mod words;

use std::sync::Arc;

use super::{
    Limits, Plan, Stage,
    facts::Facts,
    policy::Asking,
    route::{Arm, Route},
};
use crate::error::GatewayError;
pub use decision::{
    CandidateLook, Choice, Decision, Group, Refusal, RouteLook, Shadow, Shape, Variant,
};

impl From<&GatewayError> for Refusal {
    fn from(error: &GatewayError) -> Self {
        Refusal {
            status: error.status().as_u16(),
            code: error.code().to_owned(),
            message: error.to_string(),
        }
    }
}

impl Shape {
    /// That of a request.
    pub fn of(facts: &Facts<'_>) -> Self {
        let prompt = facts.prompt();
        Shape {
            key: facts.key.map(str::to_owned),
            team: facts.team.map(str::to_owned),
            tags: facts.tags().map(str::to_owned).collect(),
            stream: facts.stream,
            tools: prompt.has_tools,
            images: prompt.has_images,
            prompt_tokens: prompt.tokens,
        }
    }
}

impl Asking<'_> {
    /// Says what `plan` makes of a request that names `model` and perhaps a provider, and why.
    pub fn explain(
        &self,
        model: Option<&str>,
        provider: Option<&str>,
        plan: Result<Plan, GatewayError>,
    ) -> Decision {
        let asked = self.router.asked(model, provider);
        let mut decision = Decision {
            asked: asked.map(str::to_owned),
            request: Shape::of(self.facts),
            ..Decision::default()
        };
        match (asked, provider) {
            (_, Some(provider)) => decision.notes.push(format!(
                "the request names the provider `{provider}` itself, so that aliases and routes are not asked"
            )),
            (Some(asked), None) => {
                let names = self.router.trail(asked).skip(1);
                decision.aliases = names.map(str::to_owned).collect();
                decision.routes = self.routes(self.router.alias(asked));
            }
            (None, None) => {}
        }
        match plan {
            Ok(plan) => self.follow(plan, &mut decision),
            Err(error) => decision.error = Some((&error).into()),
        }
        decision
    }

    /// The routes up to the one that a request for `model` takes.
    fn routes(&self, model: &str) -> Vec<RouteLook> {
        let mut looks = Vec::new();
        for route in &self.router.routes {
            let mismatch = route.mismatch(model, self.facts);
            looks.push(RouteLook {
                name: route.name.to_string(),
                why_not: mismatch
                    .map(|mismatch| words::why_not(mismatch, route, model, self.facts)),
            });
            if mismatch.is_none() {
                break;
            }
        }
        looks
    }

    /// Says what the plan knows, then who it would ask.
    fn follow(&self, mut plan: Plan, decision: &mut Decision) {
        let reason = &plan.reason;
        let route = reason.route.as_ref();
        let route = route.and_then(|name| self.router.route(name));
        decision.route = reason.route.as_ref().map(ToString::to_string);
        decision.variant = reason.variant.as_ref().map(ToString::to_string);
        decision.variants = route.map(variants).unwrap_or_default();
        decision.shadow = plan.shadow.as_ref().map(shadow);
        decision.max_cost_usd = plan.limits.max_cost;
        plan.is_question = true;
        let fallback_on = plan.fallback_on.as_deref();
        decision.fallback_on = fallback_on.unwrap_or(&self.router.fallback_on).to_vec();
        if let Some(stage) = plan.first() {
            decision.first = self.group(None, Some(stage), &plan.limits);
        }
        decision.fallbacks =
            self.chain(plan.fallbacks.names.as_deref(), plan.asked(), &plan.limits);
        decision.context_window_fallbacks =
            self.chain(plan.larger.as_deref(), plan.asked(), &plan.limits);
        if !self.start(&mut plan) {
            let error = self.nobody(&plan, decision.asked.as_deref());
            decision.error = Some((&error).into());
        } else if let Some(candidate) = plan.current() {
            decision.provider = Some(candidate.provider.name.to_string());
            decision.model = Some(candidate.model.to_string());
            let (stage, place) = plan.place();
            let fallbacks = decision.fallbacks.iter_mut();
            // The plan knows only those fallbacks that lead somewhere.
            let mut known = fallbacks.filter(|group| !group.candidates.is_empty());
            let group = match stage {
                0 => Some(&mut decision.first),
                later => known.nth(later - 1),
            };
            if let Some(look) = group.and_then(|group| group.candidates.get_mut(place)) {
                look.chosen = true;
            }
        }
        let pool = plan.pool();
        decision.pool = pool.map(|pool| pool.name.to_string());
        decision.strategy = pool.map(|pool| pool.strategy.name().to_owned());
    }

    fn chain(
        &self,
        names: Option<&[Box<str>]>,
        asked: Option<&Arc<str>>,
        limits: &Limits,
    ) -> Vec<Group> {
        let names = names.unwrap_or_default().iter();
        names
            .map(|name| {
                let stage = self.router.fallback(name, asked);
                self.group(Some(name), stage.as_ref(), limits)
            })
            .collect()
    }

    fn group(&self, name: Option<&str>, stage: Option<&Stage>, limits: &Limits) -> Group {
        let (choice, candidates) = match stage {
            Some(stage) => self.candidates(stage, limits),
            None => Default::default(),
        };
        let pool = match stage {
            Some(Stage::Pool(pool, _)) => Some(pool),
            _ => None,
        };
        Group {
            name: name.map(str::to_owned),
            pool: pool.map(|pool| pool.name.to_string()),
            strategy: pool.map(|pool| pool.strategy.name().to_owned()),
            choice,
            candidates,
        }
    }
}

fn variants(route: &Route) -> Vec<Variant> {
    let all: u32 = route.arms.iter().map(|arm| u32::from(arm.weight)).sum();
    let variant = |arm: &Arm| {
        Some(Variant {
            name: arm.name.as_ref()?.to_string(),
            pool: arm.pool.name.to_string(),
            share: f64::from(arm.weight) / f64::from(all.max(1)),
        })
    };
    route.arms.iter().filter_map(variant).collect()
}

fn shadow((to, per_million): &(Arc<str>, u32)) -> Shadow {
    Shadow {
        to: to.to_string(),
        percent: f64::from(*per_million) / 10_000.0,
    }
}
