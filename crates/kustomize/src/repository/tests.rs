use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{NoRepository, Repository};

/// What is cloned, the directory in it and the ref.
fn parts(raw: &str) -> (String, String, String) {
    let spec = Repository::parse(raw).unwrap_or_else(|e| panic!("{raw}: {e}"));
    (spec.clone_spec(), spec.path, spec.reference)
}

#[test]
fn addresses() {
    for (raw, clone, path, reference) in [
        ("https://github.com/acme/shop", "https://github.com/acme/shop", "", ""),
        ("github.com/acme/shop", "https://github.com/acme/shop", "", ""),
        ("GitHub.com/acme/shop", "https://github.com/acme/shop", "", ""),
        ("github.com:acme/shop", "https://github.com/acme/shop", "", ""),
        ("http://github.com/acme/shop?ref=v1", "https://github.com/acme/shop", "", "v1"),
        ("git@github.com:acme/shop.git", "git@github.com:acme/shop.git", "", ""),
        ("git@github.com/acme/shop/deploy", "git@github.com:acme/shop", "deploy", ""),
        ("ssh://git@github.com/acme/shop//a/b?version=x", "git@github.com:acme/shop", "a/b", "x"),
        ("ssh://github.com/acme/shop", "git@github.com:acme/shop", "", ""),
        ("acme-7@github.com:acme/shop", "acme-7@github.com:acme/shop", "", ""),
        ("git::https://git.acme.test/a/b.git/c?ref=d", "https://git.acme.test/a/b.git", "c", "d"),
        ("GIT::git@git.acme.test:a/b//c", "git@git.acme.test:a/b", "c", ""),
        (
            "https://git.acme.test/group/sub/repo//k8s/dev?ref=main",
            "https://git.acme.test/group/sub/repo",
            "k8s/dev",
            "main",
        ),
        ("https://git.acme.test/group/repo.git//k8s", "https://git.acme.test/group/repo.git", "k8s", ""),
        ("https://git.acme.test/group/repo.git/k8s", "https://git.acme.test/group/repo.git", "k8s", ""),
        ("https://git.acme.test/group/repo/k8s/dev", "https://git.acme.test/group/repo", "k8s/dev", ""),
        (
            "ssh://git@git.acme.test:7999/group/repo.git/x",
            "ssh://git@git.acme.test:7999/group/repo.git",
            "x",
            "",
        ),
        (
            "git@git.acme.test:10022/a/b/repo.git?ref=v0.1.0",
            "git@git.acme.test:10022/a/b/repo.git",
            "",
            "v0.1.0",
        ),
        ("git@git.acme.test/path:to/repo", "git@git.acme.test/path:to/repo", "", ""),
        (
            "https://me@dev.acme.test/org/project/_git/repo/deploy/dev?version=GBmain",
            "https://me@dev.acme.test/org/project/_git/repo",
            "deploy/dev",
            "GBmain",
        ),
        ("https://dev.acme.test/org/_git/repo", "https://dev.acme.test/org/_git/repo", "", ""),
        ("file:///srv/git/repo", "file:///srv/git/repo", "", ""),
        ("file:///srv/git/repo//deploy?ref=b", "file:///srv/git/repo", "deploy", "b"),
        ("file:///srv/git/repo.git/deploy", "file:///srv/git/repo.git", "deploy", ""),
        ("file://git@home/repo//path", "file://git@home/repo", "path", ""),
        ("https://git.acme.test/a/b///c", "https://git.acme.test/a/b", "c", ""),
        ("https://git.acme.test/a/b?ref=feature/x%2By", "https://git.acme.test/a/b", "", "feature/x+y"),
        ("https://git.acme.test/a/b?ref=&version=2", "https://git.acme.test/a/b", "", "2"),
        ("https://git.acme.test/a/b?ref=%zz", "https://git.acme.test/a/b", "", ""),
        ("https://git.acme.test/a/b//x/../y", "https://git.acme.test/a/b", "x/../y", ""),
    ] {
        assert_eq!(parts(raw), (clone.to_string(), path.to_string(), reference.to_string()), "{raw}");
    }
}

#[test]
fn what_is_no_repository() {
    let exits = |path: &str| NoRepository::ExitsRepository { path: path.to_string() };
    for (raw, error) in [
        ("/srv/git/repo", NoRepository::AbsolutePath { raw: "/srv/git/repo".to_string() }),
        ("../base", NoRepository::Scheme),
        ("base", NoRepository::Scheme),
        ("vendor/github.com/acme/shop", NoRepository::Scheme),
        ("gopher://acme.test/a/b", NoRepository::Scheme),
        ("git::", NoRepository::Scheme),
        ("gh:acme/shop", NoRepository::Scheme),
        ("host.acme.test:a/b", NoRepository::Scheme),
        ("https://", NoRepository::Host),
        ("ssh://git.acme.test", NoRepository::RepoPath),
        ("https://acme.test/file.yaml", NoRepository::RepoPath),
        ("https://acme.test?ref=a/b/c", NoRepository::RepoPath),
        ("file:////srv//git", NoRepository::RepoPath),
        ("me@ssh://github.com/acme/shop", NoRepository::RepoPath),
        ("https://acme.test/a/b.git//c/../../d", exits("a/b.git//c/../../d")),
        ("https://acme.test/a/b/..", exits("a/b/..")),
        (
            "https://acme.test/a/b?ref=--upload-pack=x",
            NoRepository::Reference { reference: "--upload-pack=x".to_string() },
        ),
    ] {
        assert_eq!(Repository::parse(raw), Err(error), "{raw}");
    }
}

#[test]
fn the_query() {
    let parse = |query: &str| {
        let spec = Repository::parse(&format!("https://acme.test/a/b?{query}")).expect("it is a repository");
        (spec.submodules, spec.timeout)
    };
    let seconds = |s: f64| Some(Duration::from_secs_f64(s));
    for (query, expected) in [
        ("", (true, None)),
        ("submodules=0", (false, None)),
        ("submodules=False", (false, None)),
        ("submodules=no", (true, None)),
        ("timeout=61", (true, seconds(61.0))),
        ("timeout=1m1s", (true, seconds(61.0))),
        ("timeout=1.5h", (true, seconds(5400.0))),
        ("timeout=0", (true, None)),
        ("timeout=-5", (true, None)),
        ("timeout=soon", (true, None)),
        ("timeout=5&submodules=false&ref=x", (false, seconds(5.0))),
        ("timeout=99999999999999999999h", (true, None)),
    ] {
        assert_eq!(parse(query), expected, "{query}");
    }
}

#[test]
fn what_cannot_be_a_file() {
    for (raw, certain) in [
        ("https://github.com/acme/shop", true),
        ("https://github.com/acme/shop/deploy?ref=v1", true),
        ("https://github.com/acme/shop/releases/download/v1/all.yaml", false),
        ("https://github.com/acme/shop/archive/x", false),
        ("https://raw.acme.test/acme/shop/main/all.yaml", false),
        ("https://git.acme.test/a/b", false),
        ("https://git.acme.test/a/b.git", true),
        ("https://git.acme.test/a/b.git/plain/x.yaml", false),
        ("https://git.acme.test/a/b//c", true),
        ("git@git.acme.test:a/b", true),
    ] {
        assert_eq!(Repository::parse(raw).expect("it is a repository").is_certain(), certain, "{raw}");
    }
}

/// Upstream's own table, where the folder exists: every host with every repository, path and query.
#[test]
fn corpus() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/conformance/kustomize/units/api_internal_git.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: no conformance corpus at {}", file.display());
        return;
    };
    let tables: Value = serde_json::from_str(&text).expect("the table is JSON");
    let rows = |test: &str| {
        let table = tables.as_array().expect("a list").iter().find(|table| table["test"] == test);
        table.expect("the table is there")["rows"].as_array().expect("rows").clone()
    };
    for row in rows("TestNewRepoSpecFromUrlErrors") {
        let (url, wanted) = (row["row"]["url"].as_str().unwrap(), row["row"]["error"].as_str().unwrap());
        let error = Repository::parse(url).expect_err(url).to_string();
        assert!(error.contains(wanted), "{url}: {error}");
    }
    for row in rows("TestNewRepoSpecFromUrl_Permute") {
        let (host, normal) =
            (row["row"]["raw"].as_str().unwrap(), row["row"]["normalized"].as_str().unwrap());
        for repository in ["someOrg/someRepo", "kubernetes/website"] {
            for path in ["README.md", "foo/krusty.txt", ""] {
                for reference in ["someBranch", "master", "v0.1.0", ""] {
                    let separator = if path.is_empty() { "" } else { "/" };
                    let query =
                        if reference.is_empty() { String::new() } else { format!("?ref={reference}") };
                    let raw = format!("{host}{repository}{separator}{path}{query}");
                    let expected = (format!("{normal}{repository}"), path.to_string(), reference.to_string());
                    assert_eq!(parts(&raw), expected, "{raw}");
                }
            }
        }
    }
}
