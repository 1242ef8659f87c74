//! The registry by example, over a socket of its own.

use crate::routes::{Target, target};
use crate::serve;
use bytes::Bytes;
use expect_test::{Expect, expect};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use images::Images;
use oci::{Descriptor, Digest, Manifest, RunConfig, media};
use std::net::SocketAddr;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

struct Bench {
    images: Images,
    address: SocketAddr,
    shutdown: CancellationToken,
    _folder: TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let names = vec!["reg.localhost:5111".to_owned(), "localhost:5111".to_owned()];
    tokio::spawn(serve(listener, images.clone(), names, shutdown.clone()));
    Bench { images, address, shutdown, _folder: folder }
}

impl Bench {
    /// Status, the headers that matter, and the body.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, String, Vec<u8>) {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response =
            client.request(request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let mut shown = String::new();
        for name in ["content-type", "location", "range", "content-range", "docker-content-digest", "link"] {
            if let Some(value) = response.headers().get(name) {
                shown += &format!("{name}: {}\n", value.to_str().unwrap());
            }
        }
        let body = response.into_body().collect().await.unwrap().to_bytes().to_vec();
        (status, shown, body)
    }

    async fn check(&self, method: &str, path: &str, body: &[u8], expect: Expect) {
        let (status, headers, body) = self.ask(method, path, &[], body).await;
        let body = String::from_utf8_lossy(&body);
        expect.assert_eq(
            &format!("{status}\n{headers}{body}").replace(&format!("-{:x}", std::process::id()), "-PID"),
        );
    }

    fn image(&self, name: &str) -> images::Image {
        let scratch = self.images.scratch().unwrap();
        let tree = scratch.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(tree.join("file"), "content").unwrap();
        std::fs::File::open(tree.join("file"))
            .unwrap()
            .set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        let layer = self.images.adopt_layer(&tree).unwrap();
        let mut config = oci::ImageConfig { config: RunConfig::default(), ..Default::default() };
        config.rootfs.diff_ids.push(layer.diff_id.clone());
        let layer = Descriptor::new(media::OCI_LAYER, layer.diff_id, layer.size);
        self.images.put_image(&[name], &config, vec![layer]).unwrap()
    }
}

#[test]
fn paths() {
    for (path, wanted) in [
        ("/v2", Some(Target::Base)),
        ("/v2/", Some(Target::Base)),
        ("/v2/_catalog", Some(Target::Catalog)),
        ("/v2/a/b/tags/list", Some(Target::Tags { repository: "a/b" })),
        ("/v2/a/b/manifests/dev", Some(Target::Manifest { repository: "a/b", reference: "dev" })),
        ("/v2/a/blobs/sha256:1", Some(Target::Blob { repository: "a", digest: "sha256:1" })),
        ("/v2/a/blobs/uploads/", Some(Target::Uploads { repository: "a" })),
        ("/v2/a/blobs/uploads/7", Some(Target::Upload { repository: "a", id: "7" })),
        ("/v1/", None),
        ("/v2/a", None),
    ] {
        assert_eq!(target(path), wanted, "{path}");
    }
}

#[tokio::test]
async fn an_image_that_was_made_here_can_be_pulled() {
    let bench = bench().await;
    let image = bench.image("localhost:5111/app:dev");
    bench
        .check(
            "GET",
            "/v2/",
            b"",
            expect![[r#"
        200
        content-type: application/json
        {}"#]],
        )
        .await;
    bench
        .check(
            "HEAD",
            "/v2/app/manifests/dev",
            b"",
            expect![[r#"
        200
        content-type: application/vnd.oci.image.manifest.v1+json
        docker-content-digest: sha256:9385c0305067fad235fd2ec313dd54a5003f8dc159f48c3695bec6c4b3fdf009
    "#]],
        )
        .await;
    bench.check("GET", "/v2/app/manifests/dev", b"", expect![[r#"
        200
        content-type: application/vnd.oci.image.manifest.v1+json
        docker-content-digest: sha256:9385c0305067fad235fd2ec313dd54a5003f8dc159f48c3695bec6c4b3fdf009
        {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:78a74c7381463de184f0e6d487e65485e3ce6ff8da97a3758db6ce870e15ef58","size":153},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:1028fde72e00d91b42ea186079258c5b51d74671dd7913d7ef80b5b487c4fa40","size":2048}]}"#]]).await;
    bench
        .check(
            "GET",
            "/v2/app/tags/list",
            b"",
            expect![[r#"
        200
        content-type: application/json
        {"name":"app","tags":["dev"]}"#]],
        )
        .await;
    bench
        .check(
            "GET",
            "/v2/_catalog",
            b"",
            expect![[r#"
        200
        content-type: application/json
        {"repositories":["app"]}"#]],
        )
        .await;
    bench
        .check(
            "GET",
            "/v2/app/manifests/other",
            b"",
            expect![[r#"
        404
        content-type: application/json
        {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest app:other is not here","detail":null}]}"#]],
        )
        .await;
    bench
        .check(
            "GET",
            "/v2/none/tags/list",
            b"",
            expect![[r#"
        404
        content-type: application/json
        {"errors":[{"code":"NAME_UNKNOWN","message":"there is no repository none","detail":null}]}"#]],
        )
        .await;
    let (layer, _) = bench.images.layers_of(&image).unwrap().remove(0);
    let (status, _, body) = bench.ask("GET", &format!("/v2/app/blobs/{layer}"), &[], b"").await;
    assert_eq!((status, Digest::of(&body)), (200, layer.clone()));
    let (status, headers, part) =
        bench.ask("GET", &format!("/v2/app/blobs/{layer}"), &[("range", "bytes=512-518")], b"").await;
    assert_eq!((status, part.as_slice()), (206, &b"content"[..]), "{headers}");
    assert_eq!(
        bench.ask("GET", &format!("/v2/app/blobs/{layer}"), &[("range", "bytes=9999999-")], b"").await.0,
        416
    );
    assert_eq!(bench.ask("DELETE", "/v2/app/manifests/dev", &[], b"").await.0, 202);
    assert!(bench.images.get("localhost:5111/app:dev").is_none());
}

#[tokio::test]
async fn pushing() {
    let bench = bench().await;
    let layer = {
        let image = bench.image("seed:1");
        let (diff_id, _) = bench.images.layers_of(&image).unwrap().remove(0);
        std::fs::read(bench.images.materialise(&diff_id).unwrap()).unwrap()
    };
    let digest = Digest::of(&layer);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{digest}"]}}}}"#
    );
    let config_digest = Digest::of(config.as_bytes());
    let manifest = serde_json::to_vec(&Manifest::new(
        Descriptor::new(media::OCI_CONFIG, config_digest.clone(), config.len() as u64),
        vec![Descriptor::new(media::OCI_LAYER, digest.clone(), layer.len() as u64)],
    ))
    .unwrap();

    // The config is not here yet.
    assert_eq!(bench.ask("PUT", "/v2/team/app/manifests/v1", &[], &manifest).await.0, 404);
    // In one piece.
    assert_eq!(
        bench
            .ask(
                "POST",
                &format!("/v2/team/app/blobs/uploads/?digest={}", config_digest.as_str().replace(':', "%3A")),
                &[],
                config.as_bytes()
            )
            .await
            .0,
        201
    );
    // In chunks, with one that is out of order.
    let other = b"some other blob";
    bench
        .check(
            "POST",
            "/v2/team/app/blobs/uploads/",
            b"",
            expect![[r#"
        202
        location: /v2/team/app/blobs/uploads/0000000000000000-PID
        range: 0-0
    "#]],
        )
        .await;
    let place = format!("/v2/team/app/blobs/uploads/0000000000000000-{:x}", std::process::id());
    assert_eq!(bench.ask("PATCH", &place, &[("content-range", "0-3")], &other[..4]).await.0, 202);
    assert_eq!(bench.ask("PATCH", &place, &[("content-range", "9-12")], &other[9..]).await.0, 416);
    bench
        .check(
            "GET",
            &place,
            b"",
            expect![[r#"
        204
        location: /v2/team/app/blobs/uploads/0000000000000000-PID
        range: 0-3
    "#]],
        )
        .await;
    let finish = format!("{place}?digest={}", Digest::of(other));
    assert_eq!(bench.ask("PUT", &finish, &[], &other[4..]).await.0, 201);
    assert_eq!(bench.ask("PUT", &finish, &[], b"").await.0, 404);
    // A layer that is here is not sent again.
    assert_eq!(
        bench.ask("POST", &format!("/v2/team/app/blobs/uploads/?mount={digest}&from=x"), &[], b"").await.0,
        201
    );
    assert_eq!(bench.ask("PUT", "/v2/team/app/manifests/v1", &[], &manifest).await.0, 201);
    let image = bench.images.get("reg.localhost:5111/team/app:v1").unwrap();
    assert_eq!(image.config_digest, config_digest.as_str());
    assert_eq!(bench.ask("HEAD", &format!("/v2/team/app/manifests/{}", image.digest), &[], b"").await.0, 200);
    // A wrong digest, a damaged blob, a bad name.
    assert_eq!(bench.ask("PUT", &format!("/v2/team/app/manifests/{digest}"), &[], &manifest).await.0, 400);
    assert_eq!(
        bench.ask("POST", &format!("/v2/team/app/blobs/uploads/?digest={digest}"), &[], b"x").await.0,
        400
    );
    assert_eq!(bench.ask("POST", "/v2/Team/App/blobs/uploads/", &[], b"").await.0, 400);
    assert_eq!(bench.ask("PATCH", "/v2/a/blobs/uploads/none", &[], b"x").await.0, 404);
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let bench = bench().await;
    for tag in ["a", "b", "c"] {
        bench.image(&format!("reg.localhost:5111/app:{tag}"));
    }
    bench
        .check(
            "GET",
            "/v2/app/tags/list?n=2",
            b"",
            expect![[r#"
        200
        content-type: application/json
        link: </v2/app/tags/list?n=2&last=b>; rel="next"
        {"name":"app","tags":["a","b"]}"#]],
        )
        .await;
    bench
        .check(
            "GET",
            "/v2/app/tags/list?n=2&last=b",
            b"",
            expect![[r#"
        200
        content-type: application/json
        {"name":"app","tags":["c"]}"#]],
        )
        .await;
}

#[tokio::test]
async fn another_store_pulls_from_it() {
    let bench = bench().await;
    let image = bench.image("localhost:5111/app:dev");
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(folder.path()).unwrap();
    let bytes = std::sync::atomic::AtomicU64::new(0);
    let name = format!("127.0.0.1:{}/app:dev", bench.address.port());
    let pulled =
        images.pull(&name, |all| bytes.store(all, std::sync::atomic::Ordering::Relaxed)).await.unwrap();
    assert_eq!((pulled.name.as_str(), &pulled.digest), (name.as_str(), &image.digest));
    assert!(bytes.into_inner() > 2000);
    let rootfs = images.rootfs(&pulled).await.unwrap();
    assert_eq!(std::fs::read_to_string(rootfs.layers[0].join("file")).unwrap(), "content");

    let missing = images.pull(&name.replace("dev", "none"), |_| ()).await.unwrap_err();
    assert!(
        missing.to_string().ends_with(&format!("cannot be pulled from 127.0.0.1:{}", bench.address.port())),
        "{missing}"
    );
    assert!(missing.hint().unwrap().contains("coracle image import"));
}
