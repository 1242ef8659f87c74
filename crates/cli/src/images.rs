//! `coracle image …`: the store that all embedded clusters on this machine share.

use crate::args::ImageCommand;
use crate::clusters::{block_on, data_dir};
use crate::failure::{Done, Failure, USAGE, YOURS};
use crate::printer::Printer;
use images::Images;
use std::path::{Path, PathBuf};

pub fn run(command: ImageCommand, printer: &Printer) -> Done {
    let data = data_dir()?;
    let store = Images::open(&data.images())?;
    match command {
        ImageCommand::Ls => list(&store, printer),
        ImageCommand::Import { archives, rootfs, env, cmd, cluster: _ } => match rootfs {
            None => archives.iter().try_for_each(|archive| import(&store, archive, printer)),
            Some(name) => import_rootfs(&store, &archives, &name, env, cmd.as_deref(), printer),
        },
        ImageCommand::Pull { name } => {
            let image = block_on(store.pull(&name, |_| {}))??;
            printer.done("pulled", &image.name, None);
            Ok(())
        }
        ImageCommand::Tag { source, target } => Ok(store.tag(&source, &target)?),
        ImageCommand::Rm { names } => {
            for name in names {
                if !store.remove(&name)? {
                    return Err(Failure::new(YOURS, format!("there is no image {name}")));
                }
                printer.done("removed", &name, None);
            }
            Ok(())
        }
        ImageCommand::Gc => {
            let collected = store.gc(&cluster::control::layers_in_use(&data))?;
            let (layers, blobs) = (collected.layers, collected.blobs);
            let size = collected.bytes as f64 / 1e6;
            printer.done("removed", &format!("{layers} layers and {blobs} blobs, {size:.1} MB"), None);
            Ok(())
        }
        ImageCommand::Export { names, output } => {
            let file = std::fs::File::create(&output).map_err(|e| Failure::of(USAGE, &e))?;
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            store.export(&names, std::io::BufWriter::new(file))?;
            printer.done("exported", &output.display().to_string(), None);
            Ok(())
        }
    }
}

fn list(store: &Images, printer: &Printer) -> Done {
    let mut rows: Vec<[String; 3]> = store
        .list()
        .into_iter()
        .map(|image| {
            let id = image.config_digest.trim_start_matches("sha256:").chars().take(12).collect();
            [image.name, id, format!("{:.1} MB", image.size as f64 / 1e6)]
        })
        .collect();
    rows.insert(0, ["IMAGE".into(), "ID".into(), "SIZE".into()]);
    let width = rows.iter().map(|r| r[0].len()).max().unwrap_or(0);
    for [name, id, size] in rows {
        printer.data(&format!("{name:width$}   {id:12}   {size}\n"));
    }
    Ok(())
}

fn import(store: &Images, archive: &Path, printer: &Printer) -> Done {
    let imported = if archive == Path::new("-") {
        store.import_reader(std::io::stdin().lock(), "standard input")?
    } else {
        block_on(store.import(archive))??
    };
    imported.iter().for_each(|image| printer.done("imported", &image.name, None));
    Ok(())
}

fn import_rootfs(
    store: &Images,
    archives: &[PathBuf],
    name: &str,
    env: Vec<String>,
    cmd: Option<&str>,
    printer: &Printer,
) -> Done {
    let [archive] = archives else { return Err(Failure::new(USAGE, "--rootfs takes one archive")) };
    let cmd: Vec<String> = match cmd {
        None => Vec::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|_| Failure::new(USAGE, format!("--cmd takes a JSON list of strings, not {text}")))?,
    };
    let config = oci::RunConfig { env, cmd, ..oci::RunConfig::default() };
    let image = if archive == Path::new("-") {
        store.import_rootfs(std::io::stdin().lock(), name, config)?
    } else {
        let file = std::fs::File::open(archive).map_err(|e| Failure {
            causes: vec![e.to_string()],
            ..Failure::new(USAGE, format!("cannot read {}", archive.display()))
        })?;
        store.import_rootfs(file, name, config)?
    };
    printer.done("imported", &image.name, None);
    Ok(())
}
