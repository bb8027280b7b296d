//! Base URLs as people write them.

/// The base URL with `/v1` at its end, as Ollama, vLLM and their like serve it: their own
/// documentation gives `http://localhost:11434`, and so people set `OLLAMA_BASE_URL` to that.
pub fn with_version(base_url: &str) -> String {
    let base_url = base_url.trim().trim_end_matches('/');
    if base_url.ends_with("/v1") {
        base_url.to_owned()
    } else {
        format!("{base_url}/v1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_added_once() {
        for (given, expected) in [
            ("http://localhost:11434", "http://localhost:11434/v1"),
            ("http://localhost:11434/", "http://localhost:11434/v1"),
            ("http://localhost:11434/v1", "http://localhost:11434/v1"),
            ("https://host/ollama/v1/", "https://host/ollama/v1"),
            ("https://host/ollama", "https://host/ollama/v1"),
        ] {
            assert_eq!(with_version(given), expected);
        }
    }
}
