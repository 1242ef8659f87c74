//! The store by example: archives in, trees and archives out.

use crate::{Images, View, layer_tar};
use expect_test::{Expect, expect};
use oci::{Digest, RunConfig};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

struct Store {
    images: Images,
    folder: TempDir,
}

fn store() -> Store {
    let folder = tempfile::tempdir().unwrap();
    Store { images: Images::open(&folder.path().join("store")).unwrap(), folder }
}

/// One entry a line: `dir a 755`, `file a/b text`, `link new old`, `sym name target`.
fn archive(lines: &str) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.splitn(3, ' ');
        let (kind, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or(""));
        let mut header = Header::new_gnu();
        header.set_mtime(1_600_000_000);
        header.set_mode(0o644);
        header.set_size(0);
        let mut body = "";
        match kind {
            "dir" => {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(u32::from_str_radix(rest, 8).unwrap());
            }
            "file" => {
                header.set_size(rest.len() as u64);
                body = rest;
            }
            "link" => header.set_entry_type(EntryType::Link),
            "sym" => header.set_entry_type(EntryType::Symlink),
            other => panic!("{other}"),
        }
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        if matches!(kind, "link" | "sym") {
            old.linkname[..rest.len()].copy_from_slice(rest.as_bytes());
        }
        header.set_cksum();
        tar.append(&header, body.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn tree(root: &Path) -> String {
    let mut out = String::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(root).unwrap().display();
        let meta = entry.path().symlink_metadata().unwrap();
        let kind = meta.file_type();
        out += &if kind.is_dir() {
            let opaque = if layer_tar::is_opaque(entry.path()) { " opaque" } else { "" };
            format!("{name}/ {:o} {}{opaque}\n", meta.mode() & 0o7777, meta.mtime())
        } else if kind.is_symlink() {
            format!("{name} -> {}\n", fs::read_link(entry.path()).unwrap().display())
        } else if kind.is_char_device() {
            format!("{name} whiteout {}\n", meta.rdev())
        } else {
            format!(
                "{name} {:o} x{} {:?}\n",
                meta.mode() & 0o7777,
                meta.nlink(),
                fs::read_to_string(entry.path()).unwrap()
            )
        };
    }
    out
}

fn check_unpack(lines: &str, expect: Expect) {
    let store = store();
    let outside = store.folder.path().join("outside");
    fs::write(&outside, "untouched").unwrap();
    let shown = match store.images.unpack_layer(archive(lines).as_slice(), None, &[]) {
        Ok((_, path)) => tree(&path),
        Err(error) => {
            let source =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("error: {error}{source}\n")
        }
    };
    expect.assert_eq(&shown);
    assert_eq!(fs::read_to_string(outside).unwrap(), "untouched");
    assert_eq!(
        fs::read_dir(store.images.root().join("ingest")).unwrap().count(),
        0,
        "nothing is left half made"
    );
}

#[test]
fn unpacking() {
    check_unpack(
        "dir ./ 755\ndir ./a/ 1777\nfile ./a/b hello\nlink a/c a/b\nsym d a\nfile d/e through the link\nfile a/b again\nfile x/y/z deep\nfile a/.wh.gone\nfile .wh.old\nfile x/.wh..wh..opq\nfile x/.wh..wh.plnk p",
        expect![[r#"
            a/ 1777 1600000000
            a/b 644 x1 "again"
            a/c 644 x1 "hello"
            a/e 644 x1 "through the link"
            a/gone whiteout 0
            d -> a
            old whiteout 0
            x/ 755 0 opaque
            x/y/ 755 0
            x/y/z 644 x1 "deep"
        "#]],
    );
    check_unpack(
        "dir a 755\nfile a/b x\nfile a now a file\n",
        expect![[r#"
        a 644 x1 "now a file"
    "#]],
    );
    check_unpack(
        "sym etc /etc\nfile etc/evil x\n",
        expect![[r#"
        error: layer of the archive: entry `etc/evil`: Too many levels of symbolic links (os error 40)
    "#]],
    );
    check_unpack(
        "sym up ../../..\nfile up/outside evil\n",
        expect![[r#"
        outside 644 x1 "evil"
        up -> ../../..
    "#]],
    );
    check_unpack(
        "file ../outside evil\n",
        expect![[r#"
        error: layer of the archive: entry `../outside`: its name leads upwards (`..`)
    "#]],
    );
    check_unpack(
        "file /abs/x fine\n",
        expect![[r#"
        abs/ 755 0
        abs/x 644 x1 "fine"
    "#]],
    );
    check_unpack(
        "link stolen /etc/passwd\n",
        expect![[r#"
        error: layer of the archive: entry `stolen`: No such file or directory (os error 2)
    "#]],
    );
    check_unpack(
        "sym l /etc/passwd\nfile l replaced\n",
        expect![[r#"
        l 644 x1 "replaced"
    "#]],
    );
    check_unpack(
        "link a ../../outside\n",
        expect![[r#"
        error: layer of the archive: entry `a`: its name leads upwards (`..`)
    "#]],
    );
}

#[test]
fn a_tree_packs_to_the_same_bytes_and_unpacks_again() {
    let store = store();
    let long = format!("{}/{}", "n".repeat(90), "m".repeat(120));
    let scratch = store.images.scratch().unwrap();
    let made = scratch.path().join("tree");
    fs::create_dir_all(made.join(&long)).unwrap();
    fs::write(made.join("b"), "two").unwrap();
    fs::hard_link(made.join("b"), made.join("c")).unwrap();
    std::os::unix::fs::symlink("t".repeat(150), made.join("s")).unwrap();
    fs::write(made.join(&long).join("f"), "x".repeat(1000)).unwrap();
    xattr::set(made.join("b"), "user.note", b"kept").unwrap();
    let bytes = layer_tar::packed(&made);
    assert_eq!(bytes, layer_tar::packed(&made));
    let before = tree(&made);

    let layer = store.images.adopt_layer(&made).unwrap();
    assert_eq!(layer.diff_id, Digest::of(&bytes));
    assert_eq!(layer.size, bytes.len() as u64);
    assert!(!made.exists());
    // The blob is made when it is asked for.
    assert!(!store.images.blob_path(&layer.diff_id).exists());
    assert_eq!(store.images.blob_size(&layer.diff_id), Some(layer.size));
    assert_eq!(fs::read(store.images.materialise(&layer.diff_id).unwrap()).unwrap(), bytes);

    let other = self::store();
    let (diff_id, path) = other.images.unpack_layer(bytes.as_slice(), Some(&layer.diff_id), &[]).unwrap();
    assert_eq!(diff_id, layer.diff_id);
    assert_eq!(tree(&path), before);
    assert_eq!(xattr::get(path.join("c"), "user.note").unwrap().unwrap(), b"kept");
}

#[test]
fn overlay_marks_become_whiteouts_again() {
    let store = store();
    let lines = "dir a 755\nfile a/.wh..wh..opq\nfile a/.wh.x\nfile .wh.y\n";
    let (_, path) = store.images.unpack_layer(archive(lines).as_slice(), None, &[]).unwrap();
    let packed = layer_tar::packed(&path);
    let mut again = tar::Archive::new(packed.as_slice());
    let names: Vec<String> =
        again.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names, ["a/", "a/.wh..wh..opq", "a/.wh.x", ".wh.y"]);
}

#[tokio::test]
async fn a_root_file_system_becomes_an_image() {
    for compress in [None, Some("gzip"), Some("zstd")] {
        let store = store();
        let plain = archive("dir etc 755\nfile etc/os-release x\n");
        let bytes = match compress {
            None => plain.clone(),
            Some("gzip") => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&plain).unwrap();
                encoder.finish().unwrap()
            }
            Some(_) => zstd::encode_all(plain.as_slice(), 1).unwrap(),
        };
        let config = RunConfig { cmd: vec!["/bin/sh".into()], ..RunConfig::default() };
        let image = store.images.import_rootfs(bytes.as_slice(), "base:1", config).unwrap();
        assert_eq!(image.name, "docker.io/library/base:1");
        let rootfs = store.images.rootfs(&image).await.unwrap();
        assert_eq!(rootfs.layers, [store.images.layer_path(&Digest::of(&plain))]);
        assert_eq!(store.images.get("base:1").unwrap().config.cmd, ["/bin/sh"]);

        // Another process sees the name; a tag is another name; a removed one is gone.
        let second = Images::open(store.images.root()).unwrap();
        second.tag("base:1", "localhost:5000/x:2").unwrap();
        assert_eq!(store.images.get("localhost:5000/x:2").unwrap().digest, image.digest);
        assert!(store.images.remove("base:1").unwrap());
        assert!(second.get("base:1").is_none());
        assert!(second.get(&format!("base@{}", image.digest)).is_some());
    }
}

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let store = store();
    let image =
        store.images.import_rootfs(archive("file a b\n").as_slice(), "a:1", RunConfig::default()).unwrap();
    store.images.tag("a:1", "b:2").unwrap();
    let path = store.folder.path().join("out.tar");
    store.images.export(&["a:1", "b:2"], fs::File::create(&path).unwrap()).unwrap();

    let other = self::store();
    let imported = other.images.import(&path).await.unwrap();
    let names: Vec<&str> = imported.iter().map(|image| image.name.as_str()).collect();
    assert_eq!(names, ["docker.io/library/a:1", "docker.io/library/b:2"]);
    assert_eq!(imported[0].digest, image.digest);
    let rootfs = other.images.rootfs(&imported[0]).await.unwrap();
    assert_eq!(tree(&rootfs.layers[0]), "a 644 x1 \"b\"\n");
}

#[tokio::test]
async fn docker_save_of_old() {
    let store = store();
    let layer = archive("file a b\n");
    let config = format!(r#"{{"config":{{"Cmd":null}},"rootfs":{{"diff_ids":["{}"]}}}}"#, Digest::of(&layer));
    let mut tar = Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    add("one/layer.tar", &layer);
    add("c.json", config.as_bytes());
    add("manifest.json", br#"[{"Config":"c.json","RepoTags":["app:dev"],"Layers":["two/layer.tar"]}]"#);
    let mut link = Header::new_ustar();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "two/layer.tar", "../one/layer.tar").unwrap();
    let bytes = tar.into_inner().unwrap();
    let images = store.images.import_reader(bytes.as_slice(), "x.tar").unwrap();
    assert_eq!(images[0].name, "docker.io/library/app:dev");
    assert_eq!(store.images.rootfs(&images[0]).await.unwrap().layers.len(), 1);

    let error = store.images.import_reader(layer.as_slice(), "x.tar").unwrap_err();
    expect!["x.tar is not an image archive: it has neither index.json nor manifest.json"]
        .assert_eq(&error.to_string());
}

#[test]
fn damage_is_found() {
    let store = store();
    let wrong = Digest::of(b"wrong");
    let error = store.images.unpack_layer(archive("file a b\n").as_slice(), Some(&wrong), &[]).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
    assert!(!store.images.has_layer(&wrong));
    let mut writer = store.images.writer().unwrap();
    writer.write_all(b"right").unwrap();
    assert!(writer.finish(Some(&wrong)).is_err());
    assert!(!store.images.has_blob(&wrong));
}

#[test]
fn garbage_goes_and_the_rest_stays() {
    let store = store();
    let keep =
        store.images.import_rootfs(archive("file a b\n").as_slice(), "keep", RunConfig::default()).unwrap();
    store.images.import_rootfs(archive("file c d\n").as_slice(), "drop", RunConfig::default()).unwrap();
    store.images.remove("drop").unwrap();
    let pinned = store.images.unpack_layer(archive("file p q\n").as_slice(), None, &[]).unwrap();
    let used = store.images.unpack_layer(archive("file u v\n").as_slice(), None, &[]).unwrap();
    store.images.pin("builder", &[pinned.0]).unwrap();
    assert_eq!(store.images.gc(&[]).unwrap(), Default::default(), "everything is young");
    let freed = store.images.gc_older_than(std::slice::from_ref(&used.1), std::time::Duration::ZERO).unwrap();
    assert_eq!((freed.blobs, freed.layers), (3, 1));
    assert!(used.1.exists() && pinned.1.exists());
    assert_eq!(store.images.get("keep").unwrap().digest, keep.digest);
    assert_eq!(store.images.list().len(), 1);
    assert_eq!(fs::read_dir(store.images.root().join("ingest")).unwrap().count(), 0);
}

#[test]
fn a_view_sees_what_a_container_would() {
    let store = store();
    let layer = |lines: &str| store.images.unpack_layer(archive(lines).as_slice(), None, &[]).unwrap().1;
    let view = View::new(vec![
        layer(
            "dir usr/lib 755\nfile usr/lib/a low\nfile usr/lib/b low\nsym lib usr/lib\nfile gone/x x\nfile etc/passwd root\n",
        ),
        layer(
            "dir usr/lib 700\nfile usr/lib/a high\nfile .wh.gone\nsym loop loop\ndir etc 755\nfile etc/.wh..wh..opq\nfile etc/group g\nsym abs /lib/../lib/b\n",
        ),
    ]);
    let read = |path: &str| view.read(path);
    assert_eq!(read("/lib/a").as_deref(), Some("high"));
    assert_eq!(read("lib/b").as_deref(), Some("low"));
    assert_eq!(read("/abs").as_deref(), Some("low"));
    assert_eq!(read("/gone/x"), None);
    assert_eq!(read("/etc/passwd"), None);
    assert_eq!(read("/etc/group").as_deref(), Some("g"));
    assert_eq!(read("/loop"), None);
    let (reached, folder) = view.follow(Path::new("/lib")).unwrap();
    assert_eq!((reached.to_str(), folder.mode), (Some("usr/lib"), 0o700));
    assert_eq!(view.list(&folder).keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        view.list(&view.get(Path::new("")).unwrap()).keys().collect::<Vec<_>>(),
        ["abs", "etc", "lib", "loop", "usr"]
    );
    assert_eq!(view.resolve(Path::new("lib/new/file")).unwrap().to_str(), Some("usr/lib/new/file"));
}
