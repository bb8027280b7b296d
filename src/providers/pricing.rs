//! What models cost, by provider and name: the figures of `conf/pricing.yaml`, over which an
//! operator's own may be laid. Asked for every candidate of a `cost` pool, and for every request
//! that was answered.

mod names;
mod services;
mod written;

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::HashMap,
    iter,
    sync::{Arc, OnceLock},
};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::{
    pattern,
    price::Price,
    yaml::{self, Positions, Problem},
};

const FILE: &str = "conf/pricing.yaml";
/// What makes a name a glob.
const WILD: [char; 2] = ['*', '?'];
const SOURCE: &str = include_str!("../../conf/pricing.yaml");

/// The prices of the file that is embedded.
pub fn embedded() -> &'static Prices {
    static PRICES: OnceLock<Prices> = OnceLock::new();
    // A test proves that the embedded file is sound, so nothing is lost by the default.
    PRICES.get_or_init(|| Prices::read(SOURCE, FILE, &Prices::default()).unwrap_or_default())
}

/// The prices of one file, or of several laid over each other. A copy shares them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices {
    /// The file that counts most first.
    layers: Vec<Arc<Layer>>,
    /// How many of them are the operator's own.
    own: usize,
}

/// The prices of one file, by kind.
type Layer = HashMap<String, Section>;

/// The price of a model in the operator's own configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "written::Written", into = "written::Written")]
pub struct OwnPrice(written::Written, Price);

impl TryFrom<written::Written> for OwnPrice {
    type Error = &'static str;

    fn try_from(written: written::Written) -> Result<Self, Self::Error> {
        let price = written.price()?;
        Ok(OwnPrice(written, price))
    }
}

impl From<OwnPrice> for written::Written {
    fn from(own: OwnPrice) -> Self {
        own.0
    }
}

impl JsonSchema for OwnPrice {
    fn schema_name() -> Cow<'static, str> {
        written::Written::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        written::Written::json_schema(generator)
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Section {
    same_as: Option<String>,
    source: Option<String>,
    as_of: Option<String>,
    exact: HashMap<String, Price>,
    /// The longest glob first.
    globs: Vec<Glob>,
}

impl Prices {
    /// Reads a file of prices; messages call it `file_name`. Its sections may be priced as those of
    /// the embedded file.
    ///
    /// # Errors
    /// All that is wrong with it, with line and column.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Vec<Problem>> {
        Prices::read(text, file_name, embedded())
    }

    fn read(text: &str, file_name: &str, base: &Prices) -> Result<Self, Vec<Problem>> {
        let (sections, positions) =
            yaml::read::<IndexMap<String, written::Section>>(file_name, text, &|_| None)?;
        let layer: Layer = sections
            .into_iter()
            .map(|(kind, section)| (kind, section.into()))
            .collect();
        let prices = Prices {
            layers: vec![layer.into()],
            own: 0,
        };
        let problems = prices.dead_ends(base, &positions);
        if problems.is_empty() {
            Ok(prices)
        } else {
            Err(problems)
        }
    }

    /// What is priced as a kind that has no prices of its own, here or in `base`.
    fn dead_ends(&self, base: &Prices, positions: &Positions) -> Vec<Problem> {
        let layers = self.layers.iter().chain(&base.layers);
        let mut names: Vec<&str> = layers
            .flat_map(|layer| layer.keys())
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        let mut problems = Vec::new();
        for (kind, section) in self.layers.iter().flat_map(|layer| layer.iter()) {
            let Some(same_as) = section.same_as.as_deref() else {
                continue;
            };
            let at = format!("{kind}.as");
            match self.sections(same_as).chain(base.sections(same_as)).next() {
                Some(other) if other.same_as.is_none() => {}
                Some(_) => {
                    let message = format!("`{same_as}` is itself priced as another");
                    problems.push(positions.problem(&at, message));
                }
                None => {
                    let message = format!("there are no prices of `{same_as}`");
                    let names = names.iter().copied().filter(|name| name != kind);
                    problems.push(positions.problem(&at, message).suggest(same_as, names));
                }
            }
        }
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }

    /// Prices of single models, by provider and the model's name there.
    pub fn of_models(own: &IndexMap<String, IndexMap<String, OwnPrice>>) -> Self {
        let section = |(kind, models): (&String, &IndexMap<String, OwnPrice>)| {
            let models = models.iter();
            let models = models.map(|(name, own)| (name.clone(), own.1.clone()));
            (kind.clone(), Section::of(models))
        };
        let layer: Layer = own.iter().map(section).collect();
        match layer.is_empty() {
            true => Prices::default(),
            false => Prices {
                layers: vec![layer.into()],
                own: 1,
            },
        }
    }

    /// Lays `over`, the operator's own, over these prices: what it says of a model counts, for all others these
    /// do.
    pub fn merge(&mut self, over: Prices) {
        self.own += over.layers.len();
        self.layers.splice(0..0, over.layers);
    }

    /// The providers or kinds of which the operator's own prices say something.
    pub fn own_names(&self) -> impl Iterator<Item = &str> {
        let own = self.layers.iter().take(self.own);
        own.flat_map(|layer| layer.keys().map(String::as_str))
    }

    /// The price of a model at a provider of that name and kind: the operator's own may stand under either, and
    /// that under the name counts first.
    pub fn at(&self, provider: &str, kind: &str, model: &str) -> Option<&Price> {
        if self.own == 0 || provider == kind {
            return self.price(kind, model);
        }
        let own = || self.layers.iter().take(self.own);
        let named = || own().filter_map(|layer| layer.get(provider));
        let same_as = || {
            let other = named().find_map(|section| section.same_as.as_deref());
            other.into_iter().flat_map(|other| self.sections(other))
        };
        names::forms(model).find_map(|name| {
            let mut named = named().chain(same_as());
            let named = named.find_map(|section| section.find(name));
            named.or_else(|| self.all(kind).find_map(|section| section.find(name)))
        })
    }

    /// The price of a model at a provider: under its own name, else under the longest glob that
    /// matches it, else the same for its name without a version, a date or a vendor.
    pub fn price(&self, kind: &str, model: &str) -> Option<&Price> {
        names::forms(model).find_map(|name| self.all(kind).find_map(|section| section.find(name)))
    }

    /// Where a kind's prices are from, and the day of which they are (or `undated`). `None` where
    /// no file says it.
    pub fn origin(&self, kind: &str) -> Option<(&str, &str)> {
        self.all(kind)
            .find_map(|section| section.source.as_deref().zip(section.as_of.as_deref()))
    }

    /// The sections of a kind, then those of the kind that it is priced as.
    fn all(&self, kind: &str) -> impl Iterator<Item = &Section> {
        let mut same_as = self
            .sections(kind)
            .filter_map(|section| section.same_as.as_deref());
        let others = iter::once_with(move || same_as.next())
            .flatten()
            .flat_map(|other| self.sections(other));
        self.sections(kind).chain(others)
    }

    fn sections(&self, kind: &str) -> impl Iterator<Item = &Section> {
        self.layers.iter().filter_map(move |layer| layer.get(kind))
    }
}

/// A price for all names that match. Most globs end in a name without wildcards, and comparing ends
/// is far cheaper than matching.
#[derive(Debug, Clone, PartialEq)]
struct Glob {
    glob: String,
    /// What a name must end with: the glob behind its last wildcard.
    end: String,
    price: Price,
}

impl Section {
    fn find(&self, name: &str) -> Option<&Price> {
        self.exact.get(name).or_else(|| {
            let mut globs = self.globs.iter();
            let matching =
                globs.find(|by| name.ends_with(&by.end) && pattern::matches(&by.glob, name));
            matching.map(|by| &by.price)
        })
    }
}

impl From<written::Section> for Section {
    fn from(written: written::Section) -> Self {
        Section {
            same_as: written.same_as,
            source: written.source,
            as_of: written.as_of,
            ..Section::of(written.models)
        }
    }
}

impl Section {
    fn of(models: impl IntoIterator<Item = (String, Price)>) -> Self {
        let models = models.into_iter();
        let (globs, exact): (Vec<_>, Vec<_>) = models.partition(|(name, _)| name.contains(WILD));
        let mut globs: Vec<Glob> = globs
            .into_iter()
            .map(|(glob, price)| Glob {
                end: glob.rsplit(WILD).next().unwrap_or_default().to_owned(),
                glob,
                price,
            })
            .collect();
        globs.sort_by_key(|by| Reverse(by.glob.len()));
        Section {
            exact: exact.into_iter().collect(),
            globs,
            ..Section::default()
        }
    }
}

#[cfg(test)]
mod tests;
