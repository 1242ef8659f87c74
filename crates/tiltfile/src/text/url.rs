//! URLs as Go's `net/url` reads and writes them: what it lets pass becomes a link.

/// The URL of a link; without a scheme it is `http`.
pub(crate) fn link(written: &str) -> Result<String, String> {
    if written.is_empty() {
        return Err("url empty".to_owned());
    }
    let (main, fragment) = match written.split_once('#') {
        Some((main, fragment)) => (main, Some(fragment)),
        None => (written, None),
    };
    let failed = |url: &str, e: String| format!("parse {}: {e}", crate::call::go_quote(url));
    let mut out = parse(main).map_err(|e| failed(main, e))?;
    if let Some(fragment) = fragment.filter(|f| !f.is_empty()) {
        out.push('#');
        out.push_str(&normal(fragment, false).map_err(|e| failed(written, e))?);
    }
    Ok(out)
}

/// What `link` would say of a URL; an empty one is fine.
pub(crate) fn check(written: &str) -> Result<(), String> {
    if written.is_empty() { Ok(()) } else { link(written).map(|_| ()) }
}

fn parse(url: &str) -> Result<String, String> {
    if url.bytes().any(|c| c.is_ascii_control()) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let (scheme, rest) = scheme(url)?;
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, format!("?{query}")),
        None => (rest, String::new()),
    };
    if !rest.starts_with('/') {
        if let Some(scheme) = scheme {
            return Ok(format!("{scheme}:{rest}{query}"));
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) if scheme.is_some() || !rest.starts_with('/') => {
            rest.split_at(rest.find('/').unwrap_or(rest.len()))
        }
        _ => ("", rest),
    };
    let authority = checked_authority(authority)?;
    let path = normal(path, true)?;
    let slashes = if authority.is_empty() && path.is_empty() { "" } else { "//" };
    let scheme = scheme.unwrap_or_else(|| "http".to_owned());
    Ok(format!("{scheme}:{slashes}{authority}{path}{query}"))
}

/// What stands before the first colon, if it can be a scheme.
fn scheme(url: &str) -> Result<(Option<String>, &str), String> {
    for (i, c) in url.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if i > 0 => {}
            ':' if i == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((Some(url[..i].to_ascii_lowercase()), &url[i + 1..])),
            _ => break,
        }
    }
    Ok((None, url))
}

fn checked_authority(authority: &str) -> Result<String, String> {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let colon_port = if host.starts_with('[') {
        let Some(end) = host.rfind(']') else { return Err("missing ']' in host".to_owned()) };
        &host[end + 1..]
    } else {
        host.rfind(':').map_or("", |colon| &host[colon..])
    };
    let is_port = colon_port.strip_prefix(':').is_some_and(|port| port.bytes().all(|c| c.is_ascii_digit()));
    if !colon_port.is_empty() && !is_port {
        return Err(format!("invalid port {} after host", crate::call::go_quote(colon_port)));
    }
    check_escapes(host)?;
    const HOST: &str = "-_.~!$&'()*+,;=:[]<>\"%";
    let bad = host.chars().find(|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !HOST.contains(*c));
    if let Some(bad) = bad {
        return Err(format!("invalid character {} in host name", crate::call::go_quote(&bad.to_string())));
    }
    if let Some(user) = user {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
        if !user.chars().all(fits) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        check_escapes(user)?;
    }
    let mut out = String::new();
    for c in authority.chars() {
        push(&mut out, c, |c| c.is_ascii());
    }
    Ok(out)
}

/// A path or fragment that is as it should be stays; another is escaped anew.
fn normal(text: &str, is_path: bool) -> Result<String, String> {
    check_escapes(text)?;
    let fits =
        |c: char| c.is_ascii_alphanumeric() || "-_.~$&+,/:;=@!'()*[]%".contains(c) || (!is_path && c == '?');
    if text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    let mut out = String::new();
    for c in text.chars() {
        push(&mut out, c, fits);
    }
    Ok(out)
}

fn push(out: &mut String, c: char, fits: impl Fn(char) -> bool) {
    if fits(c) {
        out.push(c);
        return;
    }
    for byte in c.to_string().bytes() {
        out.push_str(&format!("%{byte:02X}"));
    }
}

fn check_escapes(text: &str) -> Result<(), String> {
    for (i, _) in text.match_indices('%') {
        let escape: String = text[i..].chars().take(3).collect();
        let digits = escape.strip_prefix('%').unwrap_or_default();
        if digits.len() != 2 || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(format!("invalid URL escape {}", crate::call::go_quote(&escape)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    #[test]
    fn links() {
        let mut out = String::new();
        for url in [
            "www.zombo.com",
            "https://x.org/a?b=c#d",
            "localhost:8000",
            "localhost",
            "/foo",
            "a b",
            "http://x.org/a b",
            "HTTP://user:pw@x.org:80/%7Ea",
            "mailto:a@b.c",
            "",
            "127.0.0.1:8000",
            ":x",
            "http://a b/",
            "http://x:port/",
            "http://x/%zz",
            "http://[::1",
            "a\nb",
            "http://ü.org/ü",
        ] {
            let got = super::link(url).unwrap_or_else(|e| format!("error: {e}"));
            writeln!(out, "{url:?} {got}").expect("a String takes all");
        }
        expect_test::expect![[r#"
            "www.zombo.com" http://www.zombo.com
            "https://x.org/a?b=c#d" https://x.org/a?b=c#d
            "localhost:8000" localhost:8000
            "localhost" http://localhost
            "/foo" http:///foo
            "a b" http://a%20b
            "http://x.org/a b" http://x.org/a%20b
            "HTTP://user:pw@x.org:80/%7Ea" http://user:pw@x.org:80/%7Ea
            "mailto:a@b.c" mailto:a@b.c
            "" error: url empty
            "127.0.0.1:8000" error: parse "127.0.0.1:8000": first path segment in URL cannot contain colon
            ":x" error: parse ":x": missing protocol scheme
            "http://a b/" error: parse "http://a b/": invalid character " " in host name
            "http://x:port/" error: parse "http://x:port/": invalid port ":port" after host
            "http://x/%zz" error: parse "http://x/%zz": invalid URL escape "%zz"
            "http://[::1" error: parse "http://[::1": missing ']' in host
            "a\nb" error: parse "a\nb": net/url: invalid control character in URL
            "http://ü.org/ü" http://%C3%BC.org/%C3%BC
        "#]]
        .assert_eq(&out);
    }
}
