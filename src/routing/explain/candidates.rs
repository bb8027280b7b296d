//! The candidates of one stage: what is known of each, and which shares of the requests they get.

use super::{CandidateLook, Choice};
use crate::{
    config::StrategyName,
    routing::{
        Candidate, Limits, Stage, estimate,
        obstacle::{Doubt, Obstacle},
        policy::Asking,
    },
};

/// How likely a candidate is asked: those that nothing speaks against, then those that are doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Well,
    Doubtful,
    Out,
}

impl Asking<'_> {
    /// All candidates of a stage, in order, and how far it is certain which is asked first.
    pub(super) fn candidates(
        &self,
        stage: &Stage,
        limits: &Limits,
    ) -> (Choice, Vec<CandidateLook>) {
        let mut looks: Vec<(Rank, CandidateLook)> = match stage {
            Stage::Pool(pool, asked) => {
                let targets = pool
                    .tiers
                    .iter()
                    .flat_map(|tier| tier.targets.iter().map(move |target| (tier, target)));
                targets
                    .map(|(tier, target)| {
                        let (rank, look) = self.look(&target.candidate(asked), limits);
                        let weight = Some(target.weight);
                        let priority = tier.priority;
                        (
                            rank,
                            CandidateLook {
                                weight,
                                priority,
                                ..look
                            },
                        )
                    })
                    .collect()
            }
            Stage::List(list) => list
                .iter()
                .map(|candidate| {
                    let member = self.router.members.get(&candidate.provider.name);
                    let (rank, look) = self.look(candidate, limits);
                    let priority = member.map_or(0, |member| member.priority);
                    (rank, CandidateLook { priority, ..look })
                })
                .collect(),
        };
        let strategy = match stage {
            Stage::Pool(pool, _) => pool.strategy,
            Stage::List(_) => StrategyName::Priority,
        };
        let choice = share_out(strategy, &mut looks);
        (choice, looks.into_iter().map(|(_, look)| look).collect())
    }

    fn look(&self, candidate: &Candidate, limits: &Limits) -> (Rank, CandidateLook) {
        let (provider, health) = (&candidate.provider, &candidate.health);
        let obstacle = self.obstacle(provider, &candidate.model, health, limits);
        let doubt = self.doubt(provider);
        let (rank, skipped) = match (obstacle, doubt) {
            (Some(Obstacle::NoToken), _) => (Rank::Out, Some("there is no access token")),
            (Some(Obstacle::Breaker), _) => (Rank::Out, Some("its breaker is open")),
            (Some(Obstacle::Price), _) => (Rank::Out, Some("it costs too much")),
            (Some(Obstacle::NotAllowed), _) => (
                Rank::Out,
                Some("its provider's `allowed_models` does not hold it"),
            ),
            (Some(Obstacle::Forbidden), _) => (Rank::Out, Some("the key may not use it")),
            (None, Some(Doubt::Down)) => (Rank::Doubtful, Some("the health check finds it down")),
            (None, Some(Doubt::KeysBenched)) => {
                (Rank::Doubtful, Some("none of its keys worked of late"))
            }
            (None, None) => (Rank::Well, None),
        };
        let retry_in = health
            .breaker
            .retry_at()
            .map(|at| at.saturating_duration_since(self.now).as_secs_f64());
        let price = provider.price(&candidate.model);
        let look = CandidateLook {
            provider: provider.name.to_string(),
            model: candidate.model.to_string(),
            breaker: health.breaker.state(self.now).name().to_owned(),
            retry_in_seconds: retry_in.filter(|seconds| *seconds > 0.0),
            estimated_usd: price.map(|price| estimate(price, self.facts).dollars()),
            skipped: skipped.map(str::to_owned),
            ..CandidateLook::default()
        };
        (rank, look)
    }
}

/// Gives each its share, where the strategy says it without knowing what goes on.
fn share_out(strategy: StrategyName, looks: &mut [(Rank, CandidateLook)]) -> Choice {
    let Some(best) = looks.iter().map(|(rank, _)| *rank).min() else {
        return Choice::Fixed;
    };
    let asked = looks.iter_mut().filter(|(rank, _)| *rank == best);
    let mut asked: Vec<&mut CandidateLook> = asked.map(|(_, look)| look).collect();
    let first = asked.first().map(|look| look.priority);
    asked.retain(|look| Some(look.priority) == first);
    // Those of weight 0 are there for emergencies.
    if matches!(strategy, StrategyName::Weighted | StrategyName::RoundRobin)
        && asked.iter().any(|look| look.weight != Some(0))
    {
        asked.retain(|look| look.weight != Some(0));
    }
    if best == Rank::Out || asked.len() < 2 {
        return Choice::Fixed;
    }
    let weight = |look: &CandidateLook| match strategy {
        StrategyName::Weighted => look.weight.unwrap_or(1),
        _ => 1,
    };
    let all: u32 = asked.iter().map(|look| u32::from(weight(look))).sum();
    let choice = match strategy {
        StrategyName::Weighted if all > 0 => Choice::Random,
        StrategyName::RoundRobin => Choice::InTurn,
        StrategyName::LeastBusy | StrategyName::Latency | StrategyName::Usage => Choice::ByLoad,
        _ => Choice::Fixed,
    };
    if matches!(choice, Choice::Random | Choice::InTurn) {
        for look in asked {
            look.share = Some(f64::from(weight(look)) / f64::from(all));
        }
    }
    choice
}
