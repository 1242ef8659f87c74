//! A storm of edits in a synced tree: when it is over, the container's tree is the source tree.

use anyhow::ensure;
use e2e::random::Random;
use e2e::world::BUSYBOX;
use e2e::{World, files, wait};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(10);

pub fn run(world: &World) -> anyhow::Result<()> {
    let seed =
        std::env::var("E2E_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(u64::from(std::process::id()));
    storm(world, seed).map_err(|error| error.context(format!("E2E_SEED={seed}")))
}

fn storm(world: &World, seed: u64) -> anyhow::Result<()> {
    let project = format!(
        "==> Tiltfile
docker_build('tree', '.', only=['tree'], live_update=[sync('tree', '/app/tree')])
k8s_yaml('pod.yml')
==> Dockerfile
FROM {BUSYBOX}
COPY tree /app/tree
CMD [\"sh\", \"-c\", \"trap 'exit 0' TERM; while true; do sleep 1; done\"]
==> pod.yml
apiVersion: apps/v1
kind: Deployment
metadata: {{name: tree}}
spec:
  selector: {{matchLabels: {{app: tree}}}}
  template:
    metadata: {{labels: {{app: tree}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{{name: tree, image: tree}}]
==> tree/first.txt
first
"
    );
    files::write_tree(&world.project(), &project)?;
    world.write_config(&[], None)?;
    world.busybox_image()?;
    let mut up = world.up(&[])?;
    up.wait_for("✓ ready", 60)?;

    let tree = world.project().join("tree");
    let mut random = Random::new(seed);
    let began = Instant::now();
    let mut edits = 0;
    while began.elapsed() < TIME {
        edit(&tree, &mut random)?;
        edits += 1;
        // Bursts, as of a branch switch, and single saves.
        if random.below(20) == 0 {
            std::thread::sleep(Duration::from_millis(random.number() % 300));
        }
    }
    let want = files::contents(&tree)?;
    let result = wait::until("the trees are equal", 30, || {
        let have = files::contents(&inside(world)?)?;
        let differences = files::differences(&want, &have);
        ensure!(differences.is_empty(), "after {edits} edits:\n  {}", differences.join("\n  "));
        Ok(())
    });
    result.map_err(|error| error.context(e2e::process::tail(&up.text())))?;

    // Still true a moment later, and the loop still works.
    std::thread::sleep(Duration::from_secs(1));
    let have = files::contents(&inside(world)?)?;
    ensure!(files::differences(&want, &have).is_empty(), "the tree has changed afterwards");
    files::write(&tree.join("last.txt"), "last")?;
    wait::until("the last save", 10, || {
        let text = files::read(&inside(world)?.join("last.txt"))?;
        ensure!(text == "last", "it is {text:?}");
        Ok(())
    })?;
    up.interrupt()?;
    up.wait(Duration::from_secs(10))?;
    Ok(())
}

/// The tree as the container's program sees it.
fn inside(world: &World) -> anyhow::Result<PathBuf> {
    let process = world.container_process("trap 'exit 0' TERM")?;
    Ok(PathBuf::from(format!("/proc/{}/root/app/tree", process.pid)))
}

fn edit(tree: &Path, random: &mut Random) -> anyhow::Result<()> {
    let (files, folders) = list(tree)?;
    let some_file = random.choose(&files).cloned();
    let some_folder = random.choose(&folders).cloned().unwrap_or_else(|| tree.to_path_buf());
    let fresh = some_folder.join(format!("f{}.txt", random.below(400)));
    let text = format!("{}\n", random.number()).repeat(1 + random.below(50));
    match (random.below(12), some_file) {
        (0..=2, _) if !fresh.is_dir() => std::fs::write(fresh, text)?,
        (3..=4, Some(file)) => std::fs::write(file, text)?,
        // As editors save: a new file takes the name.
        (5, Some(file)) => {
            let part = file.with_extension("part");
            std::fs::write(&part, text)?;
            std::fs::rename(part, file)?;
        }
        (6, Some(file)) => std::fs::remove_file(file)?,
        (7, Some(file)) if !fresh.is_dir() => std::fs::rename(file, fresh)?,
        (8, Some(file)) => {
            let mode = if random.below(2) == 0 { 0o755 } else { 0o644 };
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode))?;
        }
        (9, _) => {
            let depth = some_folder.strip_prefix(tree)?.components().count();
            let folder = some_folder.join(format!("d{}", random.below(6)));
            if depth < 4 && !folder.exists() {
                std::fs::create_dir(&folder)?;
                std::fs::write(folder.join("inside.txt"), text)?;
            }
        }
        (10, _) if some_folder != tree => {
            let other = tree.join(format!("m{}", random.below(6)));
            if !other.exists() {
                std::fs::rename(&some_folder, other)?;
            }
        }
        (11, _) if some_folder != tree && random.below(3) == 0 => std::fs::remove_dir_all(&some_folder)?,
        _ => {}
    }
    Ok(())
}

fn list(tree: &Path) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut files, mut folders, mut next) = (Vec::new(), vec![tree.to_path_buf()], 0);
    while next < folders.len() {
        for entry in std::fs::read_dir(&folders[next])? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
        next += 1;
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}
