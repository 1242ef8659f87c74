//! Builds whose steps run in real containers. This program is also the runtime's roles, so it has a `main` of its own.
//! Needs root; says so and passes where it has not.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, though the compiler does not know it as one"
)]

use builder::{BuildEvent, BuildRequest, Builder};
use images::Images;
use oci::RunConfig;
use runtime::{Runtime, RuntimeConfig};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if let Some(code) = runtime::run_role(&args) {
        return code;
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: containers of builds need root here");
        return ExitCode::SUCCESS;
    }
    let tokio = tokio::runtime::Runtime::new().unwrap();
    tokio.block_on(builds());
    println!("test builds_in_real_containers ... ok");
    ExitCode::SUCCESS
}

/// An image of this machine's shell and what it is linked with.
fn base(images: &Images, folder: &Path) {
    let tree = folder.join("base");
    let linked = Command::new("ldd").arg("/bin/sh").output().unwrap();
    let text = String::from_utf8(linked.stdout).unwrap();
    let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain(["/bin/sh"]) {
        let to = tree.join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
    fs::create_dir_all(tree.join("gone")).unwrap();
    fs::write(tree.join("gone/file"), "x").unwrap();
    let layer = images.adopt_layer(&tree).unwrap();
    images.import_rootfs(images.open_blob(&layer.diff_id).unwrap(), "base", RunConfig::default()).unwrap();
}

async fn builds() {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(&folder.path().join("store")).unwrap();
    base(&images, folder.path());
    fs::create_dir(folder.path().join("context")).unwrap();
    fs::write(folder.path().join("context/a"), "from the context").unwrap();
    let config = RuntimeConfig {
        root: folder.path().join("runtime"),
        cgroup: format!("coracle-builder-test-{}", std::process::id()),
    };
    let runtime = Runtime::start(config).await.unwrap();
    let builder = Builder::new(images.clone(), runtime.clone(), folder.path().join("builder"));
    builder.recover().await.unwrap();

    steps_make_layers(&builder, &images, folder.path()).await;
    a_failure_shows_its_output(&builder, folder.path()).await;
    a_stopped_build_leaves_nothing(&builder, &runtime, folder.path()).await;
    runtime.remove_all().await.unwrap();
    assert_eq!(fs::read_dir(images.root().join("ingest")).unwrap().count(), 0, "nothing is left half made");
}

fn request(folder: &Path, dockerfile: &str) -> BuildRequest {
    BuildRequest {
        context: folder.join("context"),
        dockerfile: dockerfile.to_owned(),
        dockerfile_path: PathBuf::from("Dockerfile"),
        ignore: None,
        args: BTreeMap::new(),
        target: None,
        tags: vec!["built".into()],
        labels: BTreeMap::new(),
        no_cache: false,
        host_trust: true,
    }
}

async fn build(builder: &Builder, request: BuildRequest) -> (Result<images::Image, builder::Error>, String) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1000);
    let built = builder.build(request, sender).await;
    let mut text = String::new();
    while let Some(event) = receiver.recv().await {
        if let BuildEvent::Output { text: more } = event {
            text += &more;
        }
    }
    (built, text)
}

async fn steps_make_layers(builder: &Builder, images: &Images, folder: &Path) {
    let file = "FROM base\nCOPY a /a\nRUN --mount=type=bind,source=a,target=/m/a --mount=type=tmpfs,target=/t \\\n  read -r text </m/a || echo \"$text\"; echo \"$text\" >/out; echo x >/t/x\nRUN <<EOF\necho one >&2\necho two >/two\nEOF\n";
    let (built, output) = build(builder, request(folder, file)).await;
    let image = built.unwrap();
    assert_eq!(output, "from the context\none\n");
    let layers = images.rootfs(&image).await.unwrap().layers;
    let names = |layer: &Path| {
        let mut names: Vec<String> = fs::read_dir(layer)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().display().to_string())
            .collect();
        names.sort();
        names
    };
    // What was mounted or lent left no trace.
    assert_eq!((names(&layers[2]), names(&layers[3])), (vec!["out".to_owned()], vec!["two".to_owned()]));
    assert_eq!(fs::read_to_string(layers[2].join("out")).unwrap(), "from the context\n");

    let (again, output) = build(builder, request(folder, file)).await;
    assert_eq!((again.unwrap().digest, output.as_str()), (image.digest, ""));
}

async fn a_failure_shows_its_output(builder: &Builder, folder: &Path) {
    let (built, _) = build(builder, request(folder, "FROM base\nRUN echo before; nonsense\n")).await;
    let error = built.unwrap_err();
    assert_eq!(error.line(), Some(2));
    let text = error.to_string();
    assert!(text.contains("exit code 127") && text.contains("before") && text.contains("nonsense"), "{text}");
    assert!(error.hint().unwrap().starts_with("nonsense is not in the image"), "{:?}", error.hint());
}

async fn a_stopped_build_leaves_nothing(builder: &Builder, runtime: &Runtime, folder: &Path) {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1000);
    let file = "FROM base\nRUN echo running; while :; do read -r x </dev/zero; done\n";
    let build = builder.build(request(folder, file), sender);
    let runs = async {
        while let Some(event) = receiver.recv().await {
            if matches!(&event, BuildEvent::Output { text } if text.contains("running")) {
                return;
            }
        }
    };
    tokio::select! {
        built = build => panic!("it ended: {built:?}"),
        () = runs => {}
    }
    // The container goes in the background; nobody waits for it but us.
    let all_gone = async {
        while !runtime.containers().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all_gone).await.expect("the container is removed");
}
