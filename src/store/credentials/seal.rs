//! Sealing: AES-256-GCM under `GATEWAY_ENCRYPTION_KEY`. Several keys may be given, the current one first,
//! so that one can be replaced: all open, the first seals. NIST SP 800-38D: with random nonces one key
//! seals 2³² times.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use sha2::{Digest, Sha256};

use super::super::StoreError;
use crate::{identity::virtual_key, secret::Secret};

/// What is sealed, and under which key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealed {
    /// The key's id.
    pub key: String,
    /// Nonce, ciphertext, tag.
    pub bytes: Vec<u8>,
}

/// The encryption keys.
#[derive(Default)]
pub struct Sealer {
    keys: Vec<(String, LessSafeKey)>,
}

impl Sealer {
    /// The keys in `text`, separated by commas, 64 hexadecimal digits each; none where there is none.
    ///
    /// # Errors
    /// `Invalid` where one is no key. It is not shown.
    pub fn new(text: Option<&Secret>) -> Result<Self, StoreError> {
        let text = text.map(Secret::expose).unwrap_or_default();
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let keys = parts.map(|part| {
            let bytes = virtual_key::parse_hex(part).ok_or_else(|| {
                let why = "takes 32 bytes as 64 hexadecimal digits (`openssl rand -hex 32`), or several \
                           such keys with commas between, the current one first";
                StoreError::invalid("GATEWAY_ENCRYPTION_KEY", why)
            })?;
            let unbound = UnboundKey::new(&AES_256_GCM, &bytes)
                .map_err(|_| StoreError::invalid("GATEWAY_ENCRYPTION_KEY", "cannot be used"))?;
            Ok((id(&bytes), LessSafeKey::new(unbound)))
        });
        Ok(Sealer {
            keys: keys.collect::<Result<_, StoreError>>()?,
        })
    }

    /// The id of the key that seals; empty where there is none.
    pub fn current(&self) -> &str {
        self.keys.first().map_or("", |(id, _)| id)
    }

    /// Seals. `context` is no secret, and must be the same to open.
    ///
    /// # Errors
    /// `Invalid` without a key, `Refused` without random numbers.
    pub fn seal(&self, plain: &[u8], context: &str) -> Result<Sealed, StoreError> {
        let Some((id, key)) = self.keys.first() else {
            let why = "is not set. Make one with `openssl rand -hex 32`, keep it, and set it: provider \
                       keys are stored sealed under it";
            return Err(StoreError::invalid("GATEWAY_ENCRYPTION_KEY", why));
        };
        let refused = |_| StoreError::Refused("sealing failed".to_owned());
        let mut nonce = [0_u8; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(refused)?;
        let mut sealed = plain.to_vec();
        let (unique, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(context));
        key.seal_in_place_append_tag(unique, aad, &mut sealed)
            .map_err(refused)?;
        Ok(Sealed {
            key: id.clone(),
            bytes: [&nonce[..], &sealed].concat(),
        })
    }

    /// Opens what was sealed in the same context.
    ///
    /// # Errors
    /// `Sealed`.
    pub fn open(&self, sealed: &Sealed, context: &str) -> Result<Vec<u8>, StoreError> {
        let key = self.keys.iter().find(|(id, _)| *id == sealed.key);
        let Some((_, key)) = key else {
            let key = sealed.key.clone();
            return Err(StoreError::Sealed { key });
        };
        let broken = || StoreError::Unreadable {
            what: "credential",
            why: "it is not what was sealed".to_owned(),
        };
        let (nonce, rest) = sealed
            .bytes
            .split_at_checked(NONCE_LEN)
            .ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut plain = rest.to_vec();
        let opened = key.open_in_place(nonce, Aad::from(context), &mut plain);
        opened.map(|plain| plain.to_vec()).map_err(|_| broken())
    }
}

/// Says which key it is and nothing of it.
fn id(key: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(b"ai-gateway encryption key ")
        .chain_update(key);
    digest
        .finalize()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(text: &str) -> Sealer {
        Sealer::new(Some(&Secret::new(text))).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_context_alone() {
        let one = sealer(&"ab".repeat(32));
        let sealed = one.seal(b"sk-secret", "a").unwrap();
        assert_eq!(one.open(&sealed, "a").unwrap(), b"sk-secret");
        assert_ne!(one.seal(b"sk-secret", "a").unwrap().bytes, sealed.bytes);
        assert!(one.open(&sealed, "b").is_err());
        for at in 0..sealed.bytes.len() {
            let mut wrong = sealed.clone();
            wrong.bytes[at] ^= 1;
            assert!(one.open(&wrong, "a").is_err(), "{at}");
        }
        let mut short = sealed.clone();
        short.bytes.truncate(5);
        assert!(one.open(&short, "a").is_err());
    }

    #[test]
    fn a_key_is_replaced_by_naming_both() {
        let (old, new) = ("01".repeat(32), "02".repeat(32));
        let sealed = sealer(&old).seal(b"x", "").unwrap();
        let both = sealer(&format!("{new}, {old}"));
        assert_eq!(both.open(&sealed, "").unwrap(), b"x");
        let anew = both.seal(b"x", "").unwrap();
        assert_ne!(anew.key, sealed.key);
        assert!(matches!(
            sealer(&new).open(&sealed, ""),
            Err(StoreError::Sealed { .. })
        ));
        assert_eq!(sealer(&new).open(&anew, "").unwrap(), b"x");
    }

    #[test]
    fn a_wrong_key_is_not_repeated() {
        let error = Sealer::new(Some(&Secret::new("hunter2")))
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("openssl rand -hex 32") && !error.contains("hunter2"),
            "{error}"
        );
        let none = Sealer::new(None).unwrap();
        assert!(
            none.seal(b"x", "")
                .unwrap_err()
                .to_string()
                .contains("GATEWAY_ENCRYPTION_KEY")
        );
    }
}
