//! One borrowed pass over a JSON object: where its top-level members are, without a tree.
//! A prompt of a megabyte is skipped sixteen bytes at a time, so that routing by the body costs
//! little more than reading it. Follows RFC 8259; see [`scan`] for what it checks and what not.

use std::{borrow::Cow, ops::Range};

use memchr::memmem::FinderRev;
use smallvec::SmallVec;
use thiserror::Error;
use wide::u8x16;

/// Deeper nesting is refused: no client needs it, and recursive readers further on would overflow.
pub const MAX_DEPTH: usize = 256;
/// More top-level members are refused: the check for duplicates is quadratic.
pub const MAX_MEMBERS: usize = 256;

/// Why a body is not an object that can be routed. The text is for the client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the texts say all")]
pub enum ScanError {
    #[error("The body is empty; it must be a JSON object.")]
    Empty,
    #[error("The body is not valid UTF-8 (first at byte {0}).")]
    NotUtf8(usize),
    #[error("The body must be a JSON object, not {0}.")]
    NotAnObject(&'static str),
    #[error("The body is not valid JSON: {what} at byte {at}.")]
    Syntax { what: &'static str, at: usize },
    #[error("The body nests deeper than {MAX_DEPTH} levels.")]
    TooDeep,
    #[error("The body has more than {MAX_MEMBERS} top-level fields.")]
    TooManyMembers,
    #[error("The field `{0}` appears twice; send it once.")]
    Duplicate(String),
}

/// One member of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name, with escapes resolved: `"mod\u0065l"` is `model`.
    pub name: Cow<'a, str>,
    /// Where it begins: the quote before its name.
    pub start: usize,
    /// Where its value stands.
    pub value: Range<usize>,
}

/// The top-level members of an object, in their order.
#[derive(Debug, Clone, Default)]
pub struct Members<'a> {
    body: &'a [u8],
    inside: usize,
    members: SmallVec<[Member<'a>; 8]>,
}

impl<'a> Members<'a> {
    /// All of them.
    pub fn all(&self) -> &[Member<'a>] {
        &self.members
    }

    /// The place behind the opening brace.
    pub fn inside(&self) -> usize {
        self.inside
    }

    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<&Member<'a>> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The bytes of the value of that name.
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.get(name).and_then(|member| self.bytes(member))
    }

    /// The bytes of a member's value.
    pub fn bytes(&self, member: &Member<'a>) -> Option<&'a [u8]> {
        self.body.get(member.value.clone())
    }
}

/// Where the members of an object stand, so that they are found again without another pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places(SmallVec<[Place; 10]>);

#[derive(Debug, Clone, PartialEq)]
struct Place {
    /// Of the quote before the name.
    start: u32,
    name_bytes: u32,
    value: Range<u32>,
}

impl Places {
    /// The members of `body`, which is that in which they were found; `None` where that needs a pass after
    /// all: a name has escapes.
    pub fn members<'a>(&self, body: &'a [u8]) -> Option<Members<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let member = |place: &Place| {
            let start = place.start as usize;
            let name = body.get(start + 1..start + 1 + place.name_bytes as usize)?;
            Some(Member {
                name: Cow::Borrowed(std::str::from_utf8(name).ok()?),
                start,
                value: place.value.start as usize..place.value.end as usize,
            })
        };
        let members: Option<SmallVec<_>> = self.0.iter().map(member).collect();
        Some(Members {
            body,
            inside: 0,
            members: members?,
        })
    }
}

impl Places {
    /// The members of `body`, by another pass where these places are not known to be its own. `None` where it
    /// is no object.
    pub fn find<'a>(&self, body: &'a [u8]) -> Option<Members<'a>> {
        self.members(body).or_else(|| scan(body).ok())
    }
}

impl From<&Members<'_>> for Places {
    fn from(members: &Members<'_>) -> Self {
        let place = |member: &Member<'_>| match &member.name {
            Cow::Borrowed(name) => Some(Place {
                start: u32::try_from(member.start).ok()?,
                name_bytes: u32::try_from(name.len()).ok()?,
                value: u32::try_from(member.value.start).ok()?
                    ..u32::try_from(member.value.end).ok()?,
            }),
            Cow::Owned(_) => None,
        };
        let places: Option<_> = members.members.iter().map(place).collect();
        Places(places.unwrap_or_default())
    }
}

/// Finds the top-level members of `body`. Checks that it is UTF-8 and one object; that names are
/// unique; that strings are well formed and brackets match down to [`MAX_DEPTH`]. What stands
/// between the brackets of nested values is left to the provider, whose business it is.
pub fn scan(body: &[u8]) -> Result<Members<'_>, ScanError> {
    if simdutf8::basic::from_utf8(body).is_err() {
        let valid = std::str::from_utf8(body).map_or_else(|error| error.valid_up_to(), str::len);
        return Err(ScanError::NotUtf8(valid));
    }
    let mut cursor = Cursor { body, at: 0 };
    cursor.skip_space();
    match cursor.peek() {
        Some(b'{') => cursor.at += 1,
        None => return Err(ScanError::Empty),
        Some(other) => return Err(ScanError::NotAnObject(kind(other))),
    }
    let inside = cursor.at;
    let members = cursor.members()?;
    cursor.skip_space();
    match cursor.peek() {
        None => Ok(Members {
            body,
            inside,
            members,
        }),
        Some(_) => Err(cursor.syntax("something follows the object")),
    }
}

/// The value of a member of the outermost object that stands near its end, as `usage` does in
/// answers: found from there, so that what stands before is not looked at. `None` where the last
/// such name is not a member of the outermost object; [`scan`] knows then.
pub fn value_near_end<'a>(body: &'a [u8], quoted_name: &FinderRev<'_>) -> Option<&'a [u8]> {
    let at = quoted_name.rfind(body)?;
    let mut cursor = Cursor { body, at };
    let member = cursor.member().ok()?;
    cursor.skip_space();
    match cursor.peek()? {
        b',' => {
            cursor.at += 1;
            cursor.members().ok()?;
        }
        b'}' => cursor.at += 1,
        _ => return None,
    }
    cursor.skip_space();
    // Had it been a member of something inside, more would have to be closed.
    cursor.peek().is_none().then(|| body.get(member.value))?
}

/// The string that `value` is, with escapes resolved; `None` where it is not a string.
pub fn as_text(value: &[u8]) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(value).ok().map(Cow::Owned)
}

fn kind(first: u8) -> &'static str {
    match first {
        b'[' => "an array",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        b'-' | b'0'..=b'9' => "a number",
        _ => "something else",
    }
}

struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn syntax(&self, what: &'static str) -> ScanError {
        ScanError::Syntax { what, at: self.at }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The members up to the closing brace; the opening one has been read.
    fn members(&mut self) -> Result<SmallVec<[Member<'a>; 8]>, ScanError> {
        let mut members = SmallVec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(members);
        }
        loop {
            self.skip_space();
            let member = self.member()?;
            if members
                .iter()
                .any(|other: &Member<'_>| other.name == member.name)
            {
                return Err(ScanError::Duplicate(member.name.into_owned()));
            }
            if members.len() == MAX_MEMBERS {
                return Err(ScanError::TooManyMembers);
            }
            members.push(member);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(members);
                }
                None => return Err(self.syntax("it ends inside the object")),
                Some(_) => return Err(self.syntax("expected `,` or `}`")),
            }
        }
    }

    fn member(&mut self) -> Result<Member<'a>, ScanError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.syntax("expected a field name in double quotes"));
        }
        self.skip_string()?;
        let name = self.body.get(start..self.at).and_then(as_text);
        let name = name.ok_or_else(|| self.syntax("a field name has a wrong escape"))?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.syntax("expected `:`"));
        }
        self.at += 1;
        self.skip_space();
        let value_start = self.at;
        self.skip_value()?;
        Ok(Member {
            name,
            start,
            value: value_start..self.at,
        })
    }

    fn skip_value(&mut self) -> Result<(), ScanError> {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'{' | b'[') => self.skip_nested(),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => self.skip_scalar(),
            None => Err(self.syntax("it ends inside the object")),
            Some(_) => Err(self.syntax("expected a value")),
        }
    }

    /// A number or a literal: checked by serde_json, which knows their grammar.
    fn skip_scalar(&mut self) -> Result<(), ScanError> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
            .unwrap_or(rest.len());
        let scalar = rest.get(..length).unwrap_or_default();
        if !matches!(scalar, b"true" | b"false" | b"null")
            && serde_json::from_slice::<serde::de::IgnoredAny>(scalar).is_err()
        {
            return Err(self.syntax("expected a value"));
        }
        self.at += length;
        Ok(())
    }

    /// An array or object: its brackets must match; `open` remembers which are braces.
    fn skip_nested(&mut self) -> Result<(), ScanError> {
        let mut open = [0_u64; MAX_DEPTH / 64];
        let mut depth = 0_usize;
        loop {
            let rest = self.body.get(self.at..).unwrap_or_default();
            let Some(skip) = next_structural(rest) else {
                self.at = self.body.len();
                return Err(self.syntax("it ends inside an array or object"));
            };
            self.at += skip;
            match self.peek() {
                Some(b'"') => {
                    self.skip_string()?;
                    continue;
                }
                Some(bracket @ (b'{' | b'[')) => {
                    let Some(word) = open.get_mut(depth / 64) else {
                        return Err(ScanError::TooDeep);
                    };
                    let bit = 1 << (depth % 64);
                    *word = if bracket == b'{' {
                        *word | bit
                    } else {
                        *word & !bit
                    };
                    depth += 1;
                }
                Some(bracket @ (b'}' | b']')) => {
                    depth -= 1;
                    let word = open.get(depth / 64).copied().unwrap_or_default();
                    let is_brace = word >> (depth % 64) & 1 == 1;
                    if is_brace != (bracket == b'}') {
                        return Err(self.syntax("a bracket does not match"));
                    }
                    if depth == 0 {
                        self.at += 1;
                        return Ok(());
                    }
                }
                _ => return Err(self.syntax("a control character")),
            }
            self.at += 1;
        }
    }

    /// A string, from its opening quote to behind its closing one.
    fn skip_string(&mut self) -> Result<(), ScanError> {
        let start = self.at + 1;
        match string_end(self.body.get(start..).unwrap_or_default()) {
            StringEnd::Quote(at) => {
                self.at = start + at + 1;
                Ok(())
            }
            StringEnd::Control(at) => {
                self.at = start + at;
                Err(self.syntax("a control character inside a string"))
            }
            StringEnd::Missing => {
                self.at = self.body.len();
                Err(self.syntax("it ends inside a string"))
            }
        }
    }
}

/// Where the closing quote of a string stands; `text` begins behind its opening one.
pub(super) fn quote(text: &[u8]) -> Option<usize> {
    match string_end(text) {
        StringEnd::Quote(at) => Some(at),
        _ => None,
    }
}

/// How a string ends, and where.
enum StringEnd {
    Quote(usize),
    Control(usize),
    Missing,
}

/// Finds the end of a string; `text` begins behind its opening quote. Escapes are stepped over
/// within a block, for prose has one in every line.
fn string_end(text: &[u8]) -> StringEnd {
    let (blocks, rest) = text.as_chunks::<16>();
    // Whether the next block begins with the second half of an escape.
    let mut escaped = 0_u32;
    for (number, block) in blocks.iter().enumerate() {
        let block = u8x16::from(*block);
        let quotes = block.simd_eq(u8x16::splat(b'"')).to_bitmask();
        let slashes = block.simd_eq(u8x16::splat(b'\\')).to_bitmask();
        let mut found = (quotes | slashes | controls(block).to_bitmask()) & !escaped;
        escaped = 0;
        while found != 0 {
            let first = found & found.wrapping_neg();
            if slashes & first == 0 {
                let at = number * 16 + found.trailing_zeros() as usize;
                return match quotes & first {
                    0 => StringEnd::Control(at),
                    _ => StringEnd::Quote(at),
                };
            }
            found &= !(first | first << 1);
            escaped = first >> 15;
        }
    }
    let base = blocks.len() * 16;
    let mut bytes = rest.iter().enumerate().skip(escaped as usize);
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b'"' => return StringEnd::Quote(base + at),
            b'\\' => drop(bytes.next()),
            0..0x20 => return StringEnd::Control(base + at),
            _ => {}
        }
    }
    StringEnd::Missing
}

/// Where the next byte stands that matters between nested values: a quote, a bracket, a control
/// character that is no white space.
fn next_structural(text: &[u8]) -> Option<usize> {
    let (blocks, rest) = text.as_chunks::<16>();
    for (number, block) in blocks.iter().enumerate() {
        let block = u8x16::from(*block);
        // Square and curly brackets differ in this bit alone.
        let folded = block | u8x16::splat(0x20);
        let brackets = folded.simd_eq(u8x16::splat(b'{')) | folded.simd_eq(u8x16::splat(b'}'));
        let breaks = block.simd_eq(u8x16::splat(b'\n'))
            | block.simd_eq(u8x16::splat(b'\r'))
            | block.simd_eq(u8x16::splat(b'\t'));
        let quotes = block.simd_eq(u8x16::splat(b'"'));
        let found = (brackets | quotes | (controls(block) & !breaks)).to_bitmask();
        if found != 0 {
            return Some(number * 16 + found.trailing_zeros() as usize);
        }
    }
    let is_structural = |&byte: &u8| {
        matches!(byte, b'"' | b'{' | b'}' | b'[' | b']')
            || (byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t'))
    };
    Some(blocks.len() * 16 + rest.iter().position(is_structural)?)
}

fn controls(block: u8x16) -> u8x16 {
    block.min(u8x16::splat(0x1f)).simd_eq(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(body: &[u8]) -> String {
        scan(body).unwrap_err().to_string()
    }

    #[test]
    fn members_are_found_where_they_stand() {
        let body =
            br#" { "model" : "gpt-4o", "messages":[{"content":"a \"}] b"}], "n":1.5e3,"x":{} } "#;
        let members = scan(body).unwrap();
        assert_eq!(members.value("model"), Some(&br#""gpt-4o""#[..]));
        assert_eq!(members.value("n"), Some(&b"1.5e3"[..]));
        assert_eq!(members.value("x"), Some(&b"{}"[..]));
        assert_eq!(members.all().len(), 4);
    }

    #[test]
    fn a_member_near_the_end_is_told_from_one_inside() {
        let find = |body: &'static str| {
            let finder = FinderRev::new("\"usage\"");
            value_near_end(body.as_bytes(), &finder)
                .map(|value| std::str::from_utf8(value).unwrap())
        };
        assert_eq!(find(r#"{"a":"x","usage":{"n":1}}"#), Some(r#"{"n":1}"#));
        assert_eq!(
            find(r#"{"usage":{"n":[1]} , "b":"}" } "#),
            Some(r#"{"n":[1]}"#)
        );
        assert_eq!(find(r#"{"x":{"usage":{"n":1}}}"#), None);
        assert_eq!(find(r#"{"x":{"usage":{"n":1}},"y":2}"#), None);
        assert_eq!(find(r#"{"a":"\"usage\":1"}"#), None);
        assert_eq!(find(r#"{"a":["usage"]}"#), None);
    }

    #[test]
    fn members_are_found_again_where_they_stand() {
        let body = br#" {"model" : "m", "messages":[{"a":1}]}"#;
        let members = scan(body).unwrap();
        let again = Places::from(&members).members(body).unwrap();
        assert_eq!(again.all(), members.all());
        let escaped = br#"{"mod\u0065l":"m"}"#;
        assert!(
            Places::from(&scan(escaped).unwrap())
                .members(escaped)
                .is_none()
        );
    }

    #[test]
    fn an_escaped_name_is_the_same_name() {
        let twice = br#"{"model":"a","mod\u0065l":"b"}"#;
        assert_eq!(
            scan(twice).unwrap_err(),
            ScanError::Duplicate("model".into())
        );
    }

    #[test]
    fn bad_bodies_are_told_apart() {
        assert_eq!(scan(b"").unwrap_err(), ScanError::Empty);
        assert_eq!(scan(b"[]").unwrap_err(), ScanError::NotAnObject("an array"));
        assert_eq!(
            scan(b"{\"a\":\"\xff\"}").unwrap_err(),
            ScanError::NotUtf8(6)
        );
        assert!(error(b"{\"a\":\"\0\"}").contains("control character"));
        assert!(error(b"{\"a\":[\0]}").contains("control character"));
        assert!(error(b"{\"a\":\"x").contains("ends inside a string"));
        assert!(error(b"{\"a\":[}").contains("does not match"));
        assert!(error(b"{\"a\":1").contains("ends inside the object"));
        assert!(error(b"{\"a\":tru}").contains("expected a value"));
        assert!(error(b"{\"a\":01}").contains("expected a value"));
        assert!(error(b"{\"a\":1}x").contains("follows the object"));
        assert!(error(b"{\"a\":1,}").contains("field name"));
        assert!(error(b"{a:1}").contains("field name"));
        let deep = [b"{\"a\":".to_vec(), vec![b'['; 10_000]].concat();
        assert_eq!(scan(&deep).unwrap_err(), ScanError::TooDeep);
        let level = [
            b"{\"a\":".to_vec(),
            vec![b'['; 256],
            vec![b']'; 256],
            b"}".to_vec(),
        ]
        .concat();
        assert!(scan(&level).is_ok());
    }

    proptest! {
        #[test]
        fn what_serde_json_reads_is_scanned_alike(text in any::<String>(), number in any::<f64>(), rest in any::<String>()) {
            let value = serde_json::json!({"model": text, "n": number, "list": [{"a": rest}, null], "last": true});
            let body = serde_json::to_vec_pretty(&value).unwrap();
            let members = scan(&body).unwrap();
            prop_assert_eq!(members.all().len(), 4);
            for member in members.all() {
                let read: serde_json::Value = serde_json::from_slice(members.bytes(member).unwrap()).unwrap();
                prop_assert_eq!(&read, &value[member.name.as_ref()]);
            }
            prop_assert_eq!(as_text(members.value("model").unwrap()).unwrap(), text);
        }

        #[test]
        fn strings_end_where_serde_json_ends_them(parts in prop::collection::vec(prop::sample::select(vec!["a", "\\\\", "\\\"", "\\n", "é", "0123456789abcdef", " "]), 0..60)) {
            let text = parts.concat();
            let body = format!("{{\"k\":\"{text}\",\"end\":1}}");
            let members = scan(body.as_bytes()).unwrap();
            prop_assert_eq!(members.value("end"), Some(&b"1"[..]));
            let quoted = format!("\"{text}\"");
            prop_assert_eq!(members.value("k").unwrap(), quoted.as_bytes());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = scan(&bytes);
        }
    }
}
