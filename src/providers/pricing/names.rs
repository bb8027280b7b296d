//! The names that a model's price may stand under: a price is listed once, while providers give a
//! model many names.

/// The names to look for, the model's own first: then without what says only which version of it or
/// where it runs, one after the other, then the same without the vendor before a slash.
/// `us.anthropic.claude-sonnet-4-5-20250929-v1:0` ends as `us.anthropic.claude-sonnet-4-5`.
pub(super) fn forms(model: &str) -> impl Iterator<Item = &str> {
    let first = Some((model, model));
    std::iter::successors(first, |&(whole, name)| match without_suffix(name) {
        Some(shorter) => Some((whole, shorter)),
        None => {
            let (_vendor, rest) = whole.split_once('/')?;
            (!rest.is_empty()).then_some((rest, rest))
        }
    })
    .map(|(_, name)| name)
}

fn without_suffix(name: &str) -> Option<&str> {
    let at_version = name.rsplit_once('@').map(|(before, _)| before);
    at_version
        .or_else(|| name.strip_suffix("-latest"))
        .or_else(|| without_date(name))
        .or_else(|| without_version(name))
        .filter(|shorter| !shorter.is_empty())
}

/// Without `-2024-08-06` or `-20240806`.
fn without_date(name: &str) -> Option<&str> {
    ["-20dd-dd-dd", "-20dddddd"].into_iter().find_map(|form| {
        let (before, tail) = name.split_at_checked(name.len().checked_sub(form.len())?)?;
        let is_date = tail
            .bytes()
            .zip(form.bytes())
            .all(|(byte, wanted)| byte == wanted || (wanted == b'd' && byte.is_ascii_digit()));
        is_date.then_some(before)
    })
}

/// Without Bedrock's `-v1:0`, `-v1` or `-v1:0:300k`.
fn without_version(name: &str) -> Option<&str> {
    let (before, version) = name.rsplit_once("-v")?;
    let is_version = version.starts_with(|first: char| first.is_ascii_digit())
        && version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'k'));
    is_version.then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_names_a_version_is_left_out() {
        for (model, expected) in [
            ("gpt-4o", &["gpt-4o"][..]),
            ("gpt-4o-2024-08-06", &["gpt-4o-2024-08-06", "gpt-4o"]),
            (
                "claude-sonnet-4-5@20250929",
                &["claude-sonnet-4-5@20250929", "claude-sonnet-4-5"],
            ),
            ("grok-4-latest", &["grok-4-latest", "grok-4"]),
            (
                "vertex/gemini-2.5-pro",
                &["vertex/gemini-2.5-pro", "gemini-2.5-pro"],
            ),
            (
                "us.anthropic.claude-opus-4-1-20250805-v1:0",
                &[
                    "us.anthropic.claude-opus-4-1-20250805-v1:0",
                    "us.anthropic.claude-opus-4-1-20250805",
                    "us.anthropic.claude-opus-4-1",
                ],
            ),
            (
                "a/b/c-20250101",
                &[
                    "a/b/c-20250101",
                    "a/b/c",
                    "b/c-20250101",
                    "b/c",
                    "c-20250101",
                    "c",
                ],
            ),
        ] {
            assert_eq!(forms(model).collect::<Vec<_>>(), expected, "{model}");
        }
    }

    #[test]
    fn what_names_another_model_stays() {
        for model in [
            "",
            "-latest",
            "@1",
            "a/",
            "mistral-large-2411",
            "gemini-2.5-flash-preview-09-2025",
            "embed-v4.0",
            "llama-v3p3-70b-instruct",
            "gpt-4o-1924-08-06",
            "ü-20240806x",
            "é",
        ] {
            assert_eq!(forms(model).collect::<Vec<_>>(), [model]);
        }
    }
}
