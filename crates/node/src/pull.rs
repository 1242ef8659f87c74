//! Making a container's image available, by its pull policy.

use crate::error::chain;
use crate::shared::Shared;
use images::Image;
use pod::{ImageFailure, PullPolicy};
use std::time::Instant;

/// An image that is here, and what there is to tell about how it came.
pub(crate) struct Available {
    pub(crate) image_id: String,
    pub(crate) told: Option<String>,
}

/// `pulling` is called before anything is asked of a registry.
pub(crate) async fn ensure(
    shared: &Shared,
    name: &str,
    policy: PullPolicy,
    pulling: impl Fn(),
) -> Result<Available, (ImageFailure, String)> {
    let waited = Instant::now();
    let lock = shared.pulls.lock().entry(name.to_owned()).or_default().clone();
    let _one_at_a_time = lock.lock().await;
    let present = shared.images.get(name);
    let here = |image: &Image| Available { image_id: image_id(image), told: None };
    match (&present, policy) {
        (Some(image), PullPolicy::IfNotPresent | PullPolicy::Never) => return Ok(here(image)),
        // The cluster's registry is this store: there is nothing newer elsewhere.
        (Some(image), PullPolicy::Always) if is_local(&image.name) => return Ok(here(image)),
        (None, PullPolicy::Never) => return Err((ImageFailure::NeverPull, String::new())),
        _ => {}
    }
    pulling();
    let started = Instant::now();
    match shared.images.pull(name, |_| {}).await {
        Ok(image) => {
            let told = format!(
                "Successfully pulled image \"{name}\" in {} ({} including waiting). Image size: {} bytes.",
                seconds(started),
                seconds(waited),
                image.size
            );
            Ok(Available { image_id: image_id(&image), told: Some(told) })
        }
        Err(error) => match present {
            // Offline, a developer's image must still start; upstream would refuse.
            Some(image) => {
                let told = format!(
                    "Container image \"{name}\" already present on machine; its registry could not be asked for a newer one: {}",
                    chain(&error)
                );
                Ok(Available { image_id: image_id(&image), told: Some(told) })
            }
            None if matches!(error, images::Error::Reference(_)) => {
                Err((ImageFailure::InvalidName, chain(&error)))
            }
            None => {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                Err((ImageFailure::Pull, format!("{}{hint}", chain(&error))))
            }
        },
    }
}

fn seconds(since: Instant) -> String {
    let millis = since.elapsed().as_millis();
    if millis < 1000 { format!("{millis}ms") } else { format!("{}.{:03}s", millis / 1000, millis % 1000) }
}

/// Registries of this machine.
fn is_local(name: &str) -> bool {
    let host = name.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host == "localhost" || host.ends_with(".localhost") || host == "127.0.0.1"
}

/// `docker.io/library/nginx@sha256:…`
pub(crate) fn image_id(image: &Image) -> String {
    let name = image.name.split('@').next().unwrap_or_default();
    let bare = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(bare, _)| bare);
    format!("{bare}@{}", image.digest)
}
