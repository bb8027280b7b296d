//! From a client's key to who it is. Keys live in memory as SHA-256; nothing here waits.

use std::{collections::HashMap, sync::Arc};

use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{error::GatewayError, identity::Identity, pattern};

/// Browsers cannot set headers on a WebSocket; OpenAI's SDK sends the key as a subprotocol.
pub const WEBSOCKET_KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// Every key that may be used.
#[derive(Default)]
pub struct KeyRing {
    /// By the hash's first eight bytes; the rest is compared in constant time.
    keys: HashMap<[u8; 8], (Hash, Arc<Identity>)>,
    open: Option<Arc<Identity>>,
}

type Hash = [u8; 32];

impl KeyRing {
    /// A ring that lets everyone in, for loopback and development.
    pub fn open() -> Self {
        KeyRing {
            open: Some(Arc::default()),
            ..KeyRing::default()
        }
    }

    /// Adds a key.
    pub fn insert(&mut self, key: &str, identity: Identity) {
        let hash = hash(key);
        self.keys.insert(prefix(&hash), (hash, Arc::new(identity)));
    }

    /// Whose key this is.
    pub fn find(&self, key: &str) -> Option<Arc<Identity>> {
        let hash = hash(key);
        let (known, identity) = self.keys.get(&prefix(&hash))?;
        bool::from(known.ct_eq(&hash)).then(|| identity.clone())
    }

    /// Who sent a request.
    ///
    /// # Errors
    /// `MissingKey` and `InvalidKey`.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Arc<Identity>, GatewayError> {
        if let Some(everyone) = &self.open {
            return Ok(everyone.clone());
        }
        let key = client_key(headers, query).ok_or(GatewayError::MissingKey)?;
        self.find(&key).ok_or(GatewayError::InvalidKey)
    }
}

/// Whether the caller may use a model.
pub fn may_use(identity: &Identity, model: &str) -> bool {
    let allowed = &identity.models;
    allowed.is_empty() || allowed.iter().any(|glob| pattern::matches(glob, model))
}

/// Checks that the caller may use the model that it asks for.
///
/// # Errors
/// `ModelForbidden`.
pub fn permit(identity: &Identity, model: &str) -> Result<(), GatewayError> {
    if may_use(identity, model) {
        return Ok(());
    }
    Err(GatewayError::ModelForbidden {
        model: model.to_owned(),
        key: identity.key.as_deref().unwrap_or_default().to_owned(),
        allowed: identity.models.join(", "),
    })
}

/// The key that a client sent, wherever its SDK puts it.
pub fn client_key(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(bearer);
    let named = || {
        ["x-api-key", "api-key", "x-goog-api-key"]
            .into_iter()
            .find_map(text)
    };
    let in_protocol = || {
        text(header::SEC_WEBSOCKET_PROTOCOL.as_str())?
            .split(',')
            .find_map(|protocol| protocol.trim().strip_prefix(WEBSOCKET_KEY_PROTOCOL))
    };
    let in_header = bearer
        .or_else(named)
        .or_else(in_protocol)
        .map(|key| key.trim().to_owned());
    let in_query = || query_value(query?, "key");
    in_header.or_else(in_query).filter(|key| !key.is_empty())
}

/// The value of a query parameter, percent-decoded.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find_map(|(key, value)| (key == name).then_some(value))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key)
}

fn hash(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}

fn prefix(hash: &Hash) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn every_sdks_way_to_send_a_key_is_understood() {
        for (name, value) in [
            ("authorization", "Bearer k"),
            ("authorization", "bearer  k"),
            ("x-api-key", "k"),
            ("api-key", "k"),
            ("x-goog-api-key", "k"),
            (
                "sec-websocket-protocol",
                "realtime, openai-insecure-api-key.k",
            ),
        ] {
            assert_eq!(
                client_key(&headers(name, value), None).as_deref(),
                Some("k"),
                "{name}"
            );
        }
        let none = HeaderMap::new();
        assert_eq!(client_key(&none, Some("a=b&key=k")).as_deref(), Some("k"));
        assert_eq!(client_key(&none, Some("monkey=k")), None);
    }

    #[test]
    fn only_known_keys_pass() {
        let mut ring = KeyRing::default();
        ring.insert(
            "k1",
            Identity {
                key: Some("one".into()),
                ..Identity::default()
            },
        );
        assert_eq!(ring.find("k1").unwrap().key.as_deref(), Some("one"));
        assert!(ring.find("k2").is_none());
        let missing = ring.authenticate(&HeaderMap::new(), None).unwrap_err();
        assert!(matches!(missing, GatewayError::MissingKey));
        assert!(
            KeyRing::open()
                .authenticate(&HeaderMap::new(), None)
                .is_ok()
        );
    }
}
