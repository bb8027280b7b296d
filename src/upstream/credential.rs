//! How a provider knows whose request it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Instant, SystemTime},
};

use http::{HeaderName, HeaderValue, header};
use smallvec::{SmallVec, smallvec};

use super::google::TokenSource;
use crate::{
    health::keys::KeyHealth,
    providers::auth::sigv4::{Signable, Signer},
};

/// What is sent with a request.
pub type AuthHeaders = SmallVec<[(HeaderName, HeaderValue); 4]>;

/// How a provider knows whose request it is.
pub enum Credential {
    /// One of these keys in a header, in turn; none where it asks for none.
    Keys(Keys),
    /// AWS Signature Version 4.
    Aws(Box<Signer>),
    /// Google's OAuth 2.
    Google(Arc<TokenSource>),
}

/// Keys that are used in turn.
pub struct Keys {
    header: HeaderName,
    values: Vec<(HeaderValue, Arc<KeyHealth>)>,
    next: AtomicUsize,
}

impl Keys {
    /// These values of `header`, and how each is doing.
    pub fn new(header: HeaderName, values: Vec<(HeaderValue, Arc<KeyHealth>)>) -> Self {
        Keys {
            header,
            values,
            next: AtomicUsize::new(0),
        }
    }

    /// The place of the next key that is not benched; the next one of all where all are.
    fn next(&self, now: Instant) -> usize {
        let count = self.values.len();
        if count < 2 {
            return 0;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % count;
        let mut places = (turn..count).chain(0..turn);
        places.find(|at| self.is_free(*at, now)).unwrap_or(turn)
    }

    fn is_free(&self, at: usize, now: Instant) -> bool {
        let key = self.values.get(at);
        key.is_some_and(|(_, health)| health.benched_until(now).is_none())
    }

    /// The header, with the key of that place.
    pub fn get(&self, at: usize) -> Option<(&HeaderName, &HeaderValue)> {
        self.values.get(at).map(|(key, _)| (&self.header, key))
    }
}

impl Credential {
    /// Which of several keys an attempt is to use.
    pub fn pick(&self, now: Instant) -> usize {
        match self {
            Credential::Keys(keys) => keys.next(now),
            Credential::Aws(_) | Credential::Google(_) => 0,
        }
    }

    /// The key of that place; keys that are benched come back, so there may be others meanwhile.
    pub fn key_health(&self, at: usize) -> Option<&KeyHealth> {
        match self {
            Credential::Keys(keys) => keys.values.get(at).map(|(_, health)| &**health),
            Credential::Aws(_) | Credential::Google(_) => None,
        }
    }

    /// How many keys there are.
    pub fn key_count(&self) -> usize {
        match self {
            Credential::Keys(keys) => keys.values.len(),
            Credential::Aws(_) | Credential::Google(_) => 0,
        }
    }

    /// Whether a key besides that one can be used.
    pub fn has_other(&self, but: usize, now: Instant) -> bool {
        match self {
            Credential::Keys(keys) => {
                (0..keys.values.len()).any(|at| at != but && keys.is_free(at, now))
            }
            Credential::Aws(_) | Credential::Google(_) => false,
        }
    }

    /// The headers for `request`, which is complete but for them, with the key of that place.
    pub fn headers(&self, request: &Signable<'_>, key: usize) -> AuthHeaders {
        match self {
            Credential::Keys(keys) => keys
                .get(key)
                .map(|(name, value)| (name.clone(), value.clone()))
                .into_iter()
                .collect(),
            Credential::Aws(signer) => signer.sign(request, SystemTime::now()).into(),
            Credential::Google(source) => {
                let mut headers: AuthHeaders = smallvec![];
                if let Some(token) = source.token() {
                    headers.push((header::AUTHORIZATION, token));
                }
                if let Some(project) = source.quota_project() {
                    let name = HeaderName::from_static("x-goog-user-project");
                    headers.push((name, project.clone()));
                }
                headers
            }
        }
    }

    /// The token in use, where it is one that comes and goes.
    pub fn token(&self) -> Option<HeaderValue> {
        match self {
            Credential::Google(source) => source.token(),
            Credential::Keys(_) | Credential::Aws(_) => None,
        }
    }

    /// Whether not all of its keys are benched.
    pub fn has_free_key(&self, now: Instant) -> bool {
        match self {
            Credential::Google(_) | Credential::Aws(_) => true,
            Credential::Keys(keys) => {
                let count = keys.values.len();
                count == 0 || (0..count).any(|at| keys.is_free(at, now))
            }
        }
    }

    /// Whether there is a token where one is needed.
    pub fn has_token(&self) -> bool {
        match self {
            Credential::Google(source) => source.token().is_some(),
            Credential::Keys(_) | Credential::Aws(_) => true,
        }
    }
}
