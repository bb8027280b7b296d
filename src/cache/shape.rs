//! What two requests must share to be given the same answer: SHA-256 over everything that shapes it. A miss
//! is safe and a wrong hit is not, so a member of the body counts unless it is known not to matter.

use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use super::Key;
use crate::{
    config::HashStrategy,
    dialects::{
        compact,
        scan::{Member, Members, scan},
    },
};

/// Members that do not shape an answer: who asks, how it is sent, what providers keep for themselves.
const SHAPELESS: &[&str] = &[
    "labels",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "smart_routing",
    "stream",
    "stream_options",
    "user",
];

/// Members that hold what is said, in any dialect.
const CONTENT: &[&str] = &[
    "contents",
    "input",
    "instructions",
    "messages",
    "prompt",
    "system",
    "systemInstruction",
    "system_instruction",
];

/// Who shares answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition<'a> {
    /// Everybody.
    Everybody,
    /// The keys of one team.
    Team(&'a str),
    /// One key.
    Key(&'a str),
}

/// What shapes an answer besides the body.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// Who shares it.
    pub partition: Partition<'a>,
    /// The caller's dialect.
    pub dialect: &'a str,
    /// The route, by a name that does not tell streams apart.
    pub route: &'a str,
    /// Headers that choose a version or beta of the API.
    pub headers: &'a [&'a [u8]],
    /// Who may serve it: the pool or the targets, after aliases.
    pub targets: &'a [u8],
    /// What of the body counts.
    pub strategy: HashStrategy,
}

/// Why a request's answer is not the one that another got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Varies {
    /// It asks for chance.
    Temperature,
    /// It asks for several answers.
    Choices,
    /// It refers to what changes elsewhere.
    Stateful,
}

impl Varies {
    /// The word for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Varies::Temperature => "temperature",
            Varies::Choices => "choices",
            Varies::Stateful => "stateful",
        }
    }
}

impl Shape<'_> {
    /// The key of the answer to a body of these members. `temperature` is that of the request, wherever its dialect says it.
    ///
    /// # Errors
    /// Where two such requests may be answered differently.
    pub fn key(&self, members: &Members<'_>, temperature: Option<f64>) -> Result<Key, Varies> {
        if temperature.is_some_and(|temperature| temperature != 0.0) {
            return Err(Varies::Temperature);
        }
        varies(members).map_or(Ok(()), Err)?;
        let mut hasher = Sha256::new();
        self.partition.hash(&mut hasher);
        for text in [self.dialect, self.route] {
            part(&mut hasher, text.as_bytes());
        }
        hasher.update([self.headers.len().to_le_bytes()[0]]);
        for header in self.headers {
            part(&mut hasher, header);
        }
        if self.strategy != HashStrategy::Content {
            part(&mut hasher, self.targets);
        }
        let is_counted = |member: &Member<'_>, value: &[u8]| match self.strategy {
            HashStrategy::FullRequest => shapes(member, value),
            _ => CONTENT.contains(&member.name.as_ref()),
        };
        hash_members(&mut hasher, members, is_counted);
        Ok(Key(hasher.finalize().into()))
    }
}

/// The key of the answer to the request that one caller marked with `mark`, its `Idempotency-Key`.
pub fn marked(partition: Partition<'_>, mark: &str) -> Key {
    let mut hasher = Sha256::new();
    part(&mut hasher, b"idempotency-key");
    partition.hash(&mut hasher);
    part(&mut hasher, mark.as_bytes());
    Key(hasher.finalize().into())
}

/// What a body says, however it is laid out, and where it was sent.
pub fn fingerprint(route: &str, body: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    part(&mut hasher, route.as_bytes());
    match scan(body) {
        Ok(members) => hash_members(&mut hasher, &members, |member, _| {
            !matches!(member.name.as_ref(), "stream" | "stream_options")
        }),
        Err(_) => hasher.update(body),
    }
    hasher.finalize().into()
}

impl Partition<'_> {
    fn hash(self, hasher: &mut Sha256) {
        let (kind, name) = match self {
            Partition::Everybody => (0, ""),
            Partition::Team(name) => (1, name),
            Partition::Key(name) => (2, name),
        };
        hasher.update([kind]);
        part(hasher, name.as_bytes());
    }
}

/// Its length first, so that nothing runs into what follows.
fn part(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
    hasher.update(bytes);
}

/// The model is named by the targets; `provider` is the gateway's own field where it is text.
fn shapes(member: &Member<'_>, value: &[u8]) -> bool {
    match member.name.as_ref() {
        "model" => false,
        "provider" => !value.starts_with(b"\""),
        name => !SHAPELESS.contains(&name),
    }
}

/// In the order of their names, each with the length of its name before and a byte that JSON has not behind
/// it: white space is left out, so a value's length is not known before.
fn hash_members(
    hasher: &mut Sha256,
    members: &Members<'_>,
    is_counted: impl Fn(&Member<'_>, &[u8]) -> bool,
) {
    let mut counted: SmallVec<[(&Member<'_>, &[u8]); 16]> = members
        .all()
        .iter()
        .filter_map(|member| Some((member, members.bytes(member)?)))
        .filter(|(member, value)| is_counted(member, value))
        .collect();
    counted.sort_unstable_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    for (member, value) in counted {
        part(hasher, member.name.as_bytes());
        compact::runs(value, &mut |run| hasher.update(run));
        hasher.update([0]);
    }
}

fn varies(members: &Members<'_>) -> Option<Varies> {
    let is_set = |name: &str| {
        let value = members.value(name);
        value.is_some_and(|value| value != b"null" && value != b"false")
    };
    let is_several = |value: Option<&[u8]>| {
        let number = value.and_then(|value| std::str::from_utf8(value).ok()?.parse::<f64>().ok());
        number.is_some_and(|number| number > 1.0)
    };
    if is_set("conversation") || is_set("background") {
        return Some(Varies::Stateful);
    }
    let nested = ["generationConfig", "generation_config"]
        .iter()
        .find_map(|name| members.value(name));
    let nested = nested.and_then(|value| scan(value).ok());
    let nested_value = |name: &str| nested.as_ref().and_then(|nested| nested.value(name));
    let several = ["n", "best_of", "candidateCount"]
        .iter()
        .any(|name| is_several(members.value(name)) || is_several(nested_value(name)));
    if several {
        return Some(Varies::Choices);
    }
    let temperature = nested_value("temperature").filter(|value| *value != b"null");
    let is_zero = |value: &[u8]| {
        let number = std::str::from_utf8(value).ok().map(str::parse::<f64>);
        matches!(number, Some(Ok(number)) if number == 0.0)
    };
    temperature
        .is_some_and(|value| !is_zero(value))
        .then_some(Varies::Temperature)
}

#[cfg(test)]
mod tests;
