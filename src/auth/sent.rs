//! The key that a client sent, wherever its SDK puts it.

use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

/// Browsers cannot set headers on a WebSocket; OpenAI's SDK sends the key as a subprotocol.
pub const WEBSOCKET_KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// The key that a client sent, wherever its SDK puts it.
pub fn client_key(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(bearer);
    let named = || {
        ["x-api-key", "api-key", "x-goog-api-key"]
            .into_iter()
            .find_map(text)
    };
    let in_protocol = || {
        text(header::SEC_WEBSOCKET_PROTOCOL.as_str())?
            .split(',')
            .find_map(|protocol| protocol.trim().strip_prefix(WEBSOCKET_KEY_PROTOCOL))
    };
    let in_header = bearer
        .or_else(named)
        .or_else(in_protocol)
        .map(|key| key.trim().to_owned());
    let in_query = || query_value(query?, "key");
    in_header.or_else(in_query).filter(|key| !key.is_empty())
}

/// The value of a query parameter, percent-decoded.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find_map(|(key, value)| (key == name).then_some(value))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn every_sdks_way_to_send_a_key_is_understood() {
        for (name, value) in [
            ("authorization", "Bearer k"),
            ("authorization", "bearer  k"),
            ("x-api-key", "k"),
            ("api-key", "k"),
            ("x-goog-api-key", "k"),
            (
                "sec-websocket-protocol",
                "realtime, openai-insecure-api-key.k",
            ),
        ] {
            assert_eq!(
                client_key(&headers(name, value), None).as_deref(),
                Some("k"),
                "{name}"
            );
        }
        let none = HeaderMap::new();
        assert_eq!(client_key(&none, Some("a=b&key=k")).as_deref(), Some("k"));
        assert_eq!(client_key(&none, Some("monkey=k")), None);
    }
}
