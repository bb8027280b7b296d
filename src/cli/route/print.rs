//! A decision, for people.

use crate::{
    cli::table::{NOTHING, Table},
    config::StrategyName,
    routing::explain::{CandidateLook, Choice, Decision, Group, Shape},
};

/// What stands before each part.
const INDENT: &str = "  ";

/// All of a decision.
pub(super) fn table(decision: &Decision, is_live: bool) -> String {
    let mut lines = vec![request(decision)];
    if !decision.aliases.is_empty() {
        let asked = decision.asked.as_deref().unwrap_or_default();
        let trail = [&[asked.to_owned()], decision.aliases.as_slice()].concat();
        lines.push(format!("alias: {}", trail.join(" → ")));
    }
    lines.extend(decision.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(routes(decision));
    if !decision.first.candidates.is_empty() {
        lines.extend(group("asked", &decision.first));
    }
    if let Some(most) = decision.max_cost_usd {
        lines.push(format!("limit: ${most} for a request"));
    }
    for fallback in &decision.fallbacks {
        lines.extend(group("fallback", fallback));
    }
    if !decision.fallbacks.is_empty() {
        let names: Vec<&str> = decision.fallback_on.iter().map(|on| on.name()).collect();
        lines.push(format!("fallbacks serve after: {}", names.join(", ")));
    }
    for fallback in &decision.context_window_fallbacks {
        lines.extend(group("for longer prompts", fallback));
    }
    if let Some(shadow) = &decision.shadow {
        lines.push(format!(
            "shadow: {} % of the requests are copied to {}",
            shadow.percent, shadow.to
        ));
    }
    if !is_live && !decision.first.candidates.is_empty() {
        let said = "breakers: all counted as closed; --live asks the gateway that runs";
        lines.push(said.to_owned());
    }
    lines.extend(answer(decision));
    lines.join("\n")
}

/// What is known of the request.
fn request(decision: &Decision) -> String {
    let Shape {
        key,
        team,
        tags,
        stream,
        tools,
        images,
        prompt_tokens,
    } = &decision.request;
    let mut said = vec![match &decision.asked {
        Some(model) => format!("model `{model}`"),
        None => "no model".to_owned(),
    }];
    said.extend(key.as_ref().map(|key| format!("key {key}")));
    said.extend(team.as_ref().map(|team| format!("team {team}")));
    if !tags.is_empty() {
        said.push(format!("tags {}", tags.join(" ")));
    }
    let words = [(stream, "streamed"), (tools, "tools"), (images, "images")];
    let words = words.iter().filter(|(is, _)| **is);
    said.extend(words.map(|(_, word)| (*word).to_owned()));
    if *prompt_tokens > 0 {
        said.push(format!("about {prompt_tokens} tokens of prompt"));
    }
    format!("request: {}", said.join(", "))
}

/// The routes that were looked at, and the arm of the one that was taken.
fn routes(decision: &Decision) -> Vec<String> {
    if decision.routes.is_empty() {
        return Vec::new();
    }
    let mut table = Table::default();
    for route in &decision.routes {
        let is_taken = if route.why_not.is_none() { "yes" } else { "no" };
        let why = route.why_not.clone().unwrap_or_default();
        table.row([INDENT.to_owned() + &route.name, is_taken.to_owned(), why]);
    }
    let mut lines = vec!["routes:".to_owned(), table.to_string()];
    if let Some(variant) = &decision.variant {
        let all = decision.variants.iter();
        let shares: Vec<String> = all
            .map(|arm| format!("{} {} (pool {})", arm.name, percent(arm.share), arm.pool))
            .collect();
        lines.push(format!(
            "variant: {variant}; a caller stays in its own. Shares: {}",
            shares.join(", ")
        ));
    }
    lines
}

/// Candidates that stand side by side.
fn group(what: &str, group: &Group) -> Vec<String> {
    let name = group.name.as_ref().map(|name| format!(" {name}"));
    let name = name.unwrap_or_default();
    if group.candidates.is_empty() {
        return vec![format!("{what}{name}: leads nowhere")];
    }
    let by = match (&group.pool, &group.strategy) {
        (Some(pool), Some(strategy)) => {
            format!(": pool {pool}, {strategy}{}", how(strategy, group))
        }
        _ if group.candidates.len() > 1 => ": in this order".to_owned(),
        _ => String::new(),
    };
    let mut table = Table::titled(&[
        "    PROVIDER",
        "MODEL",
        "PRIORITY",
        "WEIGHT",
        "SHARE",
        "BREAKER",
        "PRICE",
    ]);
    for candidate in &group.candidates {
        table.row(cells(candidate));
    }
    vec![format!("{what}{name}{by}"), table.to_string()]
}

fn cells(candidate: &CandidateLook) -> [String; 8] {
    let dash = || NOTHING.to_owned();
    let mark = if candidate.chosen { "  → " } else { "    " };
    let breaker = match candidate.retry_in_seconds {
        Some(seconds) => format!("{}, {seconds:.0} s", candidate.breaker),
        None => candidate.breaker.clone(),
    };
    let skipped = candidate.skipped.as_ref();
    [
        format!("{mark}{}", candidate.provider),
        candidate.model.clone(),
        candidate.priority.to_string(),
        candidate
            .weight
            .map_or_else(dash, |weight| weight.to_string()),
        candidate.share.map_or_else(dash, percent),
        breaker,
        candidate.estimated_usd.map_or_else(dash, dollars),
        skipped
            .map(|why| format!("skipped: {why}"))
            .unwrap_or_default(),
    ]
}

/// How a strategy picks, and how far that is certain; nothing where there is nobody to pick from.
fn how(strategy: &str, group: &Group) -> String {
    let strategy = serde_json::from_value::<StrategyName>(strategy.into()).unwrap_or_default();
    let how = strategy.description();
    let is_certain = matches!(
        strategy,
        StrategyName::Cost | StrategyName::Priority | StrategyName::PrefixAffinity
    );
    match group.choice {
        _ if group.candidates.len() < 2 => String::new(),
        Choice::Fixed if is_certain => format!(": {how}"),
        Choice::Fixed => ": only one can be asked now".to_owned(),
        Choice::Random => format!(": {how}; the next request may go elsewhere"),
        Choice::InTurn => format!(": {how}; the next request goes elsewhere"),
        Choice::ByLoad => format!(": {how}; that changes from request to request"),
    }
}

fn answer(decision: &Decision) -> Option<String> {
    let (provider, model) = (decision.provider.as_ref()?, decision.model.as_ref()?);
    let names = [
        ("route", &decision.route),
        ("variant", &decision.variant),
        ("pool", &decision.pool),
    ];
    let by: String = names
        .iter()
        .filter_map(|(what, name)| Some(format!(", {what} {}", name.as_ref()?)))
        .collect();
    Some(format!("→ {provider}/{model}{by}"))
}

fn percent(share: f64) -> String {
    let percent = format!("{:.1}", share * 100.0);
    format!("{} %", percent.trim_end_matches(".0"))
}

/// An estimate: two digits that say something are enough.
fn dollars(amount: f64) -> String {
    match amount {
        0.0 => "free".to_owned(),
        1.0.. => format!("${amount:.2}"),
        _ => {
            let digits = (1.0 - amount.log10().floor()).clamp(2.0, 12.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped"
            )]
            let digits = digits as usize;
            format!("${amount:.digits$}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_prices_are_short() {
        assert_eq!(
            (percent(0.7), percent(1.0 / 3.0)),
            ("70 %".into(), "33.3 %".into())
        );
        for (amount, said) in [
            (0.0, "free"),
            (2.5, "$2.50"),
            (0.0123, "$0.012"),
            (0.000_123_4, "$0.00012"),
        ] {
            assert_eq!(dollars(amount), said);
        }
    }
}
