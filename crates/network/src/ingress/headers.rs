//! What a proxy takes off and puts on, as ingress-nginx does with its default settings. Pure.

use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use std::net::IpAddr;

/// These concern one connection and not the request.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the request told about itself.
pub(super) struct Origin<'a> {
    /// As the client wrote it, with the port if there was one.
    pub(super) host: &'a str,
    pub(super) client: IpAddr,
    pub(super) tls: bool,
    pub(super) request_id: &'a str,
}

/// Removes the headers of one hop; returns the protocol that the client wants to change to.
pub(super) fn strip_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let upgrade = if named.contains(&UPGRADE) { headers.get(UPGRADE).cloned() } else { None };
    for name in named.into_iter().chain(HOP_BY_HOP.into_iter().map(HeaderName::from_static)) {
        headers.remove(name);
    }
    upgrade
}

/// For both directions: the other side shall change the protocol too.
pub(super) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// The client is not trusted to say who it is: what it claims is kept under another name.
pub(super) fn set_forwarded(headers: &mut HeaderMap, origin: &Origin<'_>) {
    let (scheme, port) = if origin.tls { ("https", "443") } else { ("http", "80") };
    let client = origin.client.to_canonical().to_string();
    if let Some(claimed) = headers.remove("x-forwarded-for") {
        headers.insert("x-original-forwarded-for", claimed);
    }
    headers.remove("proxy");
    if !headers.contains_key("x-request-id") {
        set(headers, HeaderName::from_static("x-request-id"), origin.request_id);
    }
    set(headers, HOST, origin.host);
    let ours = [
        ("x-real-ip", client.as_str()),
        ("x-forwarded-for", client.as_str()),
        ("x-forwarded-host", origin.host),
        ("x-forwarded-port", port),
        ("x-forwarded-proto", scheme),
        ("x-forwarded-scheme", scheme),
        ("x-scheme", scheme),
    ];
    for (name, value) in ours {
        set(headers, HeaderName::from_static(name), value);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // What cannot be a header value did not come as one either.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_request_gets_the_headers_of_ingress_nginx() {
        let mut headers = HeaderMap::new();
        let sent = [
            ("connection", "keep-alive, Upgrade, x-secret"),
            ("upgrade", "websocket"),
            ("x-secret", "for the proxy only"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("proxy", "http://evil"),
            ("accept", "text/html"),
        ];
        for (name, value) in sent {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert_eq!(strip_hop(&mut headers).unwrap(), "websocket");
        let client = "::ffff:127.0.0.1".parse().unwrap();
        let origin = Origin { host: "codex.localhost:8080", client, tls: false, request_id: "abc" };
        set_forwarded(&mut headers, &origin);
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
        lines.sort();
        expect![[r#"
            accept: text/html
            host: codex.localhost:8080
            x-forwarded-for: 127.0.0.1
            x-forwarded-host: codex.localhost:8080
            x-forwarded-port: 80
            x-forwarded-proto: http
            x-forwarded-scheme: http
            x-original-forwarded-for: 1.2.3.4
            x-real-ip: 127.0.0.1
            x-request-id: abc
            x-scheme: http
        "#]]
        .assert_eq(&lines.concat());
    }
}
