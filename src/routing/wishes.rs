//! What a client asks of routing in headers: who else may serve (`X-Gateway-Fallbacks`), and for how much at
//! most (`X-Gateway-Max-Cost`).

use std::sync::Arc;

use http::HeaderMap;

use super::Plan;
use crate::error::GatewayError;

const FALLBACKS: &str = "x-gateway-fallbacks";
const MAX_COST: &str = "x-gateway-max-cost";

/// Names in one chain of a client, at most.
const MAX_FALLBACKS: usize = 8;
/// Names become parts of log lines: a longer one is no name.
const MAX_NAME_BYTES: usize = 256;

/// Whether some header may be meant for the gateway: looking for each by its name costs more than this.
pub fn may_be_in(headers: &HeaderMap) -> bool {
    let is_ours = |name: &str| {
        name.starts_with("x-gateway-")
            || name.starts_with("x-litellm-")
            || name == "idempotency-key"
    };
    headers.keys().any(|name| is_ours(name.as_str()))
}

/// What a client asks of routing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wishes {
    /// Who serves where nobody of the model's own can, in order; instead of those that are configured.
    pub fallbacks: Option<Arc<[Box<str>]>>,
    /// Dearer candidates are not asked, in USD.
    pub max_cost: Option<f64>,
}

impl Wishes {
    /// Those of a request.
    ///
    /// # Errors
    /// `InvalidBody` where a header cannot be understood.
    pub fn read(headers: &HeaderMap) -> Result<Self, GatewayError> {
        Ok(Wishes {
            fallbacks: fallbacks(headers)?,
            max_cost: max_cost(headers)?,
        })
    }
}

impl Plan {
    /// Takes a client's wishes. What is configured remains the most that a request may cost.
    pub fn heed(&mut self, wishes: Wishes) {
        if wishes.fallbacks.is_some() {
            self.fallbacks.names = wishes.fallbacks;
        }
        let limit = &mut self.limits.max_cost;
        if let Some(wish) = wishes.max_cost {
            *limit = Some(limit.map_or(wish, |limit| limit.min(wish)));
        }
    }
}

fn fallbacks(headers: &HeaderMap) -> Result<Option<Arc<[Box<str>]>>, GatewayError> {
    if !headers.contains_key(FALLBACKS) {
        return Ok(None);
    }
    let mut names: Vec<Box<str>> = Vec::new();
    for line in headers.get_all(FALLBACKS) {
        let line = line
            .to_str()
            .map_err(|_| wrong("names, separated by commas"))?;
        let some = line
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        names.extend(some.map(Into::into));
    }
    if names.len() > MAX_FALLBACKS || names.iter().any(|name| name.len() > MAX_NAME_BYTES) {
        return Err(wrong(
            "at most 8 names of models, pools or `provider/model`",
        ));
    }
    Ok(Some(names.into()))
}

fn max_cost(headers: &HeaderMap) -> Result<Option<f64>, GatewayError> {
    let Some(value) = headers.get(MAX_COST) else {
        return Ok(None);
    };
    let dollars = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    match dollars.filter(|dollars: &f64| dollars.is_finite() && *dollars > 0.0) {
        Some(dollars) => Ok(Some(dollars)),
        None => {
            let message = "The header `X-Gateway-Max-Cost` must be an amount in USD above 0.";
            Err(GatewayError::invalid(message, None))
        }
    }
}

fn wrong(takes: &str) -> GatewayError {
    let message = format!("The header `X-Gateway-Fallbacks` takes {takes}.");
    GatewayError::invalid(message, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn read(name: &str, value: &[u8]) -> Result<Wishes, GatewayError> {
        let name = HeaderName::try_from(name).unwrap();
        let value = HeaderValue::from_bytes(value).unwrap();
        Wishes::read(&HeaderMap::from_iter([(name, value)]))
    }

    #[test]
    fn names_and_amounts_are_read_and_nonsense_is_refused() {
        let wishes = read(FALLBACKS, b" a, openai/b ,").unwrap();
        assert_eq!(
            wishes.fallbacks.as_deref(),
            Some(&["a".into(), "openai/b".into()][..])
        );
        let none = read(FALLBACKS, b"").unwrap().fallbacks;
        assert!(none.is_some_and(|names| names.is_empty()), "none at all");
        assert_eq!(read(MAX_COST, b"0.01").unwrap().max_cost, Some(0.01));
        assert_eq!(Wishes::read(&HeaderMap::new()).unwrap(), Wishes::default());
        let many = "a,".repeat(9);
        for (name, value) in [
            (FALLBACKS, many.as_bytes()),
            (FALLBACKS, b"\xff"),
            (MAX_COST, b"0"),
            (MAX_COST, b"-1"),
            (MAX_COST, b"cheap"),
            (MAX_COST, b"inf"),
        ] {
            assert_eq!(
                read(name, value).unwrap_err().code(),
                "invalid_body",
                "{name}"
            );
        }
    }

    #[test]
    fn a_client_cannot_raise_the_limit() {
        let mut plan = Plan::default();
        plan.limits.max_cost = Some(0.5);
        for (wish, limit) in [(1.0, 0.5), (0.1, 0.1)] {
            plan.heed(Wishes {
                max_cost: Some(wish),
                ..Wishes::default()
            });
            assert_eq!(plan.limits.max_cost, Some(limit));
        }
    }
}
