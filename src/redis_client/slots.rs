//! Which member of a cluster has a key: the 16,384 slots of the cluster specification, and who has which.

use std::{collections::HashMap, sync::Arc};

use redis::Value;

use super::{Error, node::Node};

const SLOTS: u16 = 16_384;

/// The slot of a key. Of a name with `{…}` in it only what stands there counts.
pub fn slot(key: &[u8]) -> u16 {
    let hashed = tag(key).unwrap_or(key);
    let crc = hashed.iter().fold(0_u16, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            let shifted = crc << 1;
            match crc & 0x8000 {
                0 => shifted,
                _ => shifted ^ 0x1021,
            }
        })
    });
    crc % SLOTS
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|&byte| byte == b'{')?;
    let rest = key.get(open + 1..)?;
    let length = rest.iter().position(|&byte| byte == b'}')?;
    rest.get(..length).filter(|tag| !tag.is_empty())
}

/// A range of slots and the address of who has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub first: u16,
    pub last: u16,
    pub host: (String, u16),
}

/// Reads the answer to `CLUSTER SLOTS`. A member that does not know its own name has that by which it was
/// `asked`.
pub(super) fn ranges(answer: &Value, asked: &str) -> Result<Vec<Range>, Error> {
    let Value::Array(rows) = answer else {
        return Err(Error::Unexpected);
    };
    let ranges: Option<Vec<Range>> = rows.iter().map(|row| range(row, asked)).collect();
    ranges
        .filter(|all| !all.is_empty())
        .ok_or(Error::Unexpected)
}

fn range(row: &Value, asked: &str) -> Option<Range> {
    let Value::Array(row) = row else { return None };
    let [first, last, Value::Array(master), ..] = row.as_slice() else {
        return None;
    };
    let number = |value: &Value| match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    };
    let name = match master.first()? {
        Value::BulkString(name) => std::str::from_utf8(name).ok()?,
        Value::SimpleString(name) => name,
        Value::Nil => "",
        _ => return None,
    };
    let name = if matches!(name, "" | "?") {
        asked
    } else {
        name
    };
    Some(Range {
        first: number(first)?,
        last: number(last)?,
        host: (name.to_owned(), number(master.get(1)?)?),
    })
}

/// Who has which slots.
#[derive(Default)]
pub(super) struct Table {
    /// By their last slot, in order.
    ranges: Vec<(u16, u16, Arc<Node>)>,
    /// By host and port.
    pub nodes: HashMap<String, Arc<Node>>,
}

impl Table {
    pub fn new(mut ranges: Vec<(u16, u16, Arc<Node>)>) -> Self {
        ranges.sort_unstable_by_key(|(_, last, _)| *last);
        let named = ranges
            .iter()
            .map(|(_, _, node)| (node.address.clone(), node.clone()));
        Table {
            nodes: named.collect(),
            ranges,
        }
    }

    pub fn of(&self, slot: u16) -> Option<&Arc<Node>> {
        let at = self.ranges.partition_point(|(_, last, _)| *last < slot);
        let (first, _, node) = self.ranges.get(at)?;
        (*first <= slot).then_some(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        // The CRC of "123456789" is 0x31C3 (the specification's own check value).
        assert_eq!(slot(b"123456789"), 0x31c3 % SLOTS);
        // As `CLUSTER KEYSLOT` says.
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"somekey"), 11058);
        assert_eq!(slot(b"foo{hash_tag}"), 2515);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), slot(b"foo{}{bar}"));
        assert_ne!(slot(b"foo{}{bar}"), slot(b"{bar}"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
    }

    #[test]
    fn the_answer_to_cluster_slots_is_read() {
        let member = |name: &str, port| {
            Value::Array(vec![
                Value::BulkString(name.into()),
                Value::Int(port),
                Value::BulkString("id".into()),
                Value::Array(Vec::new()),
            ])
        };
        let row =
            |first, last, member| Value::Array(vec![Value::Int(first), Value::Int(last), member]);
        let answer = Value::Array(vec![
            row(8192, 16383, member("", 2)),
            row(0, 8191, member("10.0.0.1", 1)),
        ]);
        let ranges = ranges(&answer, "asked").unwrap();
        assert_eq!(ranges[0].host, ("asked".to_owned(), 2));
        assert_eq!((ranges[1].first, ranges[1].last), (0, 8191));
    }

    #[test]
    fn what_is_no_answer_to_it_is_refused() {
        for answer in [
            Value::Nil,
            Value::Array(Vec::new()),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(99_999)])]),
        ] {
            assert_eq!(ranges(&answer, "asked"), Err(Error::Unexpected));
        }
    }
}
