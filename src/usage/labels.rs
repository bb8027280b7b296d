//! What a request says of itself: tags, and on whose behalf it is.

use std::borrow::Cow;

/// What a request says of itself, cut to lengths that fit a row.
#[derive(Debug, Default)]
pub struct Labels<'a> {
    /// Its tags, each once.
    pub tags: Vec<Cow<'a, str>>,
    /// On whose behalf it is.
    pub end_user: Option<Cow<'a, str>>,
}

/// Tags of one request, at most.
const MAX_TAGS: usize = 32;
/// Texts that clients choose are cut to this length.
const MAX_TEXT_BYTES: usize = 256;

impl<'a> Labels<'a> {
    /// Adds a tag, unless it is there or there are too many.
    pub fn tag(&mut self, tag: Cow<'a, str>) {
        let tag = cut(tag);
        if !tag.is_empty() && self.tags.len() < MAX_TAGS && !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
    }

    /// Says on whose behalf it is, unless that is known.
    pub fn end_user(&mut self, user: Cow<'a, str>) {
        if !user.is_empty() {
            self.end_user.get_or_insert(cut(user));
        }
    }
}

fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    // Databases know no zero byte in texts.
    let text = match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "")),
        false => text,
    };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(beginning(text)),
        Cow::Owned(mut text) => {
            text.truncate(beginning(&text).len());
            Cow::Owned(text)
        }
    }
}

/// As much of it as a row holds.
pub(super) fn beginning(text: &str) -> &str {
    crate::row::beginning(text, MAX_TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_few_short_and_each_once() {
        let long = "é".repeat(300);
        let mut labels = Labels::default();
        for tag in ["a", "", "a", &long] {
            labels.tag(tag.into());
        }
        (0..100).for_each(|number| labels.tag(number.to_string().into()));
        labels.end_user("".into());
        labels.end_user(long.clone().into());
        labels.end_user("later".into());
        assert_eq!(labels.tags.len(), 32);
        assert_eq!(labels.tags[..2], ["a".to_owned(), "é".repeat(128)]);
        assert_eq!(labels.end_user.unwrap(), "é".repeat(128));
    }
}
