//! From a checked configuration and the catalog to what requests are served by.

mod router;
mod stored;

use http::{HeaderName, HeaderValue, Uri, header};
use pingora::upstreams::peer::ALPN;
use sha2::{Digest, Sha256};
use std::{collections::HashMap, sync::Arc, time::Duration};

pub use stored::merged;

use crate::{
    auth::{KeyRing, table::KeyTable},
    config::{self, Config, HttpVersion},
    dialects::{self, Dialect},
    gateway::{Gateway, Snapshot},
    health::Health,
    identity::Identity,
    limits::Table,
    providers::{
        self, Auth, Entry,
        auth::sigv4::{self, Signer},
        catalog,
        pricing::Prices,
    },
    routing::{Member, Router},
    secret::Secret,
    upstream::{
        credential::{Credential, Keys},
        discovery::Hosts,
        google::{Origin, Tokens},
        provider::{Patience, Provider, Settings},
    },
};

/// What outlives a snapshot, and its parts hold on to.
#[derive(Clone, Copy)]
pub struct Lasting<'a> {
    /// Providers' addresses.
    pub hosts: &'a Hosts,
    /// Google's access tokens.
    pub tokens: &'a Tokens,
    /// How providers are doing.
    pub health: &'a Health,
    /// The store's keys.
    pub keys: &'a Arc<KeyTable>,
}

impl<'a> From<&'a Gateway> for Lasting<'a> {
    fn from(gateway: &'a Gateway) -> Self {
        Lasting {
            hosts: &gateway.hosts,
            tokens: &gateway.tokens,
            health: &gateway.health,
            keys: &gateway.keys,
        }
    }
}

/// Builds what requests are served by.
///
/// # Errors
/// A sentence for the operator for each provider that cannot be built.
pub fn build(mut config: Config, lasting: Lasting<'_>) -> Result<Snapshot, Vec<String>> {
    let mut router = Router::default();
    let mut problems = Vec::new();
    let prices = &config.pricing.prices;
    for (name, settings) in &mut config.providers {
        let mut built = member(name, settings, prices, lasting);
        // What the store adds keeps no provider of the configuration from being used.
        if let (Err(problem), Some(configured)) = (&built, settings.configured.take()) {
            log::warn!("{problem}; what the store adds to it is left out");
            *settings = *configured;
            built = member(name, settings, prices, lasting);
        }
        match built {
            Ok(member) => drop(router.members.insert(name.as_str().into(), member)),
            Err(problem) if settings.is_found => log::warn!("{problem}; it is left out"),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    router::fill(&mut router, &config);
    router.unconfigured = unconfigured(&config);
    Ok(Snapshot {
        keys: keys(&config.auth, lasting.keys),
        limits: Table::of(&config),
        router,
        config,
    })
}

/// The keys that may be used. Without any, or in development, everyone may call: `validate` has
/// made sure that this is on loopback only. A key of the store ends that but for development.
fn keys(auth: &config::Auth, stored: &Arc<KeyTable>) -> KeyRing {
    if auth.dev {
        return KeyRing::always_open(stored.clone());
    }
    if auth.keys.is_empty() && auth.master_key.is_none() {
        return KeyRing::open(stored.clone());
    }
    let mut ring = KeyRing::new(stored.clone());
    for key in &auth.keys {
        let identity = Identity {
            key: Some(key.name.as_str().into()),
            team: key.team.as_deref().map(Into::into),
            user: key.user.as_deref().map(Into::into),
            models: key.models.clone().into(),
            cache: (&key.cache).into(),
            ..Identity::default()
        };
        ring.insert(key.key.expose(), identity);
    }
    if let Some(master) = &auth.master_key {
        let identity = Identity {
            key: Some("master".into()),
            master: true,
            ..Identity::default()
        };
        ring.insert(master.expose(), identity);
    }
    ring
}

fn member(
    name: &str,
    settings: &config::Provider,
    prices: &Prices,
    lasting: Lasting<'_>,
) -> Result<Member, String> {
    let entry = settings.entry(name);
    let mut provider = provider(name, settings, entry, prices, lasting)?;
    for (project, own) in &settings.projects {
        let built = match own.is_closed {
            true => None,
            false => self::provider(name, &of_project(settings, own), entry, prices, lasting)
                .inspect_err(|problem| {
                    log::warn!("{problem}; requests of the project `{project}` are not sent there");
                })
                .ok(),
        };
        match built {
            Some(own) => drop(
                provider
                    .projects
                    .insert(project.as_str().into(), own.into()),
            ),
            None => drop(provider.closed_to.insert(project.as_str().into())),
        }
    }
    let served = settings.served(name);
    Ok(Member {
        models: served.models.to_vec(),
        patterns: served.patterns,
        priority: settings.priority,
        any_model: served.any_model,
        default_model: settings
            .default_model
            .clone()
            .or_else(|| entry?.default_model.clone()),
        provider: Arc::new(provider),
    })
}

/// A provider as a project's requests see it.
fn of_project(settings: &config::Provider, own: &config::ProjectsOwn) -> config::Provider {
    let mut settings = config::Provider {
        projects: Default::default(),
        ..settings.clone()
    };
    if !own.api_keys.is_empty() {
        settings.api_key = None;
        settings.api_keys.clone_from(&own.api_keys);
    }
    for (name, value) in &own.headers {
        stored::put_header(&mut settings.headers, name, value.clone());
    }
    settings
}

fn provider(
    name: &str,
    settings: &config::Provider,
    entry: Option<&'static Entry>,
    prices: &Prices,
    lasting: Lasting<'_>,
) -> Result<Provider, String> {
    let wrong = |what: &str| format!("provider `{name}`: {what}");
    let base_url = settings
        .base_url
        .as_deref()
        .or_else(|| entry?.base_url.as_deref());
    let keys: Vec<Secret> = settings
        .api_key
        .iter()
        .chain(&settings.api_keys)
        .cloned()
        .collect();
    let credential =
        credential(name, settings, entry, &keys, lasting).map_err(|what| wrong(&what))?;
    let setting = |name: &str| {
        setting(settings, entry, name).or_else(|| match (&credential, name) {
            // A service account's file names its own.
            (Credential::Google(source), "project") => source.project().map(str::to_owned),
            _ => None,
        })
    };
    let fill = |template: &str| {
        providers::fill(template, setting).map_err(|missing| wrong(&unset(entry, &missing)))
    };
    let base_url: Uri = fill(base_url.ok_or_else(|| wrong("it has no base_url"))?)?
        .parse()
        .map_err(|_| wrong("its base_url is not a URL"))?;
    let known = entry.into_iter().flat_map(|entry| &entry.paths);
    let paths = known
        .map(|(what, path)| Ok((what.clone(), fill(path)?)))
        .collect::<Result<_, String>>()?;
    let is_tls = base_url.scheme_str() == Some("https");
    let usual = entry.into_iter().flat_map(|entry| &entry.headers);
    let usual = usual.map(|(name, value)| (name, value.as_str()));
    let built = Settings {
        name,
        base_url: &base_url,
        kind: settings.kind.as_deref().unwrap_or(name),
        dialects: spoken(entry).ok_or_else(|| wrong("its dialect is unknown"))?,
        paths,
        quirks: entry.map(|entry| entry.quirks.clone()).unwrap_or_default(),
        credential,
        secrets: &keys,
        headers: headers(
            settings
                .headers
                .iter()
                .map(|(name, value)| (name, value.expose())),
        )
        .map_err(|header| wrong(&format!("its header `{header}` cannot be sent")))?,
        usual_headers: headers(usual)
            .map_err(|header| wrong(&format!("its header `{header}` cannot be sent")))?,
        alpn: match settings.http_version {
            HttpVersion::Auto if is_tls => ALPN::H2H1,
            HttpVersion::Auto | HttpVersion::Http1 => ALPN::H1,
            HttpVersion::Http2 => ALPN::H2,
        },
        ca_file: settings.tls.ca_file.as_deref(),
        server_name: settings.tls.server_name.as_deref(),
        timeouts: patience(settings, entry),
        local: entry.is_some_and(|entry| entry.local),
        lists_models: entry.is_none_or(|entry| entry.lists_models),
        allowed_models: settings.served(name).allowed.to_vec(),
        health: lasting.health.provider(name),
        prices: prices.clone(),
    };
    Provider::new(built, lasting.hosts)
}

/// The dialects of a provider; OpenAI's where the catalog does not know it.
fn spoken(entry: Option<&Entry>) -> Option<Vec<&'static dyn Dialect>> {
    match entry {
        None => Some(vec![&dialects::openai_chat::OpenAiChat]),
        Some(entry) => entry
            .dialects
            .iter()
            .map(|name| dialects::by_name(name))
            .collect(),
    }
}

/// The value of a placeholder: as configured, else the catalog's default. `{model}` is filled in
/// with each request.
fn setting(settings: &config::Provider, entry: Option<&Entry>, name: &str) -> Option<String> {
    if name == "model" {
        return Some("{model}".to_owned());
    }
    let own = settings.settings.get(name);
    let known = || entry?.settings.get(name)?.default.as_ref();
    own.or_else(known).cloned()
}

fn unset(entry: Option<&Entry>, name: &str) -> String {
    let variables = entry
        .and_then(|entry| entry.settings.get(name))
        .map(|setting| setting.env.join(" or "));
    match variables {
        Some(variables) => format!("set `settings.{name}` or {variables}"),
        None => format!("set `settings.{name}`"),
    }
}

/// How it knows whose request it is; a sentence for the operator where that cannot be sent.
fn credential(
    provider: &str,
    settings: &config::Provider,
    entry: Option<&Entry>,
    keys: &[Secret],
    lasting: Lasting<'_>,
) -> Result<Credential, String> {
    let (name, prefix) = match entry.map(|entry| &entry.auth) {
        Some(Auth::Aws) if settings.settings.contains_key("access_key_id") => {
            let session_token = settings
                .headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("x-amz-security-token"));
            let credentials = sigv4::Credentials {
                access_key: setting(settings, entry, "access_key_id").unwrap_or_default(),
                secret_key: keys.first().cloned().ok_or(
                    "it has an access key id and no secret key; set AWS_SECRET_ACCESS_KEY",
                )?,
                session_token: session_token.map(|(_, token)| token.clone()),
                region: setting(settings, entry, "region").unwrap_or_default(),
            };
            return Ok(Credential::Aws(Box::new(Signer::new(credentials)?)));
        }
        Some(Auth::Google) if keys.is_empty() => {
            let origin = match setting(settings, entry, "credentials_file") {
                Some(file) => Origin::File(file.into()),
                None => Origin::Metadata,
            };
            return Ok(Credential::Google(lasting.tokens.get(&origin)?));
        }
        Some(Auth::Header(name)) => {
            let name = HeaderName::try_from(name.as_str());
            (name.map_err(|_| "its key header is no header name")?, "")
        }
        _ => (header::AUTHORIZATION, "Bearer "),
    };
    let values = keys.iter().map(|key| {
        let mut value = HeaderValue::try_from(format!("{prefix}{}", key.expose()))
            .map_err(|_| "its key holds characters that no header can carry")?;
        value.set_sensitive(true);
        let digest = Sha256::digest(key.expose());
        Ok((value, lasting.health.key(provider, &digest)))
    });
    let values = values.collect::<Result<_, String>>()?;
    Ok(Credential::Keys(Keys::new(name, values)))
}

fn headers<'a>(
    pairs: impl Iterator<Item = (&'a String, &'a str)>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    pairs
        .map(|(name, value)| {
            let parsed = (
                HeaderName::try_from(name.as_str()),
                HeaderValue::from_str(value),
            );
            let (Ok(parsed_name), Ok(mut value)) = parsed else {
                return Err(name.clone());
            };
            value.set_sensitive(true);
            Ok((parsed_name, value))
        })
        .collect()
}

fn patience(settings: &config::Provider, entry: Option<&Entry>) -> Patience {
    let timeouts = &settings.timeouts;
    let known = entry
        .and_then(|entry| entry.timeout_seconds)
        .map(Duration::from_secs_f64);
    let total = settings
        .timeout_seconds
        .map(config::Seconds::duration)
        .or(known);
    Patience {
        connect: timeouts.connect_seconds.duration(),
        first_byte: timeouts.first_byte_seconds.duration(),
        idle: timeouts.idle_seconds.duration(),
        total: total.unwrap_or_else(|| timeouts.total_seconds.duration()),
    }
}

/// Providers of the catalog that are not there, and the variable that would bring them.
fn unconfigured(config: &Config) -> HashMap<String, String> {
    catalog()
        .iter()
        .filter(|(name, _)| !config.providers.contains_key(*name))
        .filter_map(|(name, entry)| {
            let variables = match entry.base_url_env.is_empty() {
                true => &entry.key_env,
                false => &entry.base_url_env,
            };
            Some((name.clone(), variables.first()?.clone()))
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::LazyLock;

    pub(super) fn lasting() -> Lasting<'static> {
        type All = (Hosts, Tokens, Health, Arc<KeyTable>);
        static ALL: LazyLock<All> = LazyLock::new(Default::default);
        Lasting {
            hosts: &ALL.0,
            tokens: &ALL.1,
            health: &ALL.2,
            keys: &ALL.3,
        }
    }

    #[test]
    fn a_service_accounts_file_names_vertex_project() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        let key = include_str!("../tests/fixtures/google_test_key.pem");
        let account = serde_json::json!({
            "type": "service_account", "project_id": "of-the-file", "private_key": key,
            "client_email": "a@b.iam.gserviceaccount.com"});
        std::fs::write(&file, account.to_string()).unwrap();
        let mut config = Config::default();
        let file = file.to_string_lossy().into_owned();
        let vertex = config::Provider {
            settings: [("credentials_file".to_owned(), file)]
                .into_iter()
                .collect(),
            ..config::Provider::default()
        };
        config.providers.insert("vertex".into(), vertex);
        let snapshot = build(config, lasting()).unwrap();
        let vertex = &snapshot.router.members["vertex"].provider;
        assert!(vertex.path_prefix.contains("/projects/of-the-file/"));
    }

    #[test]
    fn a_catalog_entry_fills_in_what_the_configuration_leaves_out() {
        let mut config = Config::default();
        let openai = config::Provider {
            api_key: Some(Secret::new("sk-x")),
            ..config::Provider::default()
        };
        config.providers.insert("openai".into(), openai);
        let snapshot = build(config, lasting()).unwrap();
        let member = &snapshot.router.members["openai"];
        assert_eq!(member.provider.host_name(), "api.openai.com");
        assert_eq!(&*member.provider.path_prefix, "/v1");
        let Credential::Keys(keys) = &member.provider.credential else {
            panic!("not a key")
        };
        let (name, value) = keys.get(0).unwrap();
        assert_eq!(
            (name, value.to_str().unwrap()),
            (&header::AUTHORIZATION, "Bearer sk-x")
        );
        assert!(snapshot.router.fallback("gpt-4o", None).is_some());
        assert_eq!(snapshot.router.unconfigured["groq"], "GROQ_API_KEY");
    }
}
