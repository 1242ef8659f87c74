//! Image builds: by the embedded cluster's builder, or by the user's own command.

use crate::cluster::Cluster;
use crate::error::chain;
use crate::output::{LogSource, Output};
use crate::programs::Programs;
use devloop::{Built, Line, Mark};
use futures::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tiltfile::plan::{CustomBuild, DockerBuild, Ignore, ImageBuild, ImageKind, Registry};

/// One build: its inputs are taken when it runs, so that it sees the newest files.
pub(crate) struct Build {
    pub(crate) cluster: Cluster,
    pub(crate) programs: Programs,
    pub(crate) output: Arc<dyn Output>,
    pub(crate) image: ImageBuild,
    /// The resource whose log gets the build's output.
    pub(crate) resource: String,
    pub(crate) registry: Option<Registry>,
    /// Images of ours that this one is built from: as written, and what to use.
    pub(crate) base_images: Vec<(String, String)>,
    pub(crate) host_trust: bool,
}

impl Build {
    pub(crate) async fn run(self) -> Result<Built, String> {
        match &self.image.kind {
            ImageKind::Docker(docker) => self.docker(docker).await,
            ImageKind::Custom(custom) => self.custom(custom).await,
        }
    }

    async fn docker(&self, docker: &DockerBuild) -> Result<Built, String> {
        if self.cluster.embedded().is_none() {
            return Err("docker_build() on a cluster that is not Coracle's own is not built yet; use custom_build() with `docker build` and `docker push`".into());
        }
        for option in without_effect(docker) {
            self.output.line(&Line {
                resource: self.resource.clone(),
                mark: Mark::Warning,
                text: format!("docker_build({option}) has no effect yet on the embedded cluster's builder"),
            });
        }
        let mut text = self.read_dockerfile(docker).await?;
        for (written, built) in &self.base_images {
            text = replace_base(&text, written, built);
        }
        let args: BTreeMap<&String, String> = docker
            .build_args
            .iter()
            .filter_map(|(name, value)| Some((name, value.clone().or_else(|| std::env::var(name).ok())?)))
            .collect();
        let request = json!({
            "context": docker.context,
            "dockerfile": text,
            "dockerfile_path": docker.dockerfile.path.clone().unwrap_or_else(|| docker.context.join("Dockerfile")),
            "ignore": ignore_text(docker),
            "args": args,
            "target": if docker.target.is_empty() { None } else { Some(&docker.target) },
            "tags": std::iter::once(&self.image.reference).chain(&docker.extra_tags).collect::<Vec<_>>(),
            "labels": {},
            "no_cache": false,
            "host_trust": self.host_trust,
        });
        let mut lines =
            Box::pin(self.cluster.lines("/coracle/v1/build", &request).await.map_err(|e| chain(&e))?);
        while let Some(line) = lines.next().await {
            let line = line.map_err(|e| format!("the connection to the builder broke: {e}"))?;
            let event: Value =
                serde_json::from_str(&line).map_err(|e| format!("unexpected answer of the builder: {e}"))?;
            if let Some(result) = self.take(&event) {
                let (digest, cached) = result?;
                return self.name_by_content(&digest, cached).await;
            }
        }
        Err("the builder ended without a result".into())
    }

    /// The Dockerfile as it is now: the plan holds the text of the last evaluation, and the file may have changed.
    async fn read_dockerfile(&self, docker: &DockerBuild) -> Result<String, String> {
        match &docker.dockerfile.path {
            None => Ok(docker.dockerfile.contents.clone()),
            Some(path) => tokio::fs::read_to_string(path)
                .await
                .map_err(|e| format!("cannot read the Dockerfile {}: {e}", path.display())),
        }
    }

    /// Passes an event on; gives the build's end, if this is it.
    fn take(&self, event: &Value) -> Option<Result<(String, bool), String>> {
        let say = |text: &str| self.output.log(&self.resource, LogSource::Build, text);
        let text = event["text"].as_str().unwrap_or("");
        match event["type"].as_str().unwrap_or("") {
            "step" => say(&format!("{text}\n")),
            "cached" => {}
            "output" => say(text),
            "pull" => say(&format!(
                "pulling {} ({} MB)\n",
                event["name"].as_str().unwrap_or(""),
                event["bytes"].as_u64().unwrap_or(0) / 1_000_000
            )),
            "built" => {
                let digest = event["digest"].as_str().unwrap_or("").to_string();
                return Some(Ok((digest, event["cached"].as_bool().unwrap_or(false))));
            }
            "failed" => return Some(Err(self.failure(event))),
            _ => {}
        }
        None
    }

    fn failure(&self, event: &Value) -> String {
        let mut message = event["message"].as_str().unwrap_or("the build failed").to_string();
        if let (Some(line), ImageKind::Docker(docker)) = (event["line"].as_u64(), &self.image.kind) {
            let path =
                docker.dockerfile.path.as_ref().map_or("Dockerfile".into(), |p| p.display().to_string());
            let place = format!("{path}:{line}");
            // errors of syntax name it themselves
            if !message.contains(&place) {
                message = format!("{message}\n  --> {place}");
            }
        }
        if let Some(hint) = event["hint"].as_str() {
            message = format!("{message}\nhint: {hint}");
        }
        message
    }

    /// Gives the image the name that pods will run: the same content has the same name, so nothing rolls in vain.
    async fn name_by_content(&self, digest: &str, cached: bool) -> Result<Built, String> {
        let name = self.image.reference.clone();
        let reference = devloop::deploy_reference(&name, self.registry.as_ref(), digest);
        let body = json!({"source": name, "target": reference}).to_string().into_bytes();
        self.cluster.call("POST", "/coracle/v1/images/tag", body).await.map_err(|e| chain(&e))?;
        Ok(Built { reference, cached })
    }

    /// The user's command gets the wanted reference in `EXPECTED_REF` and pushes it (or leaves it in `tag`).
    async fn custom(&self, custom: &CustomBuild) -> Result<Built, String> {
        let stamp =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis());
        let name = devloop::deploy_reference(&self.image.reference, self.registry.as_ref(), "");
        let repository = name.rsplit_once(':').map_or(name.as_str(), |(repository, _)| repository);
        let tag = if custom.tag.is_empty() { format!("tilt-build-{stamp}") } else { custom.tag.clone() };
        let expected = format!("{repository}:{tag}");
        let mut command = custom.command.clone();
        command.env.extend([
            ("EXPECTED_REF".into(), expected.clone()),
            ("EXPECTED_IMAGE".into(), repository.to_string()),
            ("EXPECTED_TAG".into(), tag),
        ]);
        command.env.extend(crate::deploy::image_variables(&self.base_images));
        if let Some(registry) = &self.registry {
            command.env.push(("EXPECTED_REGISTRY".into(), registry.host.clone()));
        }
        self.programs.run(&self.output, &self.resource, LogSource::Build, &command).await?;
        match &custom.outputs_image_ref_to {
            None => Ok(Built { reference: expected, cached: false }),
            Some(path) => {
                let text = tokio::fs::read_to_string(path)
                    .await
                    .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
                Ok(Built { reference: text.trim().to_string(), cached: false })
            }
        }
    }
}

/// Options that were given and that the builder does not know.
fn without_effect(docker: &DockerBuild) -> Vec<&'static str> {
    let given = [
        ("ssh=", !docker.ssh.is_empty()),
        ("secret=", !docker.secret.is_empty()),
        ("network=", !docker.network.is_empty()),
        ("cache_from=", !docker.cache_from.is_empty()),
        ("pull=", docker.pull),
        ("platform=", !docker.platform.is_empty()),
        ("extra_hosts=", !docker.extra_hosts.is_empty()),
    ];
    given.into_iter().filter(|(_, is_given)| *is_given).map(|(option, _)| option).collect()
}

/// `FROM written` becomes `FROM built`, for an image of the plan that this one builds on.
fn replace_base(text: &str, written: &str, built: &str) -> String {
    let replace = |line: &str| {
        let mut words = line.split_whitespace();
        let is_from = words.next().is_some_and(|w| w.eq_ignore_ascii_case("from"));
        let names = line.split_whitespace().any(|w| w == written || w == format!("--from={written}"));
        let copies = line.trim_start().to_ascii_uppercase().starts_with("COPY ");
        if names && (is_from || copies) { line.replacen(written, built, 1) } else { line.to_string() }
    };
    text.lines().map(replace).collect::<Vec<_>>().join("\n")
}

/// The patterns of `.dockerignore`, `ignore=` and `only=`, relative to the context.
fn ignore_text(docker: &DockerBuild) -> String {
    let mut lines = Vec::new();
    for Ignore { base, patterns, .. } in &docker.context_ignores {
        let Ok(prefix) = base.strip_prefix(&docker.context) else { continue };
        let prefix = prefix.to_string_lossy();
        if patterns.is_empty() && !prefix.is_empty() {
            lines.push(prefix.to_string());
        }
        for pattern in patterns {
            let (negated, bare) =
                pattern.strip_prefix('!').map_or(("", pattern.as_str()), |rest| ("!", rest));
            lines.push(if prefix.is_empty() { pattern.clone() } else { format!("{negated}{prefix}/{bare}") });
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_images_are_replaced_where_they_are_meant() {
        let text = "FROM base AS a\nRUN echo base\nCOPY --from=base /x /y\nfrom base\n";
        assert_eq!(
            replace_base(text, "base", "base:tilt-1"),
            "FROM base:tilt-1 AS a\nRUN echo base\nCOPY --from=base:tilt-1 /x /y\nfrom base:tilt-1"
        );
    }
}
