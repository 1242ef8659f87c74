//! Serves the API from a directory, with a node that runs commands on this machine, for trying kubectl by hand:
//! `cargo run -p apiserver --example serve -- DIR`, then `export KUBECONFIG=DIR/kubeconfig`.

#[path = "../tests/kubectl/bench.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod bench;

#[tokio::main]
async fn main() {
    let dir = std::env::args().nth(1).expect("usage: serve DIR");
    let dir = std::path::PathBuf::from(dir);
    std::fs::create_dir_all(&dir).expect("the directory");
    let bench = bench::start(&dir).await;
    std::fs::write(dir.join("kubeconfig"), &bench.kubeconfig).expect("write the kubeconfig");
    tracing::info!(address = %bench.address, "serving");
    tokio::signal::ctrl_c().await.expect("signals");
    bench.shutdown.cancel();
    bench.served.await.expect("served");
    drop(bench.api);
}
