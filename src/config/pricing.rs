//! The `pricing` section: the operator's own prices, over those of `conf/pricing.yaml`.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    providers::pricing::{self, OwnPrice, Prices},
    yaml::Problem,
};

/// What models cost, where that is not what `conf/pricing.yaml` says. docs/pricing.md says more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pricing {
    /// A file of prices in the form of `conf/pricing.yaml`. What it says of a model counts, for all others the
    /// embedded prices do. Beside the configuration file, unless the path says otherwise.
    /// `GATEWAY_PRICING_FILE`.
    pub file: Option<PathBuf>,
    /// Prices of single models, by provider (its name here, or its `kind`) and the model's name there, which
    /// may have wildcards: `openai: {gpt-4o: {input: 2, output: 8}}`. They count before those of `file`.
    pub models: IndexMap<String, IndexMap<String, OwnPrice>>,
    /// All prices that hold.
    #[serde(skip)]
    #[schemars(skip)]
    pub prices: Prices,
    /// The file's state before it was read.
    #[serde(skip)]
    #[schemars(skip)]
    pub seen: Option<super::Stamp>,
}

impl Default for Pricing {
    fn default() -> Self {
        Pricing {
            file: None,
            models: IndexMap::new(),
            prices: pricing::embedded().clone(),
            seen: None,
        }
    }
}

impl Pricing {
    /// Reads the file, where there is one. `beside` is the configuration file.
    ///
    /// # Errors
    /// All that is wrong with it, with line and column; or that it cannot be read.
    pub(super) fn read(&mut self, beside: Option<&Path>) -> Result<(), Vec<Problem>> {
        let mut prices = pricing::embedded().clone();
        if let Some(file) = &self.file {
            let folder = beside.and_then(Path::parent);
            let file = folder.map_or_else(|| file.clone(), |folder| folder.join(file));
            self.seen = super::stamp(&file);
            let text = super::load::text(&file, "pricing.file")?;
            prices.merge(Prices::parse(&text, &file.display().to_string())?);
            self.file = Some(file);
        }
        prices.merge(Prices::of_models(&self.models));
        self.prices = prices;
        Ok(())
    }
}
