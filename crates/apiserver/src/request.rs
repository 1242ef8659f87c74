//! What a URL of the API asks for.

use percent_encoding::percent_decode_str;

/// A URL below `/api/v1` or `/apis/GROUP/VERSION`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    /// Empty: all of them, or a cluster-scoped kind.
    pub(crate) namespace: String,
    /// The plural; empty asks for the list of resources.
    pub(crate) plural: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
    /// Of proxies: what follows the subresource.
    pub(crate) rest: String,
    /// The old form `/api/v1/watch/…`.
    pub(crate) watch: bool,
}

/// `None`: the path is none of a group-version.
pub(crate) fn target(path: &str) -> Option<Target> {
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, mut rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let mut target = Target { group: group.into(), version: version.into(), ..Target::default() };
    if let ["watch", tail @ ..] = rest
        && !tail.is_empty()
    {
        target.watch = true;
        rest = tail;
    }
    match rest {
        // A namespace is an object itself, and a place for others.
        ["namespaces", name, sub @ ("status" | "finalize")] if group.is_empty() => {
            target.plural = "namespaces".into();
            target.name = (*name).into();
            target.subresource = (*sub).into();
            return Some(target);
        }
        ["namespaces", namespace, tail @ ..] if !tail.is_empty() => {
            target.namespace = (*namespace).into();
            rest = tail;
        }
        _ => {}
    }
    let part = |index: usize| rest.get(index).copied().unwrap_or_default().to_string();
    target.plural = part(0);
    target.name = part(1);
    target.subresource = part(2);
    target.rest = rest.get(3..).unwrap_or_default().join("/");
    Some(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(path: &str, expected: Expect) {
        let target = target(path).expect("a path of a group-version");
        let Target { group, version, namespace, plural, name, subresource, rest, watch } = target;
        expected.assert_eq(&format!(
            "{group}|{version}|{namespace}|{plural}|{name}|{subresource}|{rest}|{watch}"
        ));
    }

    #[test]
    fn paths() {
        check("/api/v1", expect!["|v1||||||false"]);
        check("/api/v1/namespaces", expect!["|v1||namespaces||||false"]);
        check("/api/v1/namespaces/a", expect!["|v1||namespaces|a|||false"]);
        check("/api/v1/namespaces/a/finalize", expect!["|v1||namespaces|a|finalize||false"]);
        check("/api/v1/namespaces/a/pods/p/log", expect!["|v1|a|pods|p|log||false"]);
        check("/apis/apps/v1/deployments", expect!["apps|v1||deployments||||false"]);
        check(
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            expect!["apps|v1|a|deployments|d|scale||false"],
        );
        check("/api/v1/watch/pods", expect!["|v1||pods||||true"]);
        check("/api/v1/namespaces/a/services/s:80/proxy/x/y", expect!["|v1|a|services|s:80|proxy|x/y|false"]);
        check(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
            expect!["rbac.authorization.k8s.io|v1||clusterroles|system:node|||false"],
        );
        assert_eq!(target("/apis"), None);
        assert_eq!(target("/version"), None);
    }
}
