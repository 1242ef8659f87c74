//! Pulling: manifest, config and layers of the variant for this machine come into the store.

use crate::blobs::touch;
use crate::error::{Error, Result};
use crate::{Image, Images};
use base64::Engine as _;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use oci::{Descriptor, Digest, Manifest, ManifestKind, Reference, media};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference as Remote};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Layers that come at the same time.
const SIDE_BY_SIDE: usize = 3;
/// A broken transfer is begun again this often.
const ATTEMPTS: u32 = 3;

impl Images {
    /// Brings an image from its registry, whether it is here or not. `progress` is told how many bytes have come.
    pub async fn pull(&self, name: &str, progress: impl Fn(u64) + Send + Sync) -> Result<Image> {
        let reference = Reference::parse(name)?;
        // One at a time per name: the second then finds everything here.
        let lock = self.pull_lock(&reference.to_string());
        let _held = lock.lock().await;
        progress(0);
        self.pull_from_registry(&reference, &progress).await.map_err(|failed| match failed {
            Failed::Here(error) => error,
            Failed::There(source) => {
                Error::Pull { name: reference.to_string(), registry: reference.registry.clone(), source }
            }
        })
    }

    async fn pull_from_registry(
        &self,
        reference: &Reference,
        progress: &(impl Fn(u64) + Send + Sync),
    ) -> Result<Image, Failed> {
        // The process may have set a provider itself, which is as good.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let remote = Session::open(reference)?;
        let (top, manifest) = self.pull_manifests(&remote, reference).await?;
        let received = AtomicU64::new(0);
        let parts: Vec<Descriptor> =
            [&manifest.config].into_iter().chain(&manifest.layers).cloned().collect();
        stream::iter(parts)
            .map(|part| self.pull_blob(&remote, part, &received, progress))
            .buffer_unordered(SIDE_BY_SIDE)
            .try_collect::<Vec<()>>()
            .await?;
        let name = reference.to_string();
        let image = self.image(name.clone(), &top)?;
        self.index().update(|names| {
            names.insert(name, top.to_string());
            Ok(())
        })?;
        Ok(image)
    }

    /// The manifest as the registry has it (perhaps an index), and the one for this machine.
    async fn pull_manifests(
        &self,
        remote: &Session,
        reference: &Reference,
    ) -> Result<(Digest, Manifest), Failed> {
        let name = reference.to_string();
        let document = |source| Error::Document { what: format!("the manifest of {name}"), source };
        let bytes = remote.manifest(&remote.reference).await?;
        let top = self.put_blob(&bytes)?;
        if let Some(expected) = &reference.digest
            && *expected != top
        {
            let found = top.to_string();
            return Err(Error::Damaged { what: name, expected: expected.to_string(), found }.into());
        }
        let mut kind = ManifestKind::parse(&bytes).map_err(document)?;
        // An index may hold indexes, though none in the wild goes deeper than one.
        for _ in 0..4 {
            let index = match kind {
                ManifestKind::Manifest(manifest) => return Ok((top, manifest)),
                ManifestKind::Index(index) => index,
            };
            let chosen = self.choose(&name, &index)?.digest.clone();
            let bytes = remote.manifest(&remote.reference.clone_with_digest(chosen.to_string())).await?;
            let found = self.put_blob(&bytes)?;
            if found != chosen {
                let (expected, found) = (chosen.to_string(), found.to_string());
                return Err(Error::Damaged { what: name, expected, found }.into());
            }
            kind = ManifestKind::parse(&bytes).map_err(document)?;
        }
        Err(Failed::There("its index holds indexes without end".into()))
    }

    async fn pull_blob(
        &self,
        remote: &Session,
        part: Descriptor,
        received: &AtomicU64,
        progress: &(impl Fn(u64) + Send + Sync),
    ) -> Result<(), Failed> {
        if touch(&self.blob_path(&part.digest)) || self.has_blob(&part.digest) {
            return Ok(());
        }
        let mut attempt = 1;
        loop {
            let before = received.load(Ordering::Relaxed);
            let failed = match self.pull_blob_once(remote, &part, received, progress).await {
                Ok(()) => return Ok(()),
                Err(Failed::There(cause)) => cause,
                Err(here) => return Err(here),
            };
            if attempt == ATTEMPTS {
                return Err(Failed::There(failed));
            }
            tracing::debug!(digest = %part.digest, error = %failed, attempt, "a layer is fetched again");
            received.store(before, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(300) * attempt).await;
            attempt += 1;
        }
    }

    async fn pull_blob_once(
        &self,
        remote: &Session,
        part: &Descriptor,
        received: &AtomicU64,
        progress: &(impl Fn(u64) + Send + Sync),
    ) -> Result<(), Failed> {
        let wanted = OciDescriptor { digest: part.digest.to_string(), ..OciDescriptor::default() };
        let mut blob = remote.client.pull_blob_stream(&remote.reference, &wanted).await.map_err(there)?;
        let mut writer = self.writer()?;
        while let Some(chunk) = blob.stream.next().await {
            let chunk: Bytes = chunk.map_err(there)?;
            writer.write_all(&chunk).map_err(Error::file("write", &self.blob_path(&part.digest)))?;
            let all = received.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
            progress(all);
        }
        let expected = part.digest.clone();
        crate::import::blocking(move || writer.finish(Some(&expected))).await?;
        Ok(())
    }
}

/// Why a pull failed: on our side, or on the registry's.
enum Failed {
    Here(Error),
    There(Cause),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Here(error)
    }
}

fn there(cause: impl Into<Cause>) -> Failed {
    Failed::There(cause.into())
}

/// A registry that we speak to about one repository.
struct Session {
    client: Client,
    reference: Remote,
    auth: RegistryAuth,
}

impl Session {
    fn open(reference: &Reference) -> Result<Session, Failed> {
        let registry = reference.registry.clone();
        let config = ClientConfig {
            protocol: if reference.is_local() {
                ClientProtocol::HttpsExcept(vec![registry.clone()])
            } else {
                ClientProtocol::Https
            },
            connect_timeout: Some(Duration::from_secs(10)),
            read_timeout: Some(Duration::from_secs(60)),
            user_agent: concat!("coracle/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let remote = match &reference.digest {
            Some(digest) => {
                Remote::with_digest(registry.clone(), reference.repository.clone(), digest.to_string())
            }
            None => {
                let tag = reference.tag.clone().unwrap_or_else(|| "latest".into());
                Remote::with_tag(registry.clone(), reference.repository.clone(), tag)
            }
        };
        let client = Client::try_from(config).map_err(there)?;
        Ok(Session { client, reference: remote, auth: auth(&registry) })
    }

    async fn manifest(&self, reference: &Remote) -> Result<Bytes, Failed> {
        let pulled = self.client.pull_manifest_raw(reference, &self.auth, &media::ALL_MANIFESTS).await;
        pulled.map(|(bytes, _)| bytes).map_err(there)
    }
}

/// The user's login for a registry, if `docker login` wrote it down plainly. Credential helpers are programs of
/// others that may ask questions; images behind them are pulled without a login.
fn auth(registry: &str) -> RegistryAuth {
    let folder = std::env::var_os("DOCKER_CONFIG")
        .map(std::path::PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| std::path::Path::new(&home).join(".docker")));
    let text = folder.and_then(|folder| std::fs::read(folder.join("config.json")).ok());
    text.and_then(|text| login(&text, registry)).unwrap_or(RegistryAuth::Anonymous)
}

fn login(config: &[u8], registry: &str) -> Option<RegistryAuth> {
    let config: serde_json::Value = serde_json::from_slice(config).ok()?;
    let auths = config.get("auths")?.as_object()?;
    let keys: &[&str] = match registry {
        "docker.io" => &["https://index.docker.io/v1/", "index.docker.io", "docker.io"],
        other => &[other],
    };
    let host = |key: &str| {
        key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/').to_owned()
    };
    let entry = keys.iter().find_map(|key| {
        auths
            .get(*key)
            .or_else(|| auths.iter().find(|(known, _)| host(known) == host(key)).map(|(_, entry)| entry))
    })?;
    if let Some(token) = entry.get("registrytoken").and_then(|token| token.as_str()) {
        return Some(RegistryAuth::Bearer(token.to_owned()));
    }
    let encoded = entry.get("auth")?.as_str()?;
    let plain = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let plain = String::from_utf8(plain).ok()?;
    let (user, password) = plain.split_once(':')?;
    Some(RegistryAuth::Basic(user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins() {
        let config = br#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6cGE6c3M="},"https://r.example/":{"registrytoken":"t"},"x":{}}}"#;
        assert_eq!(login(config, "docker.io"), Some(RegistryAuth::Basic("me".into(), "pa:ss".into())));
        assert_eq!(login(config, "r.example"), Some(RegistryAuth::Bearer("t".into())));
        assert_eq!(login(config, "x"), None);
        assert_eq!(login(b"{}", "x"), None);
    }
}
