//! A configured provider, ready to be called: everything that a request needs is worked out once,
//! when the configuration is read.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use http::{HeaderName, HeaderValue};
use memchr::memmem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pingora::{
    protocols::tls::CaType,
    upstreams::peer::{ALPN, HttpPeer},
    utils::tls::{WrappedX509, parse_x509},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{
    credential::Credential,
    discovery::{Host, Hosts},
};
use crate::{
    chat::target::Quirks, dialects::Dialect, error::AnswerError, health::ProviderHealth, pattern,
    price::Price, providers::pricing::Prices, secret::Secret,
};

/// Streams on one HTTP/2 connection to a provider, at most.
const MAX_H2_STREAMS: usize = 100;
/// HTTP/2 flow-control windows: as large as an answer is likely to be, so that a provider never
/// waits for ours.
const H2_WINDOW_BYTES: u32 = 4 << 20;
/// How long an idle connection is kept. Providers close theirs after one to ten minutes.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// A shorter secret is not looked for in answers: that would take pieces out of ordinary words.
const MIN_SECRET_BYTES: usize = 8;

/// What one segment of a path must escape (RFC 3986's unreserved characters need not).
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What a provider is built from.
pub struct Settings<'a> {
    /// Its configured name.
    pub name: &'a str,
    /// `http` or `https`, host, port and path prefix (`/v1`).
    pub base_url: &'a http::Uri,
    /// The catalog entry that it comes from, or its own name.
    pub kind: &'a str,
    /// The dialects that it speaks, the one to translate into first.
    pub dialects: Vec<&'static dyn Dialect>,
    /// Paths that are not the dialects' own; see `providers::Entry::paths`.
    pub paths: HashMap<String, String>,
    /// Where its server differs from others.
    pub quirks: Quirks,
    /// How it knows whose request it is.
    pub credential: Credential,
    /// What must not be seen in anything that it says.
    pub secrets: &'a [Secret],
    /// Whether it lists its models when asked.
    pub lists_models: bool,
    /// Globs of the only models that it may be asked for; empty means all.
    pub allowed_models: Vec<String>,
    /// Headers to send with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers to send where the client sends none of the name.
    pub usual_headers: Vec<(HeaderName, HeaderValue)>,
    /// The HTTP versions to offer.
    pub alpn: ALPN,
    /// Certificate authorities instead of the system's.
    pub ca_file: Option<&'a Path>,
    /// The name on its certificate, where it is not the host.
    pub server_name: Option<&'a str>,
    /// How long to wait for it.
    pub timeouts: Patience,
    /// Whether it runs beside the gateway (`X-Model-Source: local`).
    pub local: bool,
    /// How it is doing.
    pub health: Arc<ProviderHealth>,
    /// What models cost.
    pub prices: Prices,
}

/// How long to wait for a provider.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the fields are those of `config::Timeouts`")]
pub struct Patience {
    pub connect: Duration,
    pub first_byte: Duration,
    pub idle: Duration,
    pub total: Duration,
}

/// A provider, ready to be called.
pub struct Provider {
    /// Its configured name.
    pub name: Arc<str>,
    /// The same, for `X-Provider`.
    pub name_header: HeaderValue,
    /// The catalog entry that it comes from, or its own name.
    pub kind: Box<str>,
    /// Where its server differs from others.
    pub quirks: Quirks,
    dialects: Vec<&'static dyn Dialect>,
    paths: HashMap<String, String>,
    /// What the `Host` header says.
    pub host_header: HeaderValue,
    /// What comes before an endpoint's path: `/v1` of `https://api.openai.com/v1`.
    pub path_prefix: Box<str>,
    /// Globs of the only models that it may be asked for; empty means all.
    pub allowed_models: Vec<String>,
    /// Where it lists its models; `None` where it does not.
    pub models_path: Option<String>,
    /// Headers to send with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers to send where the client sends none of the name.
    pub usual_headers: Vec<(HeaderName, HeaderValue)>,
    /// How long to wait for it.
    pub timeouts: Patience,
    /// Whether it runs beside the gateway.
    pub local: bool,
    /// How it knows whose request it is.
    pub credential: Credential,
    /// How it is doing.
    pub health: Arc<ProviderHealth>,
    /// It with the keys and headers of single projects.
    pub projects: HashMap<Box<str>, Arc<Provider>>,
    /// Projects whose own key cannot be used: their requests are not sent with another's.
    pub closed_to: HashSet<Box<str>>,
    host: Arc<Host>,
    peer: HttpPeer,
    websocket_peer: HttpPeer,
    /// What must not be seen in anything that it says.
    secrets: Vec<Box<[u8]>>,
    prices: Prices,
}

impl Provider {
    /// Works a provider out.
    ///
    /// # Errors
    /// A sentence for the operator where its URL, a key or its CA file cannot be used.
    pub fn new(settings: Settings<'_>, hosts: &Hosts) -> Result<Self, String> {
        let url = settings.base_url;
        let wrong = |what: &str| format!("provider `{}`: {what}", settings.name);
        let is_tls = url.scheme_str() == Some("https");
        let host = url
            .host()
            .ok_or_else(|| wrong("its base_url has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let authority = url.authority().map_or(host, |authority| authority.as_str());
        let server_name = settings.server_name.unwrap_or(host);
        let peer = peer(&settings, is_tls, server_name).map_err(|error| wrong(&error))?;
        // A WebSocket needs HTTP/1.1, and a connection of its own.
        let mut websocket_peer = peer.clone();
        websocket_peer.options.alpn = ALPN::H1;
        websocket_peer.group_key = peer.group_key.wrapping_add(1);
        let own = settings.secrets.iter().map(|key| key.expose().as_bytes());
        let sent = settings.headers.iter().map(|(_, value)| value.as_bytes());
        let secrets = own
            .chain(sent)
            .filter(|secret| secret.len() >= MIN_SECRET_BYTES)
            .map(Into::into)
            .collect();
        let lists_models = settings.lists_models;
        let mut provider = Provider {
            secrets,
            models_path: None,
            projects: HashMap::new(),
            closed_to: HashSet::new(),
            allowed_models: settings.allowed_models,
            name: settings.name.into(),
            name_header: header_value(settings.name),
            kind: settings.kind.into(),
            quirks: settings.quirks,
            dialects: settings.dialects,
            paths: settings.paths,
            host_header: header_value(authority),
            path_prefix: url.path().trim_end_matches('/').into(),
            timeouts: settings.timeouts,
            local: settings.local,
            health: settings.health,
            prices: settings.prices,
            host: hosts.get(host, port),
            websocket_peer,
            peer,
            credential: settings.credential,
            headers: settings.headers,
            usual_headers: settings.usual_headers,
        };
        provider.models_path = lists_models.then(|| provider.path("models", "/models", ""));
        Ok(provider)
    }

    /// What a model costs there. `None` where it is not known, which is not the same as free.
    pub fn price(&self, model: &str) -> Option<&Price> {
        self.prices.at(&self.name, &self.kind, model)
    }

    /// Whether it may be asked for that model.
    pub fn allows(&self, model: &str) -> bool {
        let mut globs = self.allowed_models.iter();
        self.allowed_models.is_empty() || globs.any(|glob| pattern::matches(glob, model))
    }

    /// Where to connect, for one attempt; `None` while its name has no address.
    pub fn peer(&self, websocket: bool) -> Option<Box<HttpPeer>> {
        let address = self.host.next_address()?;
        let template = if websocket {
            &self.websocket_peer
        } else {
            &self.peer
        };
        let mut peer = Box::new(template.clone());
        peer._address = address.into();
        Some(peer)
    }

    /// It with the keys and headers of a project, where that has some of its own.
    pub fn of_project(&self, project: Option<&str>) -> Option<&Arc<Provider>> {
        match self.projects.is_empty() {
            true => None,
            false => self.projects.get(project?),
        }
    }

    /// Whether requests of that project are not sent there.
    pub fn is_closed_to(&self, project: Option<&str>) -> bool {
        !self.closed_to.is_empty()
            && project.is_some_and(|project| self.closed_to.contains(project))
    }

    /// `text` with `***` for every secret of ours that it repeats.
    pub fn without_secrets<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut clean = Cow::Borrowed(text);
        let token = self.credential.token();
        let token = token.as_ref().map(|token| token.as_bytes());
        let token = token.map(|token| token.strip_prefix(b"Bearer ").unwrap_or(token));
        let known = self.secrets.iter().map(|secret| &**secret);
        for secret in known.chain(token.filter(|token| token.len() >= MIN_SECRET_BYTES)) {
            while let Some(at) = memmem::find(&clean, secret) {
                let end = at + secret.len();
                let (before, after) = (clean.get(..at), clean.get(end..));
                let parts = [
                    before.unwrap_or_default(),
                    b"***",
                    after.unwrap_or_default(),
                ];
                clean = Cow::Owned(parts.concat());
            }
        }
        clean
    }

    /// `error` with `***` for every secret of ours that it repeats.
    pub fn clean(&self, mut error: AnswerError) -> AnswerError {
        for text in error.words.iter_mut().chain([&mut error.message]) {
            if let Cow::Owned(clean) = self.without_secrets(text.as_bytes()) {
                *text = String::from_utf8_lossy(&clean).into_owned();
            }
        }
        let object = error.error.as_ref().map(serde_json::to_vec);
        if let Some(Ok(object)) = object
            && let Cow::Owned(clean) = self.without_secrets(&object)
        {
            error.error = serde_json::from_slice(&clean).ok();
        }
        error
    }

    /// Whether it counts the tokens of a prompt of `caller`'s dialect itself. Where its paths are its own,
    /// that of answers is all that is known.
    pub fn counts_for(&self, caller: &str) -> bool {
        let dialect = self.dialect_for(caller);
        dialect.is_some_and(|dialect| dialect.counts() && !self.paths.contains_key(dialect.name()))
    }

    /// The dialect in which it is spoken to on behalf of a caller of `caller`: that same one where it
    /// knows it, so that nothing needs translating.
    pub fn dialect_for(&self, caller: &str) -> Option<&'static dyn Dialect> {
        let same = self.dialects.iter().find(|own| own.name() == caller);
        same.or_else(|| self.dialects.first()).copied()
    }

    /// Whether it speaks that dialect.
    pub fn speaks(&self, dialect: &str) -> bool {
        self.dialects.iter().any(|own| own.name() == dialect)
    }

    /// The path at its host for `what` (a dialect's name, or OpenAI's name of a route), `usual` being
    /// that of most providers.
    pub fn path(&self, what: &str, usual: &str, model: &str) -> String {
        let below = match self.paths.get(what) {
            Some(own) => {
                let model = utf8_percent_encode(model, PATH_SEGMENT).to_string();
                Cow::Owned(own.replace("{model}", &model))
            }
            None => Cow::Borrowed(usual),
        };
        match below.strip_prefix("../") {
            Some(beside) => {
                let (parent, _) = self.path_prefix.rsplit_once('/').unwrap_or_default();
                format!("{parent}/{beside}")
            }
            None => format!("{}{below}", self.path_prefix),
        }
    }

    /// Whether OpenAI's route of that name exists there.
    pub fn has_route(&self, what: &str) -> bool {
        self.speaks("openai_chat") || self.paths.contains_key(what)
    }

    /// Whether an address of it is known.
    pub fn has_address(&self) -> bool {
        self.host.is_known()
    }

    /// The host's name, for messages.
    pub fn host_name(&self) -> &str {
        self.host.name()
    }
}

/// A header value of text that may hold anything.
pub fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("?"))
}

fn peer(settings: &Settings<'_>, is_tls: bool, server_name: &str) -> Result<HttpPeer, String> {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut peer = HttpPeer::new(nowhere, is_tls, server_name.to_owned());
    let options = &mut peer.options;
    options.alpn = settings.alpn.clone();
    options.connection_timeout = Some(settings.timeouts.connect);
    options.total_connection_timeout = Some(settings.timeouts.connect);
    options.idle_timeout = Some(POOL_IDLE);
    // No read or write timeout of Pingora's: `proxy::watchdog` bounds every wait for a provider, can
    // tell the first byte from the next ones, and sets no timer for each piece of a stream.
    options.max_h2_streams = MAX_H2_STREAMS;
    options.h2_stream_window_size = Some(H2_WINDOW_BYTES);
    options.h2_connection_window_size = Some(H2_WINDOW_BYTES);
    if let Some(file) = settings.ca_file {
        options.ca = Some(authorities(file)?);
    }
    // Connections are shared by whoever trusts the same authorities and speaks the same version,
    // which Pingora's own key does not hold.
    let mut hasher = DefaultHasher::new();
    (settings.ca_file, format!("{:?}", settings.alpn)).hash(&mut hasher);
    peer.group_key = hasher.finish() & !1;
    Ok(peer)
}

fn authorities(file: &Path) -> Result<Arc<CaType>, String> {
    let wrong = |what: String| format!("its ca_file {}: {what}", file.display());
    let mut authorities = Vec::new();
    for certificate in
        CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        // Checked here, for Pingora's own parser takes it for granted.
        x509_parser::parse_x509_certificate(&certificate)
            .map_err(|error| wrong(error.to_string()))?;
        authorities.push(WrappedX509::new(certificate.to_vec(), parse_x509));
    }
    if authorities.is_empty() {
        return Err(wrong("it holds no certificate".into()));
    }
    Ok(authorities.into_boxed_slice().into())
}
