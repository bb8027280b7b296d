//! What a provider's services cost (`flex`, `batch`, `priority`, `fast`): so many times the usual rates,
//! or rates of their own.

use std::fmt;

use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::written::Written;
use crate::{
    chat::usage::Tier as Service,
    price::{Price, Tariff},
};

/// As they are written, by name.
pub(super) type Services = IndexMap<Service, Special>;

/// What one of them costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Special {
    /// So many times what is usual.
    Times(f64),
    /// This.
    Rates(Box<Written>),
}

impl<'de> Deserialize<'de> for Special {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Special;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number or rates")
    }

    fn visit_f64<E>(self, times: f64) -> Result<Special, E> {
        Ok(Special::Times(times))
    }

    fn visit_u64<E>(self, times: u64) -> Result<Special, E> {
        // Whatever is not exact as a float is refused later.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        Ok(Special::Times(times as f64))
    }

    fn visit_i64<E>(self, times: i64) -> Result<Special, E> {
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        Ok(Special::Times(times as f64))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Special, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Special::Rates(Box::new(written)))
    }
}

/// The tariffs of a model that usually costs `usual`.
///
/// # Errors
/// What is wrong with them.
pub(super) fn read(
    written: &Services,
    usual: &Tariff,
) -> Result<Vec<(Service, Tariff)>, &'static str> {
    let one = |(service, special): (&Service, &Special)| {
        if *service == Service::Standard {
            return Err("`standard` is what the entry itself costs");
        }
        let tariff = match special {
            // No service has been seen to cost more than six times as much.
            Special::Times(times) if (0.0..=100.0).contains(times) => usual
                .times(*times)
                .ok_or("a service costs so much that it is no rate")?,
            Special::Times(_) => return Err("a service costs between 0 and 100 times as much"),
            Special::Rates(rates) => rates.service()?,
        };
        Ok((*service, tariff))
    };
    written.iter().map(one).collect()
}

/// Adds the services of a whole section to a model's own.
///
/// # Errors
/// What is wrong with them.
pub(super) fn add(written: &Services, price: &mut Price) -> Result<(), &'static str> {
    for (service, tariff) in read(written, &price.tariff)? {
        if price.services.iter().all(|(own, _)| *own != service) {
            price.services.push((service, tariff));
        }
    }
    Ok(())
}
