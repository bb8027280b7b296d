//! How many names clients may make up: what is beyond is one, so that sums do not grow by the request.

use std::collections::{BTreeMap, HashSet};

use super::sums::Name;

/// Tags of an hour that are told apart, and models.
const MAX_NAMES: usize = 1000;
/// Hours that are remembered: rows may come late.
const HOURS: usize = 24;
/// Tags and models whose spending is told apart, by each process: there is a line of each for as long as it is
/// used.
const MAX_SPENT: usize = 10_000;
/// What is beyond.
pub(super) const OTHER: &str = "other";

/// Tags and models that were seen, by the hour.
#[derive(Debug, Default)]
pub(in crate::store) struct Names {
    hours: BTreeMap<u64, Hour>,
    /// Of tags and of models.
    spent: [HashSet<Box<str>>; 2],
    /// Whether all are told apart.
    is_unbounded: bool,
}

#[derive(Debug, Default)]
struct Hour {
    tags: HashSet<Box<str>>,
    models: HashSet<Box<str>>,
}

impl Names {
    /// All names count as themselves.
    pub(super) fn unbounded() -> Self {
        Names {
            is_unbounded: true,
            ..Names::default()
        }
    }

    /// The tag that one counts as.
    pub(super) fn tag<'r>(&mut self, hour: u64, tag: Name<'r>) -> Name<'r> {
        if self.is_unbounded {
            return tag;
        }
        admit(&mut self.of(hour).tags, tag, MAX_NAMES)
    }

    /// The model that one counts as.
    pub(super) fn model<'r>(&mut self, hour: u64, model: Name<'r>) -> Name<'r> {
        if self.is_unbounded {
            return model;
        }
        admit(&mut self.of(hour).models, model, MAX_NAMES)
    }

    /// The tag whose spending it is.
    pub(super) fn spent_tag<'r>(&mut self, tag: Name<'r>) -> Name<'r> {
        if self.is_unbounded {
            return tag;
        }
        let [tags, _] = &mut self.spent;
        admit(tags, tag, MAX_SPENT)
    }

    /// The model whose spending it is.
    pub(super) fn spent_model<'r>(&mut self, model: Name<'r>) -> Name<'r> {
        if self.is_unbounded {
            return model;
        }
        let [_, models] = &mut self.spent;
        admit(models, model, MAX_SPENT)
    }

    fn of(&mut self, hour: u64) -> &mut Hour {
        let mut hour = hour;
        if self.hours.len() >= HOURS && !self.hours.contains_key(&hour) {
            match self.hours.first_key_value() {
                // What comes later still counts as the oldest: taking turns they would all be new.
                Some((&first, _)) if hour < first => hour = first,
                _ => drop(self.hours.pop_first()),
            }
        }
        self.hours.entry(hour).or_default()
    }
}

fn admit<'r>(seen: &mut HashSet<Box<str>>, name: Name<'r>, most: usize) -> Name<'r> {
    if name.is_empty() || seen.contains(&*name) {
        return name;
    }
    if seen.len() >= most {
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
        assert_eq!(names.hours.len(), HOURS);
        // Rows of hours long past, in turns.
        let late = (0..3000).map(|number| names.tag(number % 2, number.to_string().into()));
        let late: HashSet<_> = late.collect();
        assert!(late.len() <= MAX_NAMES + 1, "{}", late.len());
        let spent = (0..20_000).map(|number| names.spent_tag(number.to_string().into()));
        let spent: HashSet<_> = spent.collect();
        assert_eq!(spent.len(), MAX_SPENT + 1);
    }
}
