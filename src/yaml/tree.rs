//! The document as a tree whose nodes know their place, number and path.

use super::Place;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Its number in the document, from 1. A key has that of its value.
    pub(super) id: usize,
    pub(super) place: Place,
    /// Its dotted path.
    pub(super) path: String,
    pub(super) value: Value,
    /// Whether a mistake has been taken out of it.
    maimed: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Scalar(Scalar),
    Sequence(Vec<Node>),
    /// Keys and their values in the file's order. A key is a scalar or null.
    Mapping(Vec<(Node, Node)>),
}

/// A single value, not yet known to be a number or a string: the field that reads it decides.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Whether it stands without quotes, so that it may be a number, a boolean or null.
    pub(super) plain: bool,
    /// What the file says, where a variable's value has taken its place.
    pub(super) written: Option<String>,
}

impl Node {
    pub(super) fn new(place: Place, value: Value) -> Self {
        Node {
            id: 0,
            place,
            path: String::new(),
            value,
            maimed: false,
        }
    }

    /// A key's text.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::Null => Some("null"),
            _ => None,
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.plain)
    }

    /// How many nodes it holds, itself included, and how deep they go.
    pub(super) fn size(&self) -> (usize, usize) {
        self.children().fold((1, 0), |(nodes, height), child| {
            let (more, deeper) = child.size();
            (nodes + more, height.max(deeper + 1))
        })
    }

    fn children(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match &self.value {
            Value::Mapping(entries) => Box::new(entries.iter().flat_map(|(k, v)| [k, v])),
            Value::Sequence(items) => Box::new(items.iter()),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Gives each node its number and its path, once aliases and merges are in place.
    pub(super) fn number(&mut self, last: &mut usize, path: String) {
        *last += 1;
        self.id = *last;
        let below = |name: &str| match path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        match &mut self.value {
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    let path = below(key.name().unwrap_or_default());
                    value.number(last, path.clone());
                    key.id = value.id;
                    key.path = path;
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.number(last, below(&index.to_string()));
                }
            }
            Value::Null | Value::Scalar(_) => {}
        }
        self.path = path;
    }

    /// Takes the node with this number out, and remembers it around. False if there is none.
    pub(super) fn remove(&mut self, id: usize) -> bool {
        let removed = match &mut self.value {
            Value::Mapping(entries) => {
                let before = entries.len();
                entries.retain(|(_, value)| value.id != id);
                entries.len() < before || entries.iter_mut().any(|(_, value)| value.remove(id))
            }
            Value::Sequence(items) => {
                let before = items.len();
                items.retain(|item| item.id != id);
                items.len() < before || items.iter_mut().any(|item| item.remove(id))
            }
            Value::Null | Value::Scalar(_) => false,
        };
        self.maimed |= removed;
        removed
    }

    /// Whether something was taken out of the node with this number.
    pub(super) fn is_maimed(&self, id: usize) -> bool {
        (self.id == id && self.maimed) || self.children().any(|child| child.is_maimed(id))
    }
}
