//! What the configuration limits, by name, ready for requests. A snapshot holds it.

use std::collections::HashMap;

use super::subject::{Kind, Rules};
use crate::config::{Config, LimitSet};

/// What the configuration limits.
#[derive(Debug, Default)]
pub struct Table {
    is_on: bool,
    /// Requests a minute of virtual keys that have no limit of their own.
    default_key: Rules,
    /// Tokens that an answer is taken to have where its request does not bound it.
    answer_tokens: u64,
    global: Rules,
    per_user: Rules,
    per_model: Rules,
    keys: Named,
    users: Named,
    teams: Named,
    models: Named,
    tags: Named,
    providers: Named,
}

type Named = HashMap<Box<str>, Rules>;

impl Table {
    /// What a configuration limits.
    pub fn of(config: &Config) -> Self {
        let section = &config.rate_limiting;
        if !section.enabled {
            return Table::default();
        }
        let keys = &config.auth.keys;
        let providers = &config.providers;
        Table {
            is_on: true,
            default_key: Rules {
                requests_per_minute: Some(section.default_key_rpm).filter(|rpm| *rpm > 0),
                ..Rules::default()
            },
            answer_tokens: section.assumed_answer_tokens,
            global: (&section.global).into(),
            per_user: (&section.per_user).into(),
            per_model: (&section.per_model).into(),
            keys: named(keys.iter().map(|key| (&key.name, &key.limits))),
            users: named(&section.users),
            teams: named(&section.teams),
            models: named(&section.models),
            tags: named(&section.tags),
            providers: named(providers.iter().map(|(name, one)| (name, &one.limits))),
        }
    }

    /// Whether limits hold at all.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// What holds for virtual keys that have no limit of their own.
    pub fn default_key(&self) -> Rules {
        self.default_key
    }

    /// Tokens that an answer is taken to have where its request does not bound it.
    pub fn answer_tokens(&self) -> u64 {
        self.answer_tokens
    }

    /// Whether requests have to be asked for their tags.
    pub fn limits_tags(&self) -> bool {
        !self.tags.is_empty()
    }

    /// What holds for a subject, by the configuration; nothing where it says nothing.
    pub fn of_subject(&self, kind: Kind, id: &str) -> Rules {
        let (named, usual) = match kind {
            Kind::Global => return self.global,
            Kind::Key => (&self.keys, None),
            Kind::User => (&self.users, Some(&self.per_user)),
            Kind::Team => (&self.teams, None),
            Kind::Model => (&self.models, Some(&self.per_model)),
            Kind::Tag => (&self.tags, None),
            Kind::Provider => (&self.providers, None),
            Kind::KeyModel | Kind::TeamModel | Kind::Project | Kind::Shared => {
                return Rules::default();
            }
        };
        let known = (!named.is_empty()).then(|| named.get(id)).flatten();
        known.or(usual).copied().unwrap_or_default()
    }

    /// Which of a request's names for its model is counted: the one that it asked for, and the one by which it is
    /// served, where each is limited by its name; else the latter, where all models are.
    pub fn models<'a>(
        &self,
        asked: Option<&'a str>,
        served: Option<&'a str>,
    ) -> [Option<&'a str>; 2] {
        let is_named = |name: &&str| self.models.contains_key(*name);
        let other = served.filter(|served| Some(*served) != asked);
        match (asked.filter(is_named), other.filter(is_named)) {
            (None, None) if !self.per_model.is_empty() => [served.or(asked), None],
            found => [found.0, found.1],
        }
    }

    /// The kinds of subjects of which a budget is configured.
    pub fn budgeted(&self) -> Vec<Kind> {
        let has_budget = |rules: &Rules| rules.spend.is_some();
        let any = |named: &Named| named.values().any(has_budget);
        [
            (Kind::Key, any(&self.keys)),
            (Kind::User, any(&self.users) || has_budget(&self.per_user)),
            (Kind::Team, any(&self.teams)),
            (
                Kind::Model,
                any(&self.models) || has_budget(&self.per_model),
            ),
            (Kind::Tag, any(&self.tags)),
            (Kind::Provider, any(&self.providers)),
            (Kind::Global, has_budget(&self.global)),
        ]
        .into_iter()
        .filter_map(|(kind, is_budgeted)| is_budgeted.then_some(kind))
        .collect()
    }
}

fn named<'a>(sets: impl IntoIterator<Item = (&'a String, &'a LimitSet)>) -> Named {
    let rules = sets
        .into_iter()
        .map(|(name, set)| (name.as_str().into(), Rules::from(set)));
    rules.filter(|(_, rules)| !rules.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpm(limit: u64) -> LimitSet {
        LimitSet {
            rpm: Some(limit),
            ..LimitSet::default()
        }
    }

    fn config() -> Config {
        let mut config = Config::default();
        let section = &mut config.rate_limiting;
        section.per_user = rpm(1);
        section.users.insert("ada".into(), rpm(2));
        section.models.insert("gpt-5".into(), rpm(3));
        section.per_model = rpm(4);
        config
    }

    #[test]
    fn what_is_said_of_one_comes_before_what_is_said_of_all() {
        let table = Table::of(&config());
        let rpm = |kind, id| table.of_subject(kind, id).requests_per_minute;
        assert_eq!(rpm(Kind::User, "ada"), Some(2));
        assert_eq!(rpm(Kind::User, "bob"), Some(1));
        assert_eq!(rpm(Kind::Team, "red"), None);
    }

    #[test]
    fn no_other_name_of_a_model_gets_around_its_limit() {
        let table = Table::of(&config());
        let names = |asked, served| table.models(Some(asked), Some(served));
        assert_eq!(names("gpt-5", "gpt-5"), [Some("gpt-5"), None]);
        assert_eq!(names("openai/gpt-5", "gpt-5"), [None, Some("gpt-5")]);
        assert_eq!(names("openai/o3", "o3"), [Some("o3"), None]);
    }

    #[test]
    fn what_is_switched_off_limits_nothing() {
        let mut config = config();
        config.rate_limiting.enabled = false;
        let table = Table::of(&config);
        assert!(!table.is_on() && table.of_subject(Kind::User, "ada").is_empty());
    }
}
