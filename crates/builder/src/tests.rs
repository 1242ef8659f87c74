//! Builds by example, with a fake in the runtime's place: its commands are words that write files.

use crate::runner::{Command, Runner};
use crate::{BuildEvent, BuildRequest, Builder, Locks};
use expect_test::{Expect, expect};
use images::{Images, Kind, View};
use oci::RunConfig;
use parking_lot::Mutex;
use runtime::Exit;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Understands `write PATH TEXT`, `env NAME PATH`, `say TEXT`, `fail CODE`, separated by `;`.
#[derive(Clone)]
pub(crate) struct Fake {
    root: PathBuf,
    ran: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(crate) fn run(&self, command: &Command) -> (Exit, PathBuf) {
        let upper = self.root.join(&command.id);
        fs::create_dir_all(&upper).unwrap();
        let script = command.args.last().unwrap();
        self.ran.lock().push(script.clone());
        let mut code = 0;
        for part in script.split(';') {
            let words: Vec<&str> = part.trim().splitn(3, ' ').collect();
            let path = |text: &str| {
                let path = upper.join(text.trim_start_matches('/'));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                path
            };
            match words.as_slice() {
                ["write", to, text] => fs::write(path(to), text).unwrap(),
                ["env", name, to] => {
                    let value =
                        command.env.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
                    fs::write(path(to), value).unwrap();
                }
                ["say", rest @ ..] => fs::write(&command.log, rest.join(" ") + "\n").unwrap(),
                ["fail", number] => code = number.parse().unwrap(),
                ["nothing"] => {}
                other => panic!("{other:?}"),
            }
        }
        let exit = Exit {
            code,
            signal: None,
            oom_killed: false,
            started_at: String::new(),
            finished_at: String::new(),
            error: None,
        };
        (exit, upper)
    }

    pub(crate) fn remove(&self, id: &str) {
        let _gone = fs::remove_dir_all(self.root.join(id));
    }
}

struct Bench {
    folder: TempDir,
    images: Images,
    builder: Builder,
    ran: Arc<Mutex<Vec<String>>>,
}

/// A store with the image `base` (user `app`, a symlink `/link` to `/real`), and a context.
fn bench(context: &[(&str, &str)]) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let images = Images::open(&folder.path().join("store")).unwrap();
    let scratch = images.scratch().unwrap();
    let tree = scratch.path().join("tree");
    for path in ["etc", "real", "tmp"] {
        fs::create_dir_all(tree.join(path)).unwrap();
    }
    fs::set_permissions(tree.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:7:8::/home/app:/bin/sh\n").unwrap();
    symlink("real", tree.join("link")).unwrap();
    let layer = images.adopt_layer(&tree).unwrap();
    let tar = images.open_blob(&layer.diff_id).unwrap();
    let config =
        RunConfig { env: vec!["FROM_BASE=1".into()], cmd: vec!["base".into()], ..RunConfig::default() };
    images.import_rootfs(tar, "base", config).unwrap();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let runner = Runner::Fake(Fake { root: folder.path().join("containers"), ran: ran.clone() });
    let root = folder.path().join("builder");
    let builder = Builder { images: images.clone(), runner, root, locks: Locks::default() };
    let bench = Bench { folder, images, builder, ran };
    fs::create_dir_all(bench.context()).unwrap();
    context.iter().for_each(|(name, text)| bench.put(name, text));
    bench
}

impl Bench {
    fn context(&self) -> PathBuf {
        self.folder.path().join("context")
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.context().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn request(&self, dockerfile: &str) -> BuildRequest {
        BuildRequest {
            context: self.context(),
            dockerfile: dockerfile.to_owned(),
            dockerfile_path: self.context().join("Dockerfile"),
            ignore: None,
            args: BTreeMap::new(),
            target: None,
            tags: vec!["localhost:5000/app:dev".into()],
            labels: BTreeMap::new(),
            no_cache: false,
            host_trust: false,
        }
    }

    async fn build(&self, request: BuildRequest) -> (Result<images::Image, crate::Error>, String) {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1000);
        let built = self.builder.build(request, sender).await;
        let mut log = String::new();
        while let Some(event) = receiver.recv().await {
            log += &match event {
                BuildEvent::Step { number, of, text } => format!("{number}/{of} {text}\n"),
                BuildEvent::Cached { number } => format!("{number} cached\n"),
                BuildEvent::Output { text } => format!("> {text}"),
                BuildEvent::Done { number, .. } => format!("{number} done\n"),
                BuildEvent::Pull { name, .. } => format!("pull {name}\n"),
                BuildEvent::Built { image, cached, .. } => format!("built {image} cached={cached}\n"),
                BuildEvent::Failed { message, line, hint } => {
                    format!("failed at {line:?}: {message} (hint: {})\n", hint.unwrap_or_default())
                }
            };
        }
        (built, log)
    }

    /// The image's files, but for those of its base.
    async fn files(&self, image: &images::Image) -> String {
        let rootfs = self.images.rootfs(image).await.unwrap();
        let view = View::new(rootfs.layers);
        let mut out = String::new();
        list(&view, &view.get(Path::new("")).unwrap(), "", &mut out);
        out
    }

    async fn check(&self, dockerfile: &str, expect: Expect) {
        let (built, log) = self.build(self.request(dockerfile)).await;
        let shown = match built {
            Ok(image) => self.files(&image).await,
            Err(_) => log
                .lines()
                .rev()
                .take_while(|line| !line.ends_with("done"))
                .fold(String::new(), |all, line| format!("{line}\n{all}")),
        };
        expect.assert_eq(&shown.replace(&self.folder.path().display().to_string(), "TMP"));
    }
}

fn list(view: &View, folder: &images::Node, name: &str, out: &mut String) {
    for (child, node) in view.list(folder) {
        let path = format!("{name}/{}", child.display());
        let what = match node.kind {
            Kind::Folder => "/".to_owned(),
            Kind::Symlink => format!(" -> {}", fs::read_link(&node.path).unwrap().display()),
            _ => format!(" {:?}", fs::read_to_string(&node.path).unwrap()),
        };
        if !matches!(path.as_str(), "/etc" | "/etc/passwd" | "/real" | "/tmp" | "/link") {
            *out += &format!("{path}{what} {:o} {}:{}\n", node.mode, node.uid, node.gid);
        }
        if node.kind == Kind::Folder {
            list(view, &node, &path, out);
        }
    }
}

const APP: &str = "ARG BASE=base\nFROM $BASE AS build\nWORKDIR /src\nCOPY . .\nRUN say hello; write /out/bin x\n\nFROM base\nENV A=1 B=${A:-2}\nLABEL l=$B\nEXPOSE 80\nCOPY --from=build --chown=app /out /app/\nUSER app\nRUN env B /b; env A /a\nENTRYPOINT [\"run\"]\n";

#[tokio::test]
async fn a_build_of_two_stages_and_again_from_the_cache() {
    let bench = bench(&[
        ("a.txt", "a"),
        ("sub/b.txt", "b"),
        (".dockerignore", "*.md\n.dockerignore\n"),
        ("x.md", "x"),
    ]);
    let (built, log) = bench.build(bench.request(APP)).await;
    expect![[r#"
        1/12 [build 1/4] FROM base
        1 done
        2/12 [build 2/4] WORKDIR /src
        2 done
        3/12 [build 3/4] COPY . .
        3 done
        4/12 [build 4/4] RUN say hello; write /out/bin x
        > hello
        4 done
        5/12 [stage-1 1/8] FROM base
        5 done
        6/12 [stage-1 2/8] ENV A=1 B=${A:-2}
        6 done
        7/12 [stage-1 3/8] LABEL l=$B
        7 done
        8/12 [stage-1 4/8] EXPOSE 80
        8 done
        9/12 [stage-1 5/8] COPY --from=build --chown=app /out /app/
        9 done
        10/12 [stage-1 6/8] USER app
        10 done
        11/12 [stage-1 7/8] RUN env B /b; env A /a
        11 done
        12/12 [stage-1 8/8] ENTRYPOINT ["run"]
        12 done
        built localhost:5000/app:dev cached=false
    "#]]
    .assert_eq(&log);
    let image = built.unwrap();
    expect![[r#"
        /a "1" 644 0:0
        /app/ 755 7:8
        /app/bin "x" 644 7:8
        /b "2" 644 0:0
    "#]]
    .assert_eq(&bench.files(&image).await);
    let config = serde_json::to_string(&image.config).unwrap();
    expect![[r#"{"User":"app","ExposedPorts":{"80/tcp":{}},"Env":["FROM_BASE=1","A=1","B=2"],"Entrypoint":["run"],"Labels":{"l":"2"}}"#]]
    .assert_eq(&config);

    // Nothing changed, but for times.
    let touched = fs::File::options().write(true).open(bench.context().join("a.txt")).unwrap();
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    bench.put("x.md", "ignored");
    let (again, log) = bench.build(bench.request(APP)).await;
    assert_eq!(again.unwrap().digest, image.digest);
    assert!(log.ends_with("cached=true\n") && !log.contains('>'), "{log}");
    assert_eq!(bench.ran.lock().len(), 2);

    // A change in the first stage that makes the same output leaves the second in the cache.
    bench.put("a.txt", "changed");
    let (third, log) = bench.build(bench.request(APP)).await;
    assert_eq!(bench.ran.lock().len(), 3, "{log}");
    assert_eq!(third.unwrap().digest, image.digest);

    let mut request = bench.request(APP);
    request.no_cache = true;
    bench.build(request).await.0.unwrap();
    assert_eq!(bench.ran.lock().len(), 5);
    assert_eq!(fs::read_dir(bench.images.root().join("ingest")).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn copy_puts_files_where_docker_does() {
    let bench = bench(&[
        ("a", "A"),
        ("b", "B"),
        ("d/x.py", "X"),
        ("d/y.txt", "Y"),
        ("d/e/z.py", "Z"),
        ("secret", "s"),
        (".dockerignore", "secret\n"),
    ]);
    symlink("a", bench.context().join("s")).unwrap();
    fs::set_permissions(bench.context().join("b"), fs::Permissions::from_mode(0o755)).unwrap();
    bench
        .check(
            "FROM base\nCOPY a b /n/\nCOPY a /f\nCOPY d /g\nCOPY d/* /h/\n",
            expect![[r#"
        /f "A" 644 0:0
        /g/ 755 0:0
        /g/e/ 755 0:0
        /g/e/z.py "Z" 644 0:0
        /g/x.py "X" 644 0:0
        /g/y.txt "Y" 644 0:0
        /h/ 755 0:0
        /h/x.py "X" 644 0:0
        /h/y.txt "Y" 644 0:0
        /h/z.py "Z" 644 0:0
        /n/ 755 0:0
        /n/a "A" 644 0:0
        /n/b "B" 755 0:0
    "#]],
        )
        .await;
    bench.check("FROM base\nCOPY --chown=7:9 --chmod=600 a /link/in/\nCOPY s /t\nCOPY a /tmp\nCOPY --chown=app d/e /own\n", expect![[r#"
        /own/ 755 7:8
        /own/z.py "Z" 644 7:8
        /real/in/ 755 7:9
        /real/in/a "A" 600 7:9
        /t "A" 644 0:0
        /tmp/a "A" 644 0:0
    "#]]).await;
    bench.check("FROM scratch\nWORKDIR /w\nCOPY --exclude=*.txt --exclude=e d .\nCOPY <<one <<two ./\n1\none\n2\ntwo\nCOPY --parents d/e/z.py /p/\n", expect![[r#"
        /p/ 755 0:0
        /p/d/ 755 0:0
        /p/d/e/ 755 0:0
        /p/d/e/z.py "Z" 644 0:0
        /w/ 755 0:0
        /w/one "1\n" 644 0:0
        /w/two "2\n" 644 0:0
        /w/x.py "X" 644 0:0
    "#]]).await;
    bench.check("FROM base\nCOPY nothing /x\n", expect![[r#"
        2/2 [2/2] COPY nothing /x
        failed at Some(2): `nothing` is not there (hint: sources are looked for in the build context, not beside the Dockerfile)
    "#]]).await;
    bench
        .check(
            "FROM base\nCOPY secret /x\n",
            expect![[r#"
        2/2 [2/2] COPY secret /x
        failed at Some(2): `secret` is not there (hint: the .dockerignore file leaves it out)
    "#]],
        )
        .await;
    bench.check("FROM base\nCOPY ../../../etc/hostname /x\n", expect![[r#"
        2/2 [2/2] COPY ../../../etc/hostname /x
        failed at Some(2): `../../../etc/hostname` is not there (hint: sources are looked for in the build context, not beside the Dockerfile)
    "#]]).await;
    bench
        .check(
            "FROM base\nCOPY a /etc/passwd/\n",
            expect![[r#"
        2/2 [2/2] COPY a /etc/passwd/
        failed at Some(2): cannot copy `a` to `/etc/passwd`: the destination is a file (hint: )
    "#]],
        )
        .await;
    bench.check("FROM base\nCOPY --chown=nobody a /x\n", expect![[r#"
        2/2 [2/2] COPY --chown=nobody a /x
        failed at Some(2): `nobody` is not valid for --chown: the image's /etc/passwd has no such user (hint: )
    "#]]).await;
    bench.check("FROM base\nADD https://example.com/x /x\n", expect![[r#"
        2/2 [2/2] ADD https://example.com/x /x
        failed at Some(2): `https://example.com/x`: ADD does not fetch from the network (hint: fetch it in a step: RUN curl -fsSLO … (or wget, or python))
    "#]]).await;
}

#[tokio::test]
async fn add_unpacks_archives() {
    let bench = bench(&[("t/in/a", "A")]);
    let tar = |bytes: &mut Vec<u8>| {
        let scratch = bench.images.scratch().unwrap();
        fs::create_dir_all(scratch.path().join("tree/in")).unwrap();
        fs::write(scratch.path().join("tree/in/a"), "A").unwrap();
        let layer = bench.images.adopt_layer(&scratch.path().join("tree")).unwrap();
        std::io::Read::read_to_end(&mut bench.images.open_blob(&layer.diff_id).unwrap(), bytes).unwrap();
    };
    let mut plain = Vec::new();
    tar(&mut plain);
    fs::write(bench.context().join("x.tar"), &plain).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &plain).unwrap();
    fs::write(bench.context().join("x.tar.gz"), gzip.finish().unwrap()).unwrap();
    bench.check("FROM base\nADD x.tar /one\nADD x.tar.gz /two/\nCOPY x.tar /three/\nRUN write /three/x.tar short\n", expect![[r#"
        /one/ 755 0:0
        /one/in/ 755 0:0
        /one/in/a "A" 644 0:0
        /three/ 755 0:0
        /three/x.tar "short" 644 0:0
        /two/ 755 0:0
        /two/in/ 755 0:0
        /two/in/a "A" 644 0:0
    "#]]).await;
}

#[tokio::test]
async fn failures_say_where_and_what_to_do() {
    let bench = bench(&[]);
    bench.check("FROM base\n\nRUN say sh: pip: not found; fail 127\n", expect![[r#"
        2/2 [2/2] RUN say sh: pip: not found; fail 127
        > sh: pip: not found
        failed at Some(3): the command `RUN say sh: pip: not found; fail 127` failed with exit code 127
          | sh: pip: not found (hint: the base image has no pip: use a python image, or install python3-pip first)
    "#]]).await;
    bench.check("FROM nowhere.localhost:1/x\n", expect![[r#"
        1/1 [1/1] FROM nowhere.localhost:1/x
        pull nowhere.localhost:1/x
        failed at Some(1): the base image `nowhere.localhost:1/x` cannot be had: image `nowhere.localhost:1/x:latest` is not here and cannot be pulled from nowhere.localhost:1: error sending request for url (http://nowhere.localhost:1/v2/x/manifests/latest): client error (Connect): dns error: error resolving DNS: failed to lookup address information: Name or service not known (hint: check the name and the network, or bring the image here from a file: coracle image import FILE (for `nowhere.localhost:1/x:latest`))
    "#]]).await;
    bench
        .check(
            "FROM base\nCOPPY a b\n",
            expect![[r#"
        failed at Some(2): TMP/context/Dockerfile:2:1: unknown instruction COPPY (hint: did you mean COPY?)
    "#]],
        )
        .await;
    bench
        .check(
            "FROM --platform=linux/s390x base\n",
            expect![[r#"
        1/1 [1/1] FROM base
        failed at Some(1): platform linux/s390x is not that of this machine (linux/amd64) (hint: )
    "#]],
        )
        .await;
    bench
        .check(
            "FROM base\nENV A=\"${B:?must be set}\"\n",
            expect![[r#"
        2/2 [2/2] ENV A="${B:?must be set}"
        failed at Some(2): `"${B:?must be set}"`: B: must be set (hint: )
    "#]],
        )
        .await;
}

#[tokio::test]
async fn steps_that_change_nothing_make_no_layer() {
    let bench = bench(&[]);
    let (built, _) =
        bench.build(bench.request("FROM base\nRUN nothing\nONBUILD RUN write /child yes\n")).await;
    let image = built.unwrap();
    assert_eq!(bench.images.rootfs(&image).await.unwrap().layers.len(), 1);
    // Triggers run in the child, and not in the child's child.
    let mut request = bench.request("FROM localhost:5000/app:dev\n");
    request.tags = vec!["child".into()];
    let child = bench.build(request).await.0.unwrap();
    assert_eq!(bench.files(&child).await, "/child \"yes\" 644 0:0\n");
    assert_eq!(child.config.extra_list("OnBuild"), Vec::<String>::new());
}

#[tokio::test]
async fn build_arguments() {
    let bench = bench(&[]);
    let mut request = bench.request("ARG G=g\nFROM base\nARG G\nARG A=a\nARG T=$A-t\nENV E=env\nARG E=arg\nARG TARGETARCH\nRUN env G /g; env A /a; env T /t; env E /e\n");
    request.args = BTreeMap::from([("A".into(), "passed".into()), ("UNUSED".into(), "1".into())]);
    let (built, log) = bench.build(request).await;
    assert!(log.contains("build argument UNUSED"), "{log}");
    let text = bench.files(&built.unwrap()).await;
    expect![[r#"
        /a "passed" 644 0:0
        /e "env" 644 0:0
        /g "g" 644 0:0
        /t "passed-t" 644 0:0
    "#]]
    .assert_eq(&text);
}
