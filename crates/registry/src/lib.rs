//! OCI distribution over the content store.
//!
//! The registry keeps nothing of its own: repository `app`, tag `dev` is the image `<first name>/app:dev` of the
//! store, whether it was pushed here, built here or imported. Layers that were made on this machine have no blob
//! until a client asks for one. Uploads that are not finished live as files in the store's `ingest` folder.

mod answer;
mod blobs;
mod manifests;
mod names;
mod routes;
mod uploads;

#[cfg(test)]
mod tests;

use images::Images;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long requests that are being answered may take after the end was asked for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves the store until `shutdown`. `names` are the host:port pairs by which the registry is known
/// (`codex-registry.localhost:5111`, `localhost:5111`), the first of them the one that pushed images are stored under.
pub async fn serve(
    listener: TcpListener,
    images: Images,
    names: Vec<String>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let app = routes::router(routes::Registry::new(images, names));
    let serving =
        axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned()).into_future();
    // A client that stops in the middle of an upload must not hold the daemon.
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        served = serving => served,
        () = patience => Ok(()),
    }
}
