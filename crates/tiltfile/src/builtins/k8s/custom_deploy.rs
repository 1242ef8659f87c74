//! `k8s_custom_deploy`.

use crate::builtins::{images, live_update};
use crate::call::{Call, Failure, Result, fail, go_quote};
use crate::env::{CustomDeployDef, ImageDef};
use crate::plan::{
    self, CustomBuild, CustomDeploy, Ignore, ImageBuild, ImageKind, LiveUpdate, LiveUpdateSelector, Step,
};
use crate::text::ImageRef;
use starlark::values::Value;
use std::path::{Path, PathBuf};

pub(crate) fn k8s_custom_deploy<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let (name, deps) = (args.text("name")?, args.paths("deps")?);
    let (image, container) = (args.text("image_selector")?, args.text("container_selector")?);
    let mut image_deps: Vec<String> =
        images::image_deps(&args)?.into_iter().map(|(reference, _)| reference.familiar()).collect();
    let Some(apply) = args.command_called("apply_cmd", "apply_cmd", "apply_dir", "apply_env")? else {
        fail!("k8s_custom_deploy: apply_cmd cannot be empty")
    };
    let Some(delete) = args.command_called("delete_cmd", "delete_cmd", "delete_dir", "delete_env")? else {
        fail!("k8s_custom_deploy: delete_cmd cannot be empty")
    };
    let env = call.env();
    let mut ignores = images::git_ignores(env, &deps);
    let live_update = live_update::of_args(call, &args)?;
    let conflict = env.reg().check_conflict(&name);
    conflict.map_err(|e| Failure::new(format!("error making resource for {name}: {}", e.message)))?;
    if let Some(mut live_update) = live_update {
        let written = match (image.is_empty(), container.is_empty()) {
            (true, true) => fail!("k8s_custom_deploy: no Live Update selector specified"),
            (false, false) => fail!("k8s_custom_deploy: cannot specify more than one Live Update selector"),
            (true, false) => {
                live_update.selector = LiveUpdateSelector::ContainerName(container);
                format!("k8s_custom_deploy:{name}")
            }
            (false, true) => image,
        };
        ignores.extend(synced(&live_update, &env.dir()));
        env.reg_mut().images.push(synced_image(call, &written, live_update, &deps)?);
        image_deps.push(written);
    }
    let deploy = CustomDeploy { apply, delete, deps, ignores };
    env.reg_mut().custom_deploys.push(CustomDeployDef { name, deploy, image_deps });
    call.none()
}

/// Paths that a live update takes care of: a change there is no reason to deploy anew.
fn synced(live_update: &LiveUpdate, base: &Path) -> Option<Ignore> {
    let mut patterns: Vec<String> = Vec::new();
    for step in &live_update.steps {
        let paths: Vec<&Path> = match step {
            Step::Sync { local, .. } => vec![local],
            Step::FallBackOn(paths) => paths.iter().map(|p| p.as_path()).collect(),
            Step::InitialSync | Step::Run { .. } | Step::RestartContainer => Vec::new(),
        };
        patterns.extend(paths.iter().map(|p| p.strip_prefix(base).unwrap_or(p).display().to_string()));
    }
    let ignore = Ignore { base: base.to_owned(), source: "live_update".to_owned(), patterns };
    (!ignore.patterns.is_empty()).then_some(ignore)
}

/// The image that a live update of deployed containers hangs on. Nothing builds it.
fn synced_image(
    call: &Call<'_, '_, '_, '_>,
    written: &str,
    live_update: LiveUpdate,
    deps: &[PathBuf],
) -> Result<ImageDef> {
    let env = call.env();
    let reference = ImageRef::parse(written)
        .map_err(|e| Failure::new(format!("can't parse {}: {e}", go_quote(written))))?;
    let command = plan::Command {
        argv: ["sh", "-c", ":"].map(str::to_owned).to_vec(),
        dir: env.dir(),
        env: Vec::new(),
    };
    let build = ImageBuild {
        reference: written.to_owned(),
        match_exact: false,
        match_in_env_vars: false,
        entrypoint: None,
        container_args: None,
        image_deps: Vec::new(),
        live_update: Some(live_update),
        ignores: vec![images::tiltfile_ignore(env)],
        kind: ImageKind::Custom(Box::new(CustomBuild {
            command,
            deps: deps.to_owned(),
            tag: String::new(),
            disable_push: true,
            skips_local_docker: true,
            outputs_image_ref_to: None,
            live_update_only: true,
            is_custom_deploy: true,
        })),
    };
    Ok(ImageDef {
        written: written.to_owned(),
        reference,
        build,
        bases: Vec::new(),
        watched: Vec::new(),
        position: call.position(),
    })
}
