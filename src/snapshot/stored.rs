//! What the store adds to the configuration: providers, keys for them, deployments. Where both say
//! something, the configuration counts: it is what the operator reads. What cannot be used is left out,
//! and said; it keeps nothing else from being used.

use http::{HeaderName, HeaderValue};
use indexmap::IndexMap;

use crate::{
    config::{Config, PoolTarget, Provider},
    providers::{Auth, catalog},
    secret::Secret,
    store::{
        Closed, Opened, Serving,
        credentials::{API_KEY, HEADER},
        models::Model,
    },
};

/// The configuration with what the store adds, and what of that was left out.
pub fn merged(written: &Config, serving: &Serving) -> (Config, Vec<String>) {
    let mut merging = Merging {
        config: written.clone(),
        written,
        problems: Vec::new(),
    };
    for provider in &serving.providers {
        if merging.config.providers.contains_key(&provider.name) {
            let name = &provider.name;
            merging.leave_out(format!(
                "provider `{name}` of the store: the configuration has one too"
            ));
            continue;
        }
        let settings = Provider {
            is_found: true,
            ..provider.settings.clone()
        };
        merging
            .config
            .providers
            .insert(provider.name.clone(), settings);
    }
    for credential in serving.credentials.iter().filter(|one| !one.is_reserved) {
        merging.credential(credential);
    }
    for (project, provider, headers) in &serving.headers {
        let names: Vec<String> = match provider.as_str() {
            "*" => merging.config.providers.keys().cloned().collect(),
            name => vec![name.to_owned()],
        };
        for name in names {
            let Some(provider) = merging.config.providers.get_mut(&name) else {
                continue;
            };
            if written.providers.contains_key(&name) {
                provider.remember_configured();
            }
            let own = provider.projects.entry(project.clone()).or_default();
            for (name, value) in headers {
                put_header(&mut own.headers, name, Secret::new(value));
            }
        }
    }
    for closed in &serving.closed {
        merging.close(closed, &serving.credentials);
    }
    for model in &serving.models {
        merging.deployment(model, serving);
    }
    merging.without_keyless();
    (merging.config, merging.problems)
}

struct Merging<'w> {
    config: Config,
    written: &'w Config,
    problems: Vec<String>,
}

impl Merging<'_> {
    fn leave_out(&mut self, what: String) {
        self.problems.push(what);
    }

    /// The provider of that name; one of the catalog need not be configured.
    fn provider(&mut self, name: &str) -> Option<&mut Provider> {
        if !self.config.providers.contains_key(name) {
            catalog().get(name)?;
            let provider = Provider {
                is_found: true,
                ..Provider::default()
            };
            self.config.providers.insert(name.to_owned(), provider);
        }
        self.config.providers.get_mut(name)
    }

    fn credential(&mut self, credential: &Opened) {
        let (id, name) = (&credential.id, &credential.provider);
        if let Some(what) = unsendable(credential) {
            self.leave_out(format!(
                "credential `{id}` of the store: its {what} cannot be sent to `{name}`"
            ));
            return;
        }
        let is_configured = self.written.providers.contains_key(name);
        let Some(provider) = self.provider(name) else {
            self.leave_out(format!(
                "credential `{id}` of the store: there is no provider `{name}`"
            ));
            return;
        };
        let (key, mut headers) = parts(credential);
        if is_configured {
            provider.remember_configured();
        }
        let (keys, own_headers) = match &credential.project_id {
            None => {
                // The configuration says the last word.
                let configured = provider
                    .configured
                    .iter()
                    .flat_map(|one| one.headers.keys());
                let configured: Vec<&String> = configured.collect();
                headers.retain(|(name, _)| {
                    let is_same = |other: &&String| other.eq_ignore_ascii_case(name);
                    !configured.iter().any(is_same)
                });
                (&mut provider.api_keys, &mut provider.headers)
            }
            Some(project) => {
                let own = provider.projects.entry(project.clone()).or_default();
                (&mut own.api_keys, &mut own.headers)
            }
        };
        for (name, value) in headers {
            put_header(own_headers, &name, value);
        }
        if let Some(key) = key
            && provider.api_key.as_ref() != Some(key)
            && !keys.contains(key)
        {
            keys.push(key.clone());
        }
    }

    /// A project's requests are not sent with everybody's key where its own cannot be used: somebody else
    /// would pay for them.
    fn close(&mut self, closed: &Closed, open: &[Opened]) {
        let Some(project) = closed.project_id.as_ref().filter(|_| !closed.is_reserved) else {
            return;
        };
        let name = &closed.provider;
        let Some(provider) = self.config.providers.get_mut(name) else {
            return;
        };
        let own = provider.projects.entry(project.clone()).or_default();
        // Another one of its own may be of headers alone.
        let is_its =
            |one: &Opened| one.provider == *name && one.project_id.as_ref() == Some(project);
        let has_other = open.iter().any(|one| !one.is_reserved && is_its(one));
        own.is_closed = own.api_keys.is_empty() && !has_other;
        if own.is_closed {
            self.leave_out(format!(
                "the key of the project `{project}` for `{name}` is blocked or does not open, so that \
                 its requests are not sent there"
            ));
        }
    }

    /// A deployment becomes a target of the pool that has its name. One with an address or a key of its
    /// own is asked as a provider that nothing else leads to.
    fn deployment(&mut self, model: &Model, serving: &Serving) {
        let (id, name) = (&model.id, &model.provider);
        if self.provider(name).is_none() {
            self.leave_out(format!(
                "model `{id}` of the store: there is no provider `{name}`"
            ));
            return;
        }
        let credential = match &model.credential_id {
            None => None,
            Some(wanted) => match serving.credentials.iter().find(|one| one.id == *wanted) {
                Some(found) if found.provider == *name && found.project_id.is_none() => Some(found),
                Some(found) => {
                    let why = match &found.project_id {
                        Some(project) => format!("of the project `{project}` alone"),
                        None => format!("for `{}`", found.provider),
                    };
                    self.leave_out(format!(
                        "model `{id}` of the store: its credential `{wanted}` is {why}"
                    ));
                    return;
                }
                None => {
                    self.leave_out(format!(
                        "model `{id}` of the store: its credential `{wanted}` is not there or blocked"
                    ));
                    return;
                }
            },
        };
        let mut provider = name.clone();
        if credential.is_some() || model.settings.base_url.is_some() {
            provider = format!("{name}-{id}").replace('/', "-");
            // It shall be nobody else's, whatever its id.
            while self.config.providers.contains_key(&provider) {
                provider.push('+');
            }
            let of = self.config.providers.get(name).cloned().unwrap_or_default();
            let own = deployed(of, name, model, credential);
            self.config.providers.insert(provider.clone(), own);
        }
        let pool = self.config.pools.entry(model.name.clone());
        pool.or_default().targets.push(PoolTarget {
            provider,
            model: Some(model.model.clone()),
            weight: model.settings.weight.unwrap_or(1),
            priority: model.settings.priority.unwrap_or(0),
            rpm: model.settings.rpm,
            tpm: model.settings.tpm,
        });
    }

    /// A provider whose key the store does not have yet, or no longer, would refuse every request.
    fn without_keyless(&mut self) {
        let problems = &mut self.problems;
        self.config.providers.retain(|name, provider| {
            let entry = provider.entry(name);
            let asks = entry.is_some_and(|entry| entry.key_required && entry.auth != Auth::None);
            let of_projects = provider
                .projects
                .values()
                .any(|own| !own.api_keys.is_empty());
            let is_usable = !provider.is_found || !asks || provider.has_key() || of_projects;
            if !is_usable {
                problems.push(format!("provider `{name}` of the store: it has no key"));
            }
            is_usable
        });
    }
}

/// A credential's key, and its headers.
fn parts(credential: &Opened) -> (Option<&Secret>, Vec<(String, Secret)>) {
    let header = |(name, value): (&String, &Secret)| {
        Some((name.strip_prefix(HEADER)?.to_owned(), value.clone()))
    };
    let headers = credential.secrets.iter().filter_map(header).collect();
    (credential.secrets.get(API_KEY), headers)
}

/// What of a credential no HTTP header can carry.
fn unsendable(credential: &Opened) -> Option<&'static str> {
    let (key, headers) = parts(credential);
    if key.is_some_and(|key| HeaderValue::from_str(key.expose()).is_err()) {
        return Some("key");
    }
    let is_sendable = |(name, value): &(String, Secret)| {
        HeaderName::try_from(name).is_ok() && HeaderValue::from_str(value.expose()).is_ok()
    };
    (!headers.iter().all(is_sendable)).then_some("header")
}

/// Puts a header in place of those of its name, which may be written otherwise.
pub(super) fn put_header(headers: &mut IndexMap<String, Secret>, name: &str, value: Secret) {
    headers.retain(|other, _| !other.eq_ignore_ascii_case(name));
    headers.insert(name.to_owned(), value);
}

/// The provider of one deployment.
fn deployed(of: Provider, name: &str, model: &Model, credential: Option<&Opened>) -> Provider {
    let mut own = Provider {
        kind: Some(of.kind.clone().unwrap_or_else(|| name.to_owned())),
        allowed_models: vec![model.model.clone()],
        models: Vec::new(),
        default_model: None,
        projects: Default::default(),
        is_found: true,
        is_deployment: true,
        configured: None,
        ..of
    };
    // Without a catalog entry a provider goes by its base URL alone.
    if own.entry(name).is_none() {
        own.kind = None;
    }
    if let Some(base_url) = &model.settings.base_url {
        own.base_url = Some(base_url.clone());
        // A provider's keys go to no address but its own.
        own.api_key = None;
        own.api_keys = Vec::new();
        own.headers = Default::default();
    }
    if let Some(credential) = credential {
        let (key, headers) = parts(credential);
        own.api_key = key.cloned();
        own.api_keys = Vec::new();
        for (name, value) in headers {
            put_header(&mut own.headers, &name, value);
        }
    }
    own
}

#[cfg(test)]
mod tests;
