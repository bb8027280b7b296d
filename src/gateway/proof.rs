//! How a process shows that it is the one that has written a token into its data directory: to whoever can
//! read it there, and to nobody else. Commands ask for it before they send the master key anywhere.

use std::sync::OnceLock;

use ring::hmac;

use crate::{identity::virtual_key, secret::Secret};

/// How long a token is.
const LENGTH: usize = 32;

/// What a process can prove.
#[derive(Default)]
pub struct Proof {
    known: OnceLock<Known>,
}

struct Known {
    token: Token,
    /// Where its store is.
    store: String,
}

/// What a process shares with whoever can read its data directory.
#[derive(Debug, Clone)]
pub struct Token(Secret);

impl Token {
    /// A new one; `None` where the system gives no random numbers.
    pub fn new() -> Option<Self> {
        let word = virtual_key::word(LENGTH).ok()?;
        Some(Token(Secret::new(&word)))
    }

    /// The one that was written down.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        (text.len() == LENGTH).then(|| Token(Secret::new(text)))
    }

    /// As it is written down, for nobody but the owner of the data directory.
    pub fn text(&self) -> &str {
        self.0.expose()
    }

    /// What only those can say who have the token: about the challenge, and perhaps about a store.
    pub fn prove(&self, challenge: &str, store: Option<&str>) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose().as_bytes());
        let mut said = hmac::Context::with_key(&key);
        said.update(b"ai-gateway ");
        said.update(challenge.as_bytes());
        if let Some(store) = store {
            said.update(b" with the store ");
            said.update(store.as_bytes());
        }
        let digits = said.sign();
        let digits = digits.as_ref().iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }
}

impl Proof {
    /// What it proves from now on; only the first time counts.
    pub fn keep(&self, token: Token, store: String) {
        let _ = self.known.set(Known { token, store });
    }

    /// That it has the token, and that its store is where it is; `None` where it has none.
    pub fn of(&self, challenge: &str) -> Option<(String, String)> {
        let Known { token, store } = self.known.get()?;
        Some((
            token.prove(challenge, None),
            token.prove(challenge, Some(store)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_token_answers_a_challenge() {
        let token = Token::new().unwrap();
        let known = Token::read(&format!("{}\n", token.text())).unwrap();
        let proof = Proof::default();
        assert!(proof.of("x").is_none());
        proof.keep(token, "here".to_owned());
        let (process, store) = proof.of("x").unwrap();
        assert_eq!(process, known.prove("x", None));
        assert_eq!(store, known.prove("x", Some("here")));
        for other in [
            known.prove("y", None),
            known.prove("x", Some("there")),
            Token::new().unwrap().prove("x", None),
        ] {
            assert!(other != process && other != store);
        }
        assert!(Token::read("short").is_none());
    }
}
