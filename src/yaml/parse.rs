//! Text → tree, within bounds. The only file that knows the YAML crate.

use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::{
    Place,
    failure::Failure,
    tree::{Node, Scalar, Value},
};

/// The largest file that is read; a configuration of ten thousand keys has about 1 MiB.
const BYTES_MAX: usize = 8 << 20;
/// Collections within collections, aliases followed.
const DEPTH_MAX: usize = 48;
/// Nodes of a document, aliases followed: a small file can otherwise unfold without end.
const NODES_MAX: usize = 500_000;

/// The document, and the mistakes that did not keep it from being read.
///
/// # Errors
/// The place where it stops being YAML, or being reasonable.
pub(super) fn parse(text: &str) -> Result<(Node, Vec<Failure>), Failure> {
    if text.len() > BYTES_MAX {
        return Err(Failure::syntax(
            format!("larger than {BYTES_MAX} bytes"),
            (1, 1),
        ));
    }
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        failures: Vec::new(),
        path: Vec::new(),
        nodes: 0,
    };
    let mut root = builder.document()?;
    root.number(&mut 0, String::new());
    Ok((root, builder.failures))
}

struct Builder<'text, Input: granit_parser::BorrowedInput<'text>> {
    parser: Parser<'text, Input>,
    anchors: HashMap<usize, Node>,
    failures: Vec<Failure>,
    /// The keys around the node that is being built.
    path: Vec<String>,
    nodes: usize,
}

impl<'text, Input: granit_parser::BorrowedInput<'text>> Builder<'text, Input> {
    fn next(&mut self) -> Result<(Event<'text>, Span), Failure> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The only document; nothing at all counts as an empty one.
    fn document(&mut self) -> Result<Node, Failure> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    return Err(Failure::syntax("a second document", place(&span)));
                }
                event => root = Some(self.node(event, &span, 0)?),
            }
        }
        Ok(root.unwrap_or_else(|| Node::new((1, 1), Value::Null)))
    }

    fn node(&mut self, event: Event<'text>, span: &Span, depth: usize) -> Result<Node, Failure> {
        let place = place(span);
        self.count(1, depth, place)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let forced = string_tag(tag.as_deref(), place)?;
                let plain = style == ScalarStyle::Plain && !forced;
                (scalar(text.into_owned(), plain), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                string_tag(tag.as_deref(), place)?;
                (self.sequence(depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                string_tag(tag.as_deref(), place)?;
                (self.mapping(depth)?, anchor)
            }
            Event::Alias(anchor) => return self.alias(anchor, place, depth),
            _ => return Err(Failure::syntax("not understood as YAML", place)),
        };
        let node = Node::new(place, value);
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Failure> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Sequence(items));
            }
            self.path.push(items.len().to_string());
            items.push(self.node(event, &span, depth + 1)?);
            self.path.pop();
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Failure> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut merged = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, &span, depth + 1)?;
            let Some(name) = key.name() else {
                return Err(Failure::syntax("a key must be a single value", key.place));
            };
            self.path.push(name.to_owned());
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            if name == "<<" && key.is_plain() {
                merged.push(value);
            } else if seen.insert(name.to_owned()) {
                entries.push((key, value));
            } else {
                let message = format!("the key `{name}` stands twice in the same mapping");
                let failure = Failure::syntax(message, key.place);
                self.failures.push(failure.with_path(self.path.join(".")));
            }
            self.path.pop();
        }
        for value in merged {
            merge(&mut entries, &mut seen, value)?;
        }
        Ok(Value::Mapping(entries))
    }

    /// What an alias stands for, at the place where it was defined: that is where to change it.
    fn alias(&mut self, anchor: usize, place: Place, depth: usize) -> Result<Node, Failure> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Failure::syntax(
                "an alias cannot stand within what it names",
                place,
            ));
        };
        let (nodes, height) = node.size();
        self.count(nodes, depth + height, place)?;
        self.anchors
            .get(&anchor)
            .cloned()
            .ok_or_else(|| Failure::syntax("an alias to nothing", place))
    }

    fn count(&mut self, nodes: usize, depth: usize, place: Place) -> Result<(), Failure> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(Failure::syntax(
                format!("more than {NODES_MAX} values"),
                place,
            ));
        }
        if depth > DEPTH_MAX {
            return Err(Failure::syntax(
                format!("nested deeper than {DEPTH_MAX}"),
                place,
            ));
        }
        Ok(())
    }
}

/// Adds the entries of a merge key (`<<: *defaults`); what the mapping says itself stays.
fn merge(
    entries: &mut Vec<(Node, Node)>,
    seen: &mut HashSet<String>,
    from: Node,
) -> Result<(), Failure> {
    match from.value {
        Value::Mapping(others) => {
            for (key, value) in others {
                if key.name().is_some_and(|name| seen.insert(name.to_owned())) {
                    entries.push((key, value));
                }
            }
            Ok(())
        }
        Value::Sequence(items) => items
            .into_iter()
            .try_for_each(|item| merge(entries, seen, item)),
        _ => Err(Failure::syntax(
            "`<<` takes a mapping or a list of mappings",
            from.place,
        )),
    }
}

fn place(span: &Span) -> Place {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (number(span.start.line()), number(span.start.col() + 1))
}

fn syntax(error: &ScanError) -> Failure {
    let span = Span::empty(*error.marker());
    Failure::syntax(format!("not valid YAML: {}", error.info()), place(&span))
}

fn scalar(text: String, plain: bool) -> Value {
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar(Scalar {
        text,
        plain,
        written: None,
    })
}

/// Whether a tag makes a string of what follows. Tags of the YAML core say what the fields' own
/// types say anyway; others mean nothing here.
fn string_tag(tag: Option<&Tag>, place: Place) -> Result<bool, Failure> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.core_suffix() == Some("str")),
        Some(tag) if tag.original() == "!" => Ok(true),
        Some(tag) => Err(Failure::syntax(
            format!("the tag `{}` has no meaning here", tag.original()),
            place,
        )),
    }
}
