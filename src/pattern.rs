//! Globs over model names: `*` stands for any run of characters, `?` for one. Case counts.

/// Whether `name` matches `glob`. Linear in practice, `O(name × stars)` at worst, no allocation.
pub fn matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut at_glob, mut at_name) = (0, 0);
    // Where to go on after a `*` that took too little: the glob behind it, the name one further.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&byte) = name.get(at_name) {
        match glob.get(at_glob) {
            Some(b'*') => {
                at_glob += 1;
                retry = Some((at_glob, at_name));
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => {
                at_glob += 1;
                at_name += 1;
            }
            _ => {
                let Some((after_star, from)) = retry else {
                    return false;
                };
                at_glob = after_star;
                at_name = from + 1;
                retry = Some((after_star, from + 1));
            }
        }
    }
    glob.get(at_glob..)
        .is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn globs_match_as_a_shell_would() {
        assert!(matches("gpt-*", "gpt-4o"));
        assert!(matches("*", ""));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(matches("o?-mini", "o3-mini"));
        assert!(!matches("gpt-*", "xgpt-4"));
        assert!(!matches("a*b", "abc"));
        assert!(!matches("", "a"));
        assert!(matches("*-latest", "mistral-large-latest"));
    }
}
