//! Paths as text, with `/` between segments.

/// Without `.` and `x/..`; never empty.
pub(crate) fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => match kept.last() {
                Some(&last) if last != ".." => {
                    kept.pop();
                }
                _ if absolute => {}
                _ => kept.push(".."),
            },
            other => kept.push(other),
        }
    }
    match (absolute, kept.is_empty()) {
        (true, _) => format!("/{}", kept.join("/")),
        (false, true) => ".".to_string(),
        (false, false) => kept.join("/"),
    }
}

pub(crate) fn join(dir: &str, path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { clean(&format!("{dir}/{path}")) }
}

pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a path is a directory or lies below it. Both are clean.
pub(crate) fn is_below(path: &str, dir: &str) -> bool {
    match dir {
        "/" => path.starts_with('/'),
        "." => !path.starts_with('/') && path != ".." && !path.starts_with("../"),
        _ => path == dir || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/')),
    }
}

/// The part of a path below a directory that it lies in.
pub(crate) fn below<'a>(path: &'a str, dir: &str) -> &'a str {
    match dir {
        "." => path,
        _ => path.strip_prefix(dir).unwrap_or(path).trim_start_matches('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::{clean, is_below, join};

    #[test]
    fn paths() {
        for (path, cleaned) in
            [("a/./b/../c", "a/c"), ("../x", "../x"), ("/../x", "/x"), ("", "."), ("a/..", "."), ("/", "/")]
        {
            assert_eq!(clean(path), cleaned);
        }
        assert_eq!(join("a/b", "../../../c"), "../c");
        assert!(is_below("a/b", "a") && is_below("a", "a") && !is_below("ab", "a") && !is_below("../a", "."));
    }
}
