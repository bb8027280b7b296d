//! The text of a virtual key: `gw_`, 30 random characters, and a checksum by which a key that was
//! mistyped is told from one that never was. The scheme is that of GitHub's tokens ("Behind GitHub's new
//! authentication token formats", 2021): base62, and CRC-32 of the random part in six characters.

use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// What every key of ours begins with.
pub const PREFIX: &str = "gw_";
const RANDOM: usize = 30;
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// A key of somebody's own choice has at least so many characters,
const MIN_CUSTOM: usize = 8;
/// and at most so many.
const MAX_CUSTOM: usize = 512;

/// SHA-256 of a key's text: all that is kept of it.
pub type Hash = [u8; 32];

/// The system gives no random numbers.
#[derive(Debug, Clone, Copy)]
pub struct NoRandom;

/// A new key, of 178 random bits.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn generate() -> Result<Secret, NoRandom> {
    let random = word(RANDOM)?;
    Ok(Secret::new(&format!(
        "{PREFIX}{random}{}",
        checksum(&random)
    )))
}

/// Random letters and digits.
///
/// # Errors
/// Where the system gives no random numbers.
pub fn word(length: usize) -> Result<String, NoRandom> {
    let source = SystemRandom::new();
    let mut word = String::with_capacity(length);
    while word.len() < length {
        let mut bytes = [0_u8; 64];
        source.fill(&mut bytes).map_err(|_| NoRandom)?;
        // 248 is four times 62: bytes above would make some digits likelier than others.
        let digits = bytes.iter().filter(|byte| **byte < 248);
        let digits = digits.filter_map(|byte| DIGITS.get(usize::from(byte % 62)));
        word.extend(
            digits
                .take(length - word.len())
                .map(|digit| char::from(*digit)),
        );
    }
    Ok(word)
}

/// How a key fits the form of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The checksum holds: it was one of ours, or is.
    Ours,
    /// It begins as ours do, and something in it is wrong.
    Mistyped,
    /// It does not begin as ours do.
    Foreign,
}

/// How that key fits the form of ours.
pub fn form(key: &str) -> Form {
    let Some(rest) = key.strip_prefix(PREFIX) else {
        return Form::Foreign;
    };
    let parts = rest.split_at_checked(RANDOM);
    match parts {
        Some((random, sum)) if checksum(random) == sum => Form::Ours,
        _ => Form::Mistyped,
    }
}

fn checksum(random: &str) -> String {
    let mut rest = crc32fast::hash(random.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for place in digits.iter_mut().rev() {
        let digit = usize::try_from(rest % 62).unwrap_or(0);
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        rest /= 62;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

/// What is kept of a key.
pub fn hash(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}

/// A hash as people and LiteLLM's clients write it: 64 hexadecimal digits.
pub fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash in 64 hexadecimal digits.
pub fn parse_hex(text: &str) -> Option<Hash> {
    let is_hex = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_hex {
        return None;
    }
    let mut hash = [0_u8; 32];
    let value = |digit: u8| char::from(digit).to_digit(16);
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = *digits else { return None };
        *byte = (value(high)? << 4 | value(low)?) as u8;
    }
    Some(hash)
}

/// What may be shown of a secret: how it begins, and its last four characters where enough stay hidden.
pub fn masked(secret: &str) -> String {
    let start = ["gw_", "sk-ant-", "sk-"]
        .into_iter()
        .find(|start| secret.starts_with(start));
    let start = start.unwrap_or_default();
    let count = secret.chars().count();
    match count >= start.len() + 16 {
        true => format!(
            "{start}…{}",
            secret.chars().skip(count - 4).collect::<String>()
        ),
        false => format!("{start}…"),
    }
}

/// Why a key of somebody's own choice cannot be one.
pub fn refuse_custom(key: &str) -> Option<String> {
    let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    match key.len() {
        length if length < MIN_CUSTOM => Some(format!("has at least {MIN_CUSTOM} characters")),
        length if length > MAX_CUSTOM => Some(format!("has at most {MAX_CUSTOM} characters")),
        _ if !is_visible => {
            Some("holds letters, digits and signs of ASCII alone, no spaces".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_new_key_is_one_of_ours_and_no_two_are_alike() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), 39);
        assert_eq!(form(one.expose()), Form::Ours);
        assert!(refuse_custom(one.expose()).is_none());
    }

    #[test]
    fn the_checksum_is_that_of_githubs_tokens() {
        // By Python: `zlib.crc32(b"0" * 30)` in base62.
        assert_eq!(checksum(&"0".repeat(30)), "2C8GjS");
        assert_eq!(checksum(""), "000000");
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_noticed(at in 3..39_usize, letter in "[0-9A-Za-z]") {
            let key = generate().unwrap();
            let mut wrong = key.expose().to_owned();
            wrong.replace_range(at..=at, &letter);
            let expected = if wrong == key.expose() { Form::Ours } else { Form::Mistyped };
            prop_assert_eq!(form(&wrong), expected);
        }

        #[test]
        fn no_text_is_too_strange(text: String) {
            let _ = form(&format!("{PREFIX}{text}"));
            let _ = (masked(&text), refuse_custom(&text), parse_hex(&text));
        }
    }

    #[test]
    fn hashes_are_written_and_read() {
        let hash = hash("sk-1234");
        assert_eq!(parse_hex(&hex(&hash)), Some(hash));
        assert_eq!(hex(&hash).get(..8), Some("88dc28d0"));
        assert_eq!(parse_hex("zz"), None);
    }

    #[test]
    fn what_is_shown_hides_enough() {
        assert_eq!(masked("gw_0123456789abcdefghij"), "gw_…ghij");
        assert_eq!(masked("hunter2"), "…");
        assert_eq!(masked("sk-ant-short"), "sk-ant-…");
        assert_eq!(form("sk-1234"), Form::Foreign);
        assert_eq!(form("gw_ööööööööööööööööööö"), Form::Mistyped);
    }
}
