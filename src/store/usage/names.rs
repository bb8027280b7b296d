//! How many names clients may make up: what is beyond is one, so that sums do not grow by the request.

use std::collections::{BTreeMap, HashSet};

use super::sums::Name;

/// Tags of an hour that are told apart, and models.
const MAX_NAMES: usize = 1000;
/// Hours that are remembered: rows may come late.
const HOURS: usize = 24;
/// What is beyond.
pub(super) const OTHER: &str = "other";

/// Tags and models that were seen, by the hour; and whether all are told apart.
#[derive(Debug, Default)]
pub(in crate::store) struct Names(BTreeMap<u64, Hour>, bool);

#[derive(Debug, Default)]
struct Hour {
    tags: HashSet<Box<str>>,
    models: HashSet<Box<str>>,
}

impl Names {
    /// All names count as themselves.
    pub(super) fn unbounded() -> Self {
        Names(BTreeMap::new(), true)
    }

    /// The tag that one counts as.
    pub(super) fn tag<'r>(&mut self, hour: u64, tag: Name<'r>) -> Name<'r> {
        if self.1 {
            return tag;
        }
        admit(&mut self.of(hour).tags, tag)
    }

    /// The model that one counts as.
    pub(super) fn model<'r>(&mut self, hour: u64, model: Name<'r>) -> Name<'r> {
        if self.1 {
            return model;
        }
        admit(&mut self.of(hour).models, model)
    }

    fn of(&mut self, hour: u64) -> &mut Hour {
        if self.0.len() >= HOURS && !self.0.contains_key(&hour) {
            self.0.pop_first();
        }
        self.0.entry(hour).or_default()
    }
}

fn admit<'r>(seen: &mut HashSet<Box<str>>, name: Name<'r>) -> Name<'r> {
    if name.is_empty() || seen.contains(&*name) {
        return name;
    }
    if seen.len() >= MAX_NAMES {
        return OTHER.into();
    }
    seen.insert((&*name).into());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_a_thousand_in_an_hour_are_one() {
        let mut names = Names::default();
        let count = |names: &mut Names, hour| {
            let tags = (0..3000).map(|number| names.tag(hour, number.to_string().into()));
            tags.collect::<HashSet<_>>().len()
        };
        assert_eq!(count(&mut names, 1), 1001);
        assert_eq!(count(&mut names, 1), 1001);
        assert_eq!(count(&mut names, 2), 1001, "another hour");
        assert_eq!(names.tag(1, "7".into()), "7");
        assert_eq!(names.model(1, "7000".into()), "7000");
        (3..100).for_each(|hour| drop(names.tag(hour, "a".into())));
        assert_eq!(names.0.len(), HOURS);
    }
}
