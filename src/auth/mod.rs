//! From a client's key to who it is. Keys live in memory as SHA-256; nothing here waits.

mod permit;
mod sent;
pub mod table;

use std::{collections::HashMap, sync::Arc};

use http::HeaderMap;
use subtle::ConstantTimeEq;

use crate::{
    error::{Fault, GatewayError, KeyFault},
    identity::{
        Identity,
        virtual_key::{self, Form, Hash},
    },
};
pub use permit::{may_use, permit, permit_route};
pub use sent::{WEBSOCKET_KEY_PROTOCOL, client_key, query_value};
use table::{Found, KeyTable};

/// Every key that may be used: those of the configuration, which a reload replaces with the ring, and
/// those of the store, which outlive it.
#[derive(Default)]
pub struct KeyRing {
    /// By the hash's first eight bytes; the rest is compared in constant time.
    keys: HashMap<[u8; 8], (Hash, Arc<Identity>)>,
    stored: Arc<KeyTable>,
    open: Open,
}

/// Whether one is let in without a key.
#[derive(Default)]
enum Open {
    /// Nobody is.
    #[default]
    Never,
    /// Everybody is, while the store has no key.
    WithoutKeys(Arc<Identity>),
    /// Everybody is.
    Always(Arc<Identity>),
}

impl KeyRing {
    /// A ring of the store's keys, to which those of the configuration are added.
    pub fn new(stored: Arc<KeyTable>) -> Self {
        KeyRing {
            stored,
            ..KeyRing::default()
        }
    }

    /// A ring that lets everyone in, for loopback: as long as the store has no key.
    pub fn open(stored: Arc<KeyTable>) -> Self {
        KeyRing {
            open: Open::WithoutKeys(Arc::default()),
            ..KeyRing::new(stored)
        }
    }

    /// A ring that lets everyone in, for development.
    pub fn always_open(stored: Arc<KeyTable>) -> Self {
        KeyRing {
            open: Open::Always(Arc::default()),
            ..KeyRing::new(stored)
        }
    }

    /// Adds a key.
    pub fn insert(&mut self, key: &str, identity: Identity) {
        let hash = virtual_key::hash(key);
        self.keys.insert(prefix(&hash), (hash, Arc::new(identity)));
    }

    /// Whether one is let in without a key.
    pub fn is_open(&self) -> bool {
        self.everyone().is_some()
    }

    /// Whose key this is.
    ///
    /// # Errors
    /// `InvalidKey`, and `Starting` while it may be one that has not been read yet.
    pub fn find(&self, key: &str) -> Result<Arc<Identity>, GatewayError> {
        let hash = virtual_key::hash(key);
        if let Some((known, identity)) = self.keys.get(&prefix(&hash))
            && bool::from(known.ct_eq(&hash))
        {
            return Ok(identity.clone());
        }
        match self.stored.find(&hash) {
            Found::Usable(identity) => Ok(identity),
            Found::Refused(fault, identity) => Err(GatewayError::InvalidKey(KeyFault {
                fault,
                key: identity.key.clone(),
            })),
            Found::Nothing if !self.stored.is_loaded() => Err(GatewayError::Starting),
            Found::Nothing => Err(GatewayError::InvalidKey(KeyFault {
                fault: unknown(key),
                key: None,
            })),
        }
    }

    /// Who sent a request.
    ///
    /// # Errors
    /// `MissingKey`, and those of [`KeyRing::find`]: nobody is let in without a key before it is known
    /// that there is none.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Arc<Identity>, GatewayError> {
        if let Some(everyone) = self.everyone() {
            return Ok(everyone.clone());
        }
        if matches!(self.open, Open::WithoutKeys(_)) && !self.stored.is_loaded() {
            return Err(GatewayError::Starting);
        }
        let key = client_key(headers, query).ok_or(GatewayError::MissingKey)?;
        self.find(&key)
    }

    fn everyone(&self) -> Option<&Arc<Identity>> {
        match &self.open {
            Open::Always(everyone) => Some(everyone),
            Open::WithoutKeys(everyone) if self.stored.is_known_empty() => Some(everyone),
            Open::WithoutKeys(_) | Open::Never => None,
        }
    }
}

fn unknown(key: &str) -> Fault {
    match virtual_key::form(key) {
        Form::Ours => Fault::Gone,
        Form::Mistyped => Fault::Mistyped,
        Form::Foreign => Fault::Unknown,
    }
}

fn prefix(hash: &Hash) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a comparison takes that ends at the first difference tells where that is. What a clock on a busy
    /// machine cannot tell the source does: nothing that comes from a key is compared by `==`.
    #[test]
    fn what_comes_from_a_key_is_compared_in_constant_time_alone() {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![source.clone()];
        let (mut constant, mut lines) = (Vec::new(), 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.ends_with("tests.rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(&source).unwrap().display().to_string();
                let of_keys = name.starts_with("auth");
                for line in text.split("#[cfg(test)]").next().unwrap().lines() {
                    lines += 1;
                    if line.contains(".ct_eq(") {
                        constant.push(name.clone());
                    }
                    let compares = ["==", "!=", ".eq(", ".cmp(", "starts_with(", "contains("];
                    let material = ["hash", "rest", "expose()", "master_key"];
                    let is_of_key = |word: &str| {
                        line.contains(word) && (of_keys || !matches!(word, "hash" | "rest"))
                    };
                    let is_comment = line.trim_start().starts_with("//");
                    let is_bad = compares.iter().any(|word| line.contains(word))
                        && material.iter().any(|word| is_of_key(word))
                        // Whether a value refers to the environment is no comparison with a key.
                        && !line.contains("os.environ/");
                    assert!(is_comment || !is_bad, "{name}: {line}");
                }
            }
        }
        constant.sort();
        assert_eq!(constant, ["auth/mod.rs", "auth/table/mod.rs"]);
        assert!(lines > 10_000);
    }

    #[test]
    fn only_known_keys_pass() {
        let mut ring = KeyRing::new(Arc::new(KeyTable::loaded()));
        let identity = Identity {
            key: Some("one".into()),
            ..Identity::default()
        };
        ring.insert("k1", identity);
        assert_eq!(ring.find("k1").unwrap().key.as_deref(), Some("one"));
        assert!(matches!(ring.find("k2"), Err(GatewayError::InvalidKey(_))));
        let missing = ring.authenticate(&HeaderMap::new(), None).unwrap_err();
        assert!(matches!(missing, GatewayError::MissingKey));
        let open = KeyRing::open(Arc::new(KeyTable::loaded()));
        assert!(open.authenticate(&HeaderMap::new(), None).is_ok());
    }

    #[test]
    fn until_the_stores_keys_are_read_an_unknown_key_is_not_refused_for_good() {
        let mut ring = KeyRing::new(Arc::default());
        ring.insert("k1", Identity::default());
        assert!(ring.find("k1").is_ok());
        assert!(matches!(ring.find("k2"), Err(GatewayError::Starting)));
        let open = KeyRing::open(Arc::default());
        let early = open.authenticate(&HeaderMap::new(), None);
        assert!(matches!(early, Err(GatewayError::Starting)));
    }
}
