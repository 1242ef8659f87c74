//! Formats of names. Each gives what is wrong with a text, nothing if it is well.

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

fn too_long(most: usize) -> String {
    format!("must be no more than {most} bytes")
}

/// Begins and ends with what `end` accepts and has only that and `inner` between.
fn is_word(text: &str, end: fn(char) -> bool, inner: &[char]) -> bool {
    text.starts_with(end) && text.ends_with(end) && text.chars().all(|c| end(c) || inner.contains(&c))
}

fn lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

/// RFC 1123 label: names of namespaces, containers, volumes.
pub(super) fn label(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 63 {
        problems.push(too_long(63));
    }
    if is_word(text, lower, &['-']) {
        return problems;
    }
    if text.split('.').all(|part| is_word(part, lower, &['-'])) {
        problems.push("must not contain dots".into());
    } else {
        problems.push(format!(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
        ));
    }
    problems
}

/// RFC 1123 subdomain: names of most objects.
pub(super) fn subdomain(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 253 {
        problems.push(too_long(253));
    }
    if !text.split('.').all(|part| is_word(part, lower, &['-'])) {
        problems.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{LABEL}(\\.{LABEL})*')"
        ));
    }
    problems
}

/// RFC 1035 label: names of services.
pub(super) fn service_name(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 63 {
        problems.push(too_long(63));
    }
    if !is_word(text, lower, &['-']) || text.starts_with(|c: char| c.is_ascii_digit()) {
        problems.push(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .into(),
        );
    }
    problems
}

/// Names that only have to fit into a path: roles and their bindings.
pub(super) fn path_segment(text: &str) -> Vec<String> {
    if matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    let held = ["/", "%"].into_iter().filter(|held| text.contains(held));
    held.map(|held| format!("may not contain '{held}'")).collect()
}

/// Keys of labels and annotations: `app`, `example.com/app`.
pub(super) fn qualified(text: &str) -> Vec<String> {
    const NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let mut problems = Vec::new();
    let name = match text.split_once('/') {
        None => text,
        Some((_, name)) if name.contains('/') => {
            return vec![format!(
                "a qualified name {NAME} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some(("", name)) => {
            problems.push("prefix part must be non-empty".into());
            name
        }
        Some((prefix, name)) => {
            problems.extend(subdomain(prefix).into_iter().map(|problem| format!("prefix part {problem}")));
            name
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        problems.push(format!("name part {}", too_long(63)));
    }
    if !is_word(name, alphanumeric, &['-', '_', '.']) {
        problems.push(format!("name part {NAME}"));
    }
    problems
}

pub(super) fn label_value(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 63 {
        problems.push(too_long(63));
    }
    if !text.is_empty() && !is_word(text, alphanumeric, &['-', '_', '.']) {
        problems.push(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                .into(),
        );
    }
    problems
}

/// Names of ports.
pub(super) fn port_name(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 15 {
        problems.push(too_long(15));
    }
    if !text.chars().all(|c| lower(c) || c == '-') || text.is_empty() {
        problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !text.contains(|c: char| c.is_ascii_lowercase()) {
        problems.push("must contain at least one letter (a-z)".into());
    }
    if text.contains("--") {
        problems.push("must not contain consecutive hyphens".into());
    }
    if text.starts_with('-') || text.ends_with('-') {
        problems.push("must not begin or end with a hyphen".into());
    }
    problems
}

/// Keys of ConfigMaps and Secrets.
pub(super) fn config_key(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 253 {
        problems.push(too_long(253));
    }
    if text.is_empty() || !text.chars().all(|c| alphanumeric(c) || "-_.".contains(c)) {
        problems.push(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .into(),
        );
    }
    match text {
        "." => problems.push("must not be '.'".into()),
        ".." => problems.push("must not be '..'".into()),
        _ if text.starts_with("..") => problems.push("must not start with '..'".into()),
        _ => {}
    }
    problems
}

/// Names of environment variables.
pub(super) fn variable(text: &str) -> Vec<String> {
    if !text.is_empty() && text.chars().all(|c| c == ' ' || (c.is_ascii_graphic() && c != '=')) {
        return Vec::new();
    }
    vec![
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
            .into(),
    ]
}

/// Hosts of ingresses: `a.example.com`, `*.example.com`.
pub(super) fn host(text: &str) -> Vec<String> {
    let Some(rest) = text.strip_prefix('*') else { return subdomain(text) };
    if rest.strip_prefix('.').is_some_and(|rest| subdomain(rest).is_empty()) {
        return Vec::new();
    }
    vec![format!(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.{LABEL}(\\.{LABEL})*')"
    )]
}

/// Paths inside of a volume.
pub(super) fn local_path(text: &str) -> Vec<String> {
    if text.starts_with('/') {
        return vec!["must be a relative path".into()];
    }
    if text.split('/').any(|part| part == "..") {
        return vec!["must not contain '..'".into()];
    }
    Vec::new()
}

/// The same for paths that must be relative to where they are mounted and may not be the node's own (`..data`).
pub(super) fn unreserved_path(text: &str) -> Vec<String> {
    let mut problems = local_path(text);
    if text.starts_with("..") {
        problems.push("must not start with '..'".into());
    }
    problems
}

pub(super) fn no_backsteps(text: &str) -> Vec<String> {
    if text.split('/').any(|part| part == "..") { vec!["must not contain '..'".into()] } else { Vec::new() }
}

pub(super) fn ip(text: &str) -> Vec<String> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Vec::new();
    }
    vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".into()]
}

/// Addresses that mean something beyond one machine.
pub(super) fn non_special_ip(text: &str) -> Vec<String> {
    let Ok(address) = text.parse::<std::net::IpAddr>() else {
        return vec!["must be a valid IP address".into()];
    };
    let (local, multicast) = match address {
        std::net::IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        std::net::IpAddr::V6(v6) => {
            (v6.segments()[0] & 0xffc0 == 0xfe80, v6.segments()[0] & 0xff0f == 0xff02)
        }
    };
    let mut problems = Vec::new();
    if address.is_unspecified() {
        problems.push(format!("may not be unspecified ({text})"));
    }
    if address.is_loopback() {
        problems.push("may not be in the loopback range (127.0.0.0/8, ::1/128)".into());
    }
    if local {
        problems.push("may not be in the link-local range (169.254.0.0/16, fe80::/10)".into());
    }
    if multicast {
        problems.push("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".into());
    }
    problems
}

/// The address and the length of the prefix of `10.0.0.0/8`.
pub(super) fn parse_cidr(text: &str) -> Option<(std::net::IpAddr, u32)> {
    let (address, length) = text.split_once('/')?;
    let address: std::net::IpAddr = address.parse().ok()?;
    let plain = !length.is_empty() && length.chars().all(|c| c.is_ascii_digit());
    let length: u32 = length.parse().ok().filter(|_| plain)?;
    (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, length))
}

pub(super) fn cidr(text: &str) -> Vec<String> {
    if parse_cidr(text).is_some() {
        return Vec::new();
    }
    vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".into()]
}

/// `example.com/a/path`: what acts on an object.
pub(super) fn domain_prefixed_path(text: &str) -> Vec<String> {
    let Some((domain, path)) =
        text.split_once('/').filter(|(domain, path)| !domain.is_empty() && !path.is_empty())
    else {
        return vec!["must be a domain-prefixed path (such as \"acme.io/foo\")".into()];
    };
    let mut problems = subdomain(domain);
    const INNER: &str = "-._~!$&'()*+,;=:@/";
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || INNER.contains(c) || c == '%');
    if !plain {
        problems
            .push("Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')".into());
    }
    problems
}

/// Names with at least three parts: `hook.example.com`.
pub(super) fn fully_qualified(text: &str) -> Vec<String> {
    let problems = subdomain(text);
    if problems.is_empty() && text.split('.').count() < 3 {
        return vec!["should be a domain with at least three segments separated by dots".into()];
    }
    problems
}

/// Names of host names: a domain of at least two parts, that may end in a dot.
pub(super) fn domain_name(text: &str) -> Vec<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let problems = subdomain(name);
    if !problems.is_empty() {
        return problems;
    }
    if name.split('.').count() < 2 {
        return vec!["should be a domain with at least two segments separated by dots".into()];
    }
    Vec::new()
}

/// Subdomains, where underscores are tolerated.
pub(super) fn search_domain(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > 253 {
        problems.push(too_long(253));
    }
    if !text.split('.').all(|part| is_word(part, |c| lower(c) || c == '_', &['-', '_'])) {
        problems.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character or underscore (e.g. 'example.com', regex used for validation is '[a-z0-9_]([-_a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .into(),
        );
    }
    problems
}

#[cfg(test)]
type Format = fn(&str) -> Vec<String>;

#[cfg(test)]
#[test]
fn formats() {
    let good: [(Format, &str); 10] = [
        (label, "my-name 1 a"),
        (subdomain, "a.b-c.d 1.2"),
        (service_name, "web web-1"),
        (qualified, "app example.com/My_app.x a-b"),
        (label_value, "v1.0 My_value"),
        (port_name, "http h2-c"),
        (config_key, ".env key.name KEY_NAME"),
        (variable, "PATH my.var 1X"),
        (host, "a.b *.a.b"),
        (local_path, "a/b ..a"),
    ];
    for (format, words) in good {
        words.split(' ').for_each(|word| assert_eq!(format(word), Vec::<String>::new(), "{word}"));
    }
    let bad: [(Format, &str); 10] = [
        (label, "My -a a- a.b a_b"),
        (subdomain, "a..b A .a"),
        (service_name, "1web Web"),
        (qualified, "a/b/c /a a/ -a A.com/x"),
        (label_value, "-a a$"),
        (port_name, "80 a--b -a toolongforaportname HTTP"),
        (config_key, "a/b .. ..a"),
        (variable, "a=b"),
        (host, "*a.b * a.*.b"),
        (local_path, "/a a/../b"),
    ];
    for (format, words) in bad {
        words.split(' ').for_each(|word| assert!(!format(word).is_empty(), "{word}"));
    }
}
