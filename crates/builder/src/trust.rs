//! What the host knows about reaching package registries, lent to a step and never stored in the image.
//!
//! Companies put proxies with certificates of their own, and mirrors, between a
//! machine and the registries. A step gets the host's CA bundle, proxies, and the registry settings of pip, uv, npm
//! and yarn. Files come in a layer *under* the step's writable one, not as mounts: a step that installs
//! `ca-certificates` replaces the bundle by a rename, which a mount would forbid, and what the step does not touch
//! leaves no trace.

use images::View;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Where a step finds the host's files.
const FOLDER: &str = "run/coracle";
const BUNDLE: &str = "/run/coracle/ca-certificates.crt";

/// Bundles where distributions keep them; the first is where Debian, Ubuntu and Alpine do.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Variables that name a CA bundle, each for the tools that read it.
const BUNDLE_VARIABLES: [&str; 12] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cafile",
    "YARN_HTTPS_CA_FILE_PATH",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
    "NIX_SSL_CERT_FILE",
    "DENO_CERT",
];

/// Settings that say where packages come from and how to get there. Others of the same tools say where they are put
/// or how the host is laid out (`npm_config_prefix`, `PIP_TARGET`), and would break a step.
const PIP: [&str; 10] = [
    "INDEX_URL",
    "EXTRA_INDEX_URL",
    "TRUSTED_HOST",
    "FIND_LINKS",
    "NO_INDEX",
    "PROXY",
    "TIMEOUT",
    "DEFAULT_TIMEOUT",
    "RETRIES",
    "DISABLE_PIP_VERSION_CHECK",
];
const NPM: [&str; 10] = [
    "REGISTRY",
    "PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NOPROXY",
    "STRICT_SSL",
    "FETCH_RETRIES",
    "FETCH_TIMEOUT",
    "FETCH_RETRY_MINTIMEOUT",
    "FETCH_RETRY_MAXTIMEOUT",
];
const UV: [&str; 9] = [
    "INDEX_URL",
    "DEFAULT_INDEX",
    "EXTRA_INDEX_URL",
    "INDEX",
    "FIND_LINKS",
    "INSECURE_HOST",
    "HTTP_TIMEOUT",
    "PYTHON_INSTALL_MIRROR",
    "KEYRING_PROVIDER",
];

/// What a command in a running container is lent: the same as a build step gets.
#[derive(Debug, Clone, Default)]
pub struct Lent {
    pub env: Vec<(String, String)>,
    /// Absolute paths in the container, all of them below `/run/coracle`.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Reads the host's settings anew: they are small, and may have changed.
pub fn lend() -> Lent {
    let trust = Trust::of_host();
    let file = |name: &str, content: Option<Vec<u8>>| Some((format!("/{FOLDER}/{name}"), content?));
    let files = [
        file("ca-certificates.crt", trust.bundle),
        file("pip.conf", trust.pip.map(String::into_bytes)),
        file("npmrc", trust.npm.map(String::into_bytes)),
    ];
    Lent { env: trust.env.into_iter().collect(), files: files.into_iter().flatten().collect() }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    pub(crate) env: BTreeMap<String, String>,
    bundle: Option<Vec<u8>>,
    pip: Option<String>,
    npm: Option<String>,
}

impl Trust {
    /// What this process's environment and the host's files say.
    pub(crate) fn of_host() -> Trust {
        let env: BTreeMap<String, String> = std::env::vars().collect();
        let home = env.get("HOME").cloned().unwrap_or_else(|| "/root".into());
        let bundle_path = env.get("SSL_CERT_FILE").map(String::as_str).into_iter().chain(BUNDLES);
        let bundle = bundle_path.filter_map(|path| fs::read(path).ok()).find(|bytes| !bytes.is_empty());
        let pip = [
            "/etc/pip.conf".to_owned(),
            format!("{home}/.pip/pip.conf"),
            format!("{home}/.config/pip/pip.conf"),
        ];
        let npm = [
            "/etc/npmrc".to_owned(),
            "/usr/etc/npmrc".to_owned(),
            "/usr/local/etc/npmrc".to_owned(),
            format!("{home}/.npmrc"),
        ];
        let read = |paths: &[String]| paths.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
        let (pip, npm): (Vec<String>, Vec<String>) = (read(&pip), read(&npm));
        Trust::new(&env, bundle, &pip, &npm)
    }

    /// `pip` and `npm`: settings files, weakest first.
    fn new(env: &BTreeMap<String, String>, bundle: Option<Vec<u8>>, pip: &[String], npm: &[String]) -> Trust {
        // A folder of the host is not in the step.
        let is_path =
            |name: &str, value: &str| name.ends_with("FIND_LINKS") && value.starts_with(['/', '.', '~']);
        let passed = env.iter().filter(|(name, value)| is_passed(name) && !is_path(name, value));
        let mut trust = Trust {
            env: passed.map(|(name, value)| (name.clone(), value.clone())).collect(),
            bundle,
            pip: pip_settings(pip),
            npm: npm_settings(npm),
        };
        if trust.bundle.is_some() {
            for name in BUNDLE_VARIABLES {
                trust.env.insert(name.to_owned(), BUNDLE.to_owned());
            }
        }
        if trust.pip.is_some() {
            trust.env.insert("PIP_CONFIG_FILE".into(), format!("/{FOLDER}/pip.conf"));
        }
        if trust.npm.is_some() {
            // The weakest of npm's files: an `.npmrc` in the image or the project still wins.
            trust.env.insert("npm_config_globalconfig".into(), format!("/{FOLDER}/npmrc"));
        }
        trust
    }

    /// Makes the layer that a step over `view` gets. False: nothing to lend.
    pub(crate) fn layer(&self, view: &View, into: &Path) -> io::Result<bool> {
        if self.bundle.is_none() && self.pip.is_none() && self.npm.is_none() {
            return Ok(false);
        }
        fs::create_dir_all(into)?;
        for (name, content) in [("pip.conf", &self.pip), ("npmrc", &self.npm)] {
            if let Some(content) = content {
                write(view, into, &format!("/{FOLDER}/{name}"), content.as_bytes())?;
            }
        }
        let Some(bundle) = &self.bundle else { return Ok(true) };
        write(view, into, BUNDLE, bundle)?;
        for (number, path) in BUNDLES.iter().enumerate() {
            // Where the image has a bundle, tools look at it; the first place is looked at even before it exists.
            if number == 0 || view.follow(Path::new(path)).is_some() {
                write(view, into, path, bundle)?;
            }
        }
        Ok(true)
    }
}

/// Writes a file where a container over `view` will see it, in folders that have the attributes that they have there.
pub(crate) fn write(view: &View, into: &Path, path: &str, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::{PermissionsExt as _, lchown};
    let Some(inside) = view.resolve(Path::new(path)) else { return Ok(()) };
    let parents: Vec<&Path> =
        inside.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
    for parent in parents.into_iter().rev() {
        let folder = into.join(parent);
        if folder.exists() {
            continue;
        }
        fs::create_dir(&folder)?;
        if let Some(node) = view.get(parent) {
            lchown(&folder, Some(node.uid), Some(node.gid))?;
            fs::set_permissions(&folder, fs::Permissions::from_mode(node.mode))?;
        }
    }
    fs::write(into.join(&inside), bytes)
}

fn is_passed(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let proxies = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "FTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "GOPROXY",
        "GONOSUMDB",
        "GOSUMDB",
    ];
    proxies.contains(&upper.as_str())
        || name.strip_prefix("PIP_").is_some_and(|rest| PIP.contains(&rest))
        || upper
            .strip_prefix("NPM_CONFIG_")
            .is_some_and(|rest| NPM.contains(&rest) || rest.ends_with(":REGISTRY"))
        || name.strip_prefix("UV_").is_some_and(|rest| {
            // UV_INDEX_<NAME>_USERNAME and _PASSWORD.
            UV.contains(&rest)
                || (rest.starts_with("INDEX_")
                    && (rest.ends_with("_USERNAME") || rest.ends_with("_PASSWORD")))
        })
        || matches!(name, "YARN_REGISTRY" | "YARN_NPM_REGISTRY_SERVER")
}

/// pip's settings files as one: pip refuses a file in which a section comes twice.
fn pip_settings(files: &[String]) -> Option<String> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for text in files {
        let (mut section, mut last) = (String::from("global"), String::new());
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if line.starts_with([' ', '\t']) && !last.is_empty() {
                // A value that goes on on the next line.
                if let Some(value) = sections.entry(section.clone()).or_default().get_mut(&last) {
                    value.push_str("\n    ");
                    value.push_str(trimmed);
                }
            } else if let Some((key, value)) = trimmed.split_once(['=', ':']) {
                let key = key.trim().to_ascii_lowercase().replace('_', "-");
                let known = key.to_ascii_uppercase().replace('-', "_");
                last.clear();
                if PIP.contains(&known.as_str()) {
                    sections.entry(section.clone()).or_default().insert(key.clone(), value.trim().to_owned());
                    last = key;
                }
            }
        }
    }
    sections.retain(|_, settings| !settings.is_empty());
    let text = sections.iter().map(|(name, settings)| {
        let lines: String = settings.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        format!("[{name}]\n{lines}")
    });
    (!sections.is_empty()).then(|| text.collect())
}

/// Of npm's settings only those about registries, proxies and access to them.
fn npm_settings(files: &[String]) -> Option<String> {
    let mut settings: BTreeMap<&str, &str> = BTreeMap::new();
    for line in files.iter().flat_map(|text| text.lines()) {
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        let upper = key.to_ascii_uppercase().replace('-', "_");
        if NPM.contains(&upper.as_str())
            || key.starts_with("//")
            || (key.starts_with('@') && key.ends_with(":registry"))
        {
            settings.insert(key, value);
        }
    }
    let lines: String = settings.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    (!lines.is_empty()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn only_what_leads_to_registries_is_lent() {
        let env = [
            ("PATH", "/bin"),
            ("https_proxy", "http://p"),
            ("PIP_INDEX_URL", "https://i"),
            ("PIP_TARGET", "/x"),
            ("npm_config_prefix", "/x"),
            ("NPM_CONFIG_REGISTRY", "https://n"),
            ("UV_CACHE_DIR", "/x"),
            ("UV_INDEX_MY_PASSWORD", "p"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let pip = [
            "[global]\nindex-url = https://a\ntarget = /x\nextra_index_url =\n    https://b\n    https://c\n"
                .to_owned(),
            "[global]\nindex-url: https://d\n[install]\nuser = yes\n".to_owned(),
        ];
        let npm = ["registry=https://r\nprefix=/x\n//r/:_authToken=t\n@me:registry = https://m\n".to_owned()];
        let trust = Trust::new(&env, None, &pip, &npm);
        let lines: String = trust.env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        expect![[r#"
            NPM_CONFIG_REGISTRY=https://n
            PIP_CONFIG_FILE=/run/coracle/pip.conf
            PIP_INDEX_URL=https://i
            UV_INDEX_MY_PASSWORD=p
            https_proxy=http://p
            npm_config_globalconfig=/run/coracle/npmrc
        "#]]
        .assert_eq(&lines);
        expect![[r#"
            [global]
            extra-index-url = 
                https://b
                https://c
            index-url = https://d
        "#]]
        .assert_eq(&trust.pip.unwrap());
        expect![[r#"
            //r/:_authToken=t
            @me:registry=https://m
            registry=https://r
        "#]]
        .assert_eq(&trust.npm.unwrap());
    }

    #[test]
    fn the_bundle_lies_where_the_image_looks() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        fs::create_dir_all(image.join("etc/pki/real")).unwrap();
        fs::create_dir_all(image.join("etc/ssl")).unwrap();
        fs::write(image.join("etc/pki/real/bundle.pem"), "theirs").unwrap();
        std::os::unix::fs::symlink("../pki/real/bundle.pem", image.join("etc/ssl/cert.pem")).unwrap();
        let trust = Trust::new(&BTreeMap::new(), Some(b"ours".to_vec()), &[], &[]);
        let into = folder.path().join("layer");
        assert!(trust.layer(&View::new(vec![image]), &into).unwrap());
        for path in [
            "etc/pki/real/bundle.pem",
            "etc/ssl/certs/ca-certificates.crt",
            "run/coracle/ca-certificates.crt",
        ] {
            assert_eq!(fs::read_to_string(into.join(path)).unwrap(), "ours", "{path}");
        }
        assert!(!into.join("etc/ssl/cert.pem").exists());
        assert_eq!(trust.env["SSL_CERT_FILE"], "/run/coracle/ca-certificates.crt");
    }
}
