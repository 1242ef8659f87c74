//! The charts of a kustomization as they are written.

use super::{Chart, Charts, Globals};
use crate::decode::Fields;
use crate::error::Result;
use crate::spec::read::place;

/// `helmCharts`, `helmGlobals` and the older `helmChartInflationGenerator`.
pub(crate) fn charts(f: &mut Fields<'_>) -> Result<Charts> {
    let mut charts = f.each("helmCharts", "HelmChart", |mut f| {
        let chart = chart(&mut f)?;
        f.finish()?;
        Ok(chart)
    })?;
    let given = f.one("helmGlobals", "HelmGlobals", |mut f| {
        let globals = globals(&mut f)?;
        f.finish()?;
        Ok(globals)
    })?;
    let mut globals = Globals::default();
    for (old, homes) in f.each("helmChartInflationGenerator", "HelmChartArgs", old_chart)? {
        charts.push(old);
        for (home, old) in
            [(&mut globals.chart_home, homes.chart_home), (&mut globals.config_home, homes.config_home)]
        {
            if !old.is_empty() {
                *home = old;
            }
        }
    }
    Ok(Charts { charts, globals: given.unwrap_or(globals) })
}

pub(crate) fn globals(f: &mut Fields<'_>) -> Result<Globals> {
    Ok(Globals { chart_home: f.string("chartHome")?, config_home: f.string("configHome")? })
}

pub(crate) fn chart(f: &mut Fields<'_>) -> Result<Chart> {
    Ok(Chart {
        name: f.string("name")?,
        version: f.string("version")?,
        digest: f.string("digest")?,
        repo: f.string("repo")?,
        release_name: f.string("releaseName")?,
        namespace: f.string("namespace")?,
        additional_values_files: f.strings("additionalValuesFiles")?,
        values_file: f.string("valuesFile")?,
        values_inline: f.value_map("valuesInline")?,
        values_merge: f.string("valuesMerge")?,
        include_crds: f.bool("includeCRDs")?,
        skip_hooks: f.bool("skipHooks")?,
        api_versions: f.strings("apiVersions")?,
        kube_version: f.string("kubeVersion")?,
        name_template: f.string("nameTemplate")?,
        skip_tests: f.bool("skipTests")?,
        debug: f.bool("debug")?,
        devel: f.bool("devel")?,
        config: f.to_value(),
        place: place(f),
    })
}

/// The names of fields before v4.1. Some have long been without effect.
fn old_chart(mut f: Fields<'_>) -> Result<(Chart, Globals)> {
    let chart = Chart {
        name: f.string("chartName")?,
        version: f.string("chartVersion")?,
        repo: f.string("chartRepoUrl")?,
        values_file: f.string("values")?,
        values_inline: f.value_map("valuesLocal")?,
        values_merge: f.string("valuesMerge")?,
        release_name: f.string("releaseName")?,
        config: f.to_value(),
        place: place(&f),
        ..Chart::default()
    };
    let globals = Globals { chart_home: f.string("chartHome")?, config_home: f.string("helmHome")? };
    for without_effect in ["chartRepoName", "helmBin", "releaseNamespace"] {
        f.string(without_effect)?;
    }
    f.strings("extraArgs")?;
    f.finish()?;
    Ok((chart, globals))
}
