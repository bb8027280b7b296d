//! Base URLs that come in by the admin interface: what is taken, and what is shown of them. Some people
//! write keys into them.

use http::Uri;

use super::refusal::Refusal;

/// Looks at a base URL.
///
/// # Errors
/// 400 where it is none, or would hold a secret.
pub(super) fn check(field: &str, text: &str) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::invalid(Some(field), format!("`{field}` {why}.")));
    let uri: Option<Uri> = text.parse().ok();
    let Some(uri) = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https"))) else {
        return refuse("is a URL such as https://api.example.com/v1");
    };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.is_empty() || authority.contains('@') || uri.query().is_some() {
        return refuse("has a host, no user and no query; keys belong into credentials");
    }
    Ok(())
}

/// What is shown of a base URL: no user, no password, no query.
pub(super) fn shown(text: &str) -> String {
    let uri: Option<Uri> = text.parse().ok();
    let parts = uri.as_ref().and_then(|uri| {
        let authority = uri.authority()?.as_str();
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        Some((uri.scheme_str()?, host, uri.path()))
    });
    parts.map_or_else(String::new, |(scheme, host, path)| {
        format!("{scheme}://{host}{}", path.trim_end_matches('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_addresses_are_refused_and_never_shown() {
        assert!(check("base_url", "https://api.example.com/v1").is_ok());
        for wrong in [
            "",
            "api.example.com",
            "ftp://x/y",
            "file:///etc/passwd",
            "https://user:canary@host/v1",
            "https://host/v1?key=canary",
        ] {
            let refusal = check("base_url", wrong).unwrap_err();
            assert!(!refusal.message.contains("canary"));
            assert!(!shown(wrong).contains("canary"));
        }
        assert_eq!(
            shown("https://u:p@host:8443/v1/?key=canary"),
            "https://host:8443/v1"
        );
    }
}
