//! Who is out there, as data: the catalog of providers that the gateway knows by name, from
//! `conf/providers.yaml`. Configuration starts from it; nothing else names a provider.

pub mod auth;
pub mod demo;
pub mod errors;
pub mod pricing;
mod url;

use std::sync::OnceLock;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{chat::target::Quirks, yaml};

pub use url::with_version;

const SOURCE: &str = include_str!("../../conf/providers.yaml");

/// What the gateway knows about a provider without being told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Entry {
    /// Where its API lives, up to and with `/v1` where it has one. `None` where there is no usual
    /// place, so that a variable or the configuration has to say it.
    pub base_url: Option<String>,
    /// The dialects that it speaks. A caller of one of them is passed through; for any other a request
    /// is translated into the first.
    pub dialects: Vec<String>,
    /// Paths below the base URL where they are not the dialect's own, by the dialect's name or, for
    /// what is only passed through, by OpenAI's name of the route (`embeddings`, `models`). `{model}`
    /// and the `settings` are filled in; `../` leaves the base URL's last segment.
    pub paths: IndexMap<String, String>,
    /// Whether it lists its models when asked, by which checks see that it is there. Those that do not
    /// are not checked.
    pub lists_models: bool,
    /// Placeholders of `base_url` and `paths`, and where their values come from.
    pub settings: IndexMap<String, Setting>,
    /// Where its server differs from others of its dialect.
    pub quirks: Quirks,
    /// How it wants its key.
    pub auth: Auth,
    /// The variables of which one, when set, brings the provider in, where that is neither its key nor
    /// its base URL.
    pub announced_env: Vec<String>,
    /// The variables that hold its key; the first that is set counts.
    pub key_env: Vec<String>,
    /// The variables that say where it is; the first that is set counts.
    pub base_url_env: Vec<String>,
    /// Variables whose values are sent as headers: header → variable.
    pub header_env: IndexMap<String, String>,
    /// The variables that set its `timeout_seconds`.
    pub timeout_env: Vec<String>,
    /// The variables that set its `default_model`.
    pub default_model_env: Vec<String>,
    /// Whether it refuses to answer without a key.
    pub key_required: bool,
    /// Whether it runs on the operator's own machines: `X-Model-Source: local`, no price.
    pub local: bool,
    /// The models that go to it unless a route says otherwise, as globs.
    pub patterns: Vec<String>,
    /// Well-known models of it, for `GET /v1/models`. Others are served too.
    pub models: Vec<String>,
    /// The only models that it may be asked for, as globs. Empty means all.
    pub allowed_models: Vec<String>,
    /// The model of a request that names this provider and no model.
    pub default_model: Option<String>,
    /// Whether it serves whatever was loaded into it, so that any name may be right.
    pub any_model: bool,
    /// Headers to send with every request.
    pub headers: IndexMap<String, String>,
    /// How long a whole request may take, where that differs from the gateway's default.
    pub timeout_seconds: Option<f64>,
}

impl Default for Entry {
    fn default() -> Self {
        Entry {
            base_url: None,
            dialects: vec!["openai_chat".to_owned()],
            paths: IndexMap::new(),
            lists_models: true,
            settings: IndexMap::new(),
            quirks: Quirks::default(),
            announced_env: Vec::new(),
            auth: Auth::Bearer,
            key_env: Vec::new(),
            base_url_env: Vec::new(),
            header_env: IndexMap::new(),
            timeout_env: Vec::new(),
            default_model_env: Vec::new(),
            key_required: true,
            local: false,
            patterns: Vec::new(),
            models: Vec::new(),
            allowed_models: Vec::new(),
            default_model: None,
            any_model: false,
            headers: IndexMap::new(),
            timeout_seconds: None,
        }
    }
}

impl Entry {
    /// The variables of which one, when set, brings the provider in: where it is for a local one,
    /// a key for any other.
    pub fn announced_by(&self) -> &[String] {
        if !self.announced_env.is_empty() {
            &self.announced_env
        } else if self.base_url_env.is_empty() {
            &self.key_env
        } else {
            &self.base_url_env
        }
    }
}

/// A placeholder of a base URL or of paths.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setting {
    /// The variables that hold its value; the first that is set counts.
    pub env: Vec<String>,
    /// Variables of which none may be set for `env` to count.
    pub unless_env: Vec<String>,
    /// Whether it is part of the key, so that the environment's counts only with the environment's key.
    pub of_key: bool,
    /// Its value where nothing says another.
    pub default: Option<String>,
    /// Whether the provider can do without it.
    pub optional: bool,
}

/// Fills `{name}` in from `settings`. `{name-}` is the value with a hyphen behind it, and nothing
/// where it is `global`: Google's host names are made so.
///
/// # Errors
/// The name of a placeholder that has no value.
pub fn fill(template: &str, setting: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, (name, after))) = rest
        .split_once('{')
        .and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        filled.push_str(before);
        let plain = name.strip_suffix('-').unwrap_or(name);
        let value = setting(plain).ok_or_else(|| plain.to_owned())?;
        if plain == name {
            filled.push_str(&value);
        } else if value != "global" {
            filled.push_str(&value);
            filled.push('-');
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// How a provider wants its key: `bearer`, `none`, `aws` (Signature Version 4, or a bearer token where
/// there is no access key id), `google` (a service account's token, or a bearer token), or the name
/// of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// This header, with the key alone.
    Header(String),
    /// AWS Signature Version 4.
    Aws,
    /// Google's OAuth 2 tokens.
    Google,
    /// Not at all.
    None,
}

impl Serialize for Auth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Auth::Bearer => "bearer",
            Auth::Header(name) => name,
            Auth::Aws => "aws",
            Auth::Google => "google",
            Auth::None => "none",
        })
    }
}

impl<'de> Deserialize<'de> for Auth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match name.as_str() {
            "bearer" => Auth::Bearer,
            "aws" => Auth::Aws,
            "google" => Auth::Google,
            "none" => Auth::None,
            _ => Auth::Header(name),
        })
    }
}

/// All known providers by name, in the catalog's order.
pub fn catalog() -> &'static IndexMap<String, Entry> {
    static CATALOG: OnceLock<IndexMap<String, Entry>> = OnceLock::new();
    // A test proves that the embedded file is sound, so nothing is lost by the default.
    CATALOG.get_or_init(|| parse().unwrap_or_default())
}

fn parse() -> Result<IndexMap<String, Entry>, Vec<yaml::Problem>> {
    yaml::read("conf/providers.yaml", SOURCE, &|_| None).map(|(catalog, _)| catalog)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_embedded_catalog_is_sound() {
        let catalog = parse().unwrap();
        assert_eq!(catalog.len(), 23);
        let mut seen = HashSet::new();
        for (name, entry) in &catalog {
            assert!(!entry.dialects.is_empty(), "{name}");
            let settings = entry.settings.values().flat_map(|setting| &setting.env);
            let variables = [&entry.key_env, &entry.base_url_env];
            let variables = variables.into_iter().flatten().chain(settings);
            for variable in variables {
                assert!(seen.insert(variable.clone()), "{variable} stands twice");
            }
            if let Some(base_url) = &entry.base_url {
                let base_url = fill(base_url, |_| Some("x".into())).unwrap();
                assert!(base_url.parse::<http::Uri>().is_ok(), "{name}");
                assert!(!base_url.ends_with('/'), "{name}");
            }
            // Without a variable that brings it in, nobody could use it without a file.
            assert!(!entry.announced_by().is_empty(), "{name}");
            assert!(!entry.key_required || !entry.key_env.is_empty(), "{name}");
        }
        assert_eq!(catalog["openai"].key_env, ["OPENAI_API_KEY"]);
        assert_eq!(
            catalog["gemini"].key_env,
            ["GEMINI_API_KEY", "GOOGLE_API_KEY"]
        );
        assert_eq!(catalog["local"].allowed_models.len(), 10);
    }

    #[test]
    fn placeholders_are_filled_in() {
        let setting = |name: &str| (name == "place").then(|| "global".to_owned());
        let filled = fill("https://{place-}x/{place}/y", setting).unwrap();
        assert_eq!(filled, "https://x/global/y");
        assert_eq!(fill("{other}", setting), Err("other".to_owned()));
        let europe = |_: &str| Some("eu".to_owned());
        assert_eq!(fill("{place-}x", europe).unwrap(), "eu-x");
    }

    #[test]
    fn auth_is_a_word_or_the_name_of_a_header() {
        for (text, auth) in [
            ("bearer", Auth::Bearer),
            ("none", Auth::None),
            ("x-api-key", Auth::Header("x-api-key".into())),
        ] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(serde_json::from_str::<Auth>(&json).unwrap(), auth);
            assert_eq!(serde_json::to_string(&auth).unwrap(), json);
        }
    }
}
