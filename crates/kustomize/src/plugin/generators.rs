//! The builtin generators, configured by objects.

use serde_json::json;

use crate::accumulate::Root;
use crate::decode::Fields;
use crate::error::{Error, Result};
use crate::generate;
use crate::helm;
use crate::resource::Resource;
use crate::spec::{Behavior, read as config};

pub(super) const KINDS: &[&str] =
    &["ConfigMapGenerator", "HelmChartInflationGenerator", "IAMPolicyGenerator", "SecretGenerator"];

/// What the generator of this kind makes; `None` if the kind is no generator.
pub(super) fn run(
    root: &Root<'_, '_>,
    kind: &str,
    f: &mut Fields<'_>,
) -> Result<Option<Vec<(Resource, Behavior)>>> {
    match kind {
        "ConfigMapGenerator" | "SecretGenerator" => {
            let secret = kind == "SecretGenerator";
            let generator = config::read_generator_plugin(f, secret)?;
            let resource = generate::one(root, secret, &generator)?;
            Ok(Some(vec![(resource, generator.behavior)]))
        }
        "IAMPolicyGenerator" => Ok(Some(vec![(iam_policy(f)?, Behavior::Create)])),
        "HelmChartInflationGenerator" => {
            let (chart, globals) = (helm::read::chart(f)?, helm::read::globals(f)?);
            let made = helm::run(root, chart, &globals)?;
            Ok(Some(made.into_iter().map(|resource| (resource, Behavior::Create)).collect()))
        }
        _ => Ok(None),
    }
}

/// A ServiceAccount that is bound to one of Google's cloud.
fn iam_policy(f: &mut Fields<'_>) -> Result<Resource> {
    let cloud = f.string("cloud")?;
    let (name, namespace) = f
        .one("kubernetesService", "IAMPolicyGeneratorArgs.kubernetesService", |mut f| {
            Ok((f.string("name")?, f.string("namespace")?))
        })?
        .unwrap_or_default();
    let (account, project) = f
        .one("serviceAccount", "IAMPolicyGeneratorArgs.serviceAccount", |mut f| {
            Ok((f.string("name")?, f.string("projectId")?))
        })?
        .unwrap_or_default();
    if cloud != "gke" {
        return Err(Error::new(format!("cloud provider {cloud} not supported yet"))
            .hint("gke is the one that there is"));
    }
    if account.is_empty() || project.is_empty() {
        return Err(Error::new("serviceAccount must have a name and a projectId"));
    }
    let mut resource = Resource::new(json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "annotations": {
                "iam.gke.io/gcp-service-account": format!("{account}@{project}.iam.gserviceaccount.com"),
            },
            "name": name,
        },
    }));
    if !namespace.is_empty() {
        resource.set_meta("namespace", &namespace);
    }
    Ok(resource)
}
