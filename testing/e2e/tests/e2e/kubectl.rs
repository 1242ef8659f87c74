//! Flows of kubectl, as a developer types them: the cases are in `data/kubectl.txt`.

use crate::project;
use e2e::{World, files, script};

pub fn run(world: &World) -> anyhow::Result<()> {
    world.create_cluster(&[])?;
    world.busybox_image()?;
    files::write(&world.project().join("site.yml"), &project::site_manifest())?;
    files::write_tree(&world.project(), include_str!("../../data/kubectl-files.txt"))?;
    script::run(world, include_str!("../../data/kubectl.txt"))
}
