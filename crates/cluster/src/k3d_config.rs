//! `k3d-config.yaml` (`k3d.io/v1alpha5`, `Simple`) becomes [`Settings`].
//!
//! Reads what an embedded cluster can act on, warns of what it cannot, refuses what is wrong. The rules and
//! messages are k3d's; fields that only Docker could honour are named in a warning, never dropped in silence.

use crate::settings::{PortMapping, Registry, Settings};
use serde_json::Value;

/// The settings, and what of the file has no effect here.
#[derive(Debug, PartialEq)]
pub struct K3dConfig {
    pub settings: Settings,
    /// `options.kubeconfig.updateDefaultKubeconfig`
    pub update_kubeconfig: bool,
    /// `options.kubeconfig.switchCurrentContext`
    pub switch_context: bool,
    pub warnings: Vec<String>,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum K3dConfigError {
    #[error("{message}")]
    Yaml { message: String },
    #[error("unsupported apiVersion '{found}'")]
    ApiVersion { found: String },
    #[error("schema validation failed:{}", .problems.iter().map(|p| format!("\n - {p}")).collect::<String>())]
    Schema { problems: Vec<String> },
}

const TOP_FIELDS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "servers",
    "agents",
    "kubeAPI",
    "image",
    "network",
    "subnet",
    "token",
    "volumes",
    "ports",
    "env",
    "files",
    "registries",
    "hostAliases",
    "options",
];

/// Reads the text; `variable` gives the environment, which k3d puts in before anything else (unset is empty).
pub fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<K3dConfig, K3dConfigError> {
    let expanded = expand(text, variable);
    let documents =
        yaml::parse_documents(&expanded).map_err(|e| K3dConfigError::Yaml { message: e.to_string() })?;
    let config = documents.first().cloned().unwrap_or(Value::Null);
    let version = config["apiVersion"].as_str().unwrap_or("").to_lowercase();
    if version != "k3d.io/v1alpha5" {
        let older = version.starts_with("k3d.io/v1alpha");
        let found = if older {
            format!(
                "{version} (older than k3d.io/v1alpha5; bring the file up to date: `name` is `metadata.name`, node filters are `server:0`)"
            )
        } else {
            version
        };
        return Err(K3dConfigError::ApiVersion { found });
    }
    Reader { config: &config, problems: Vec::new(), warnings: Vec::new() }.read()
}

/// Go's `os.ExpandEnv`: `$NAME` and `${NAME}`.
fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        out.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let (name, used) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end =
                    after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        if name.is_empty() {
            out.push('$');
        } else {
            out.push_str(&variable(name).unwrap_or_default());
        }
        rest = &after[used..];
    }
    out + rest
}

struct Reader<'a> {
    config: &'a Value,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn read(mut self) -> Result<K3dConfig, K3dConfigError> {
        if self.config["kind"] != "Simple" {
            self.problems.push("kind: kind must be one of the following: \"Simple\"".into());
        }
        for field in self.config.as_object().into_iter().flat_map(|o| o.keys()) {
            if !TOP_FIELDS.contains(&field.as_str()) {
                self.problems.push(format!("(root): Additional property {field} is not allowed"));
            }
        }
        let name = self.name();
        let mut settings = Settings::new(&name);
        settings.api_port = self.port_text(&["kubeAPI", "hostPort"]).unwrap_or(0);
        settings.ports = self.ports();
        settings.registry = self.registry(&name);
        self.nodes();
        self.without_effect();
        let options = &self.config["options"]["kubeconfig"];
        let flag = |field: &str| options[field].as_bool().unwrap_or(true);
        let update_kubeconfig = flag("updateDefaultKubeconfig");
        let switch_context = update_kubeconfig && flag("switchCurrentContext");
        if self.problems.is_empty() {
            return Ok(K3dConfig { settings, update_kubeconfig, switch_context, warnings: self.warnings });
        }
        Err(K3dConfigError::Schema { problems: self.problems })
    }

    fn name(&mut self) -> String {
        let name = self.config["metadata"]["name"].as_str().unwrap_or("k3s-default").to_string();
        if let Some(problem) = name_problem(&name) {
            self.problems.push(format!("metadata.name: {problem}"));
        }
        name
    }

    fn port_text(&mut self, path: &[&str]) -> Option<u16> {
        let value = path.iter().fold(self.config, |v, f| &v[*f]);
        let text = match value {
            Value::Null => return None,
            Value::String(text) => text.as_str(),
            _ => {
                self.problems.push(format!(
                    "{}: Invalid type. Expected: string, given: {}",
                    path.join("."),
                    type_name(value)
                ));
                return None;
            }
        };
        if text == "random" || text.is_empty() {
            return None;
        }
        let port = text.parse().ok();
        if port.is_none() {
            self.problems.push(format!("{}: '{text}' is not a port number", path.join(".")));
        }
        port
    }

    fn ports(&mut self) -> Vec<PortMapping> {
        let mut out = Vec::new();
        let list = self.config["ports"].as_array().cloned().unwrap_or_default();
        for (index, entry) in list.iter().enumerate() {
            let Some(text) = entry["port"].as_str() else {
                self.problems.push(format!(
                    "ports.{index}.port: Invalid type. Expected: string, given: {}",
                    type_name(&entry["port"])
                ));
                continue;
            };
            match parse_port(text) {
                Ok(mappings) => out.extend(mappings),
                Err(problem) => self.problems.push(format!("ports.{index}.port: {problem}")),
            }
        }
        out
    }

    fn registry(&mut self, cluster: &str) -> Option<Registry> {
        let registries = &self.config["registries"];
        if registries["use"].as_array().is_some_and(|a| !a.is_empty()) {
            self.warnings
                .push("registries.use has no effect on the embedded cluster: it has its own registry".into());
        }
        if !registries["config"].is_null() {
            self.warnings.push("registries.config has no effect on the embedded cluster".into());
        }
        let create = &registries["create"];
        if create.is_null() {
            return None;
        }
        let port = self.port_text(&["registries", "create", "hostPort"]).unwrap_or(0);
        let name = create["name"].as_str().map_or_else(|| format!("k3d-{cluster}-registry"), String::from);
        let host = create["host"].as_str().unwrap_or("0.0.0.0");
        if !matches!(host, "127.0.0.1" | "localhost" | "0.0.0.0" | "") {
            self.warnings
                .push(format!("registries.create.host {host}: the registry listens on 127.0.0.1 only"));
        }
        for field in ["proxy", "volumes"] {
            if !create[field].is_null() {
                self.warnings
                    .push(format!("registries.create.{field} has no effect on the embedded cluster"));
            }
        }
        Some(Registry { name, port })
    }

    fn nodes(&mut self) {
        let count = |field: &str, least: i64| match &self.config[field] {
            Value::Null => Ok(least),
            value => value.as_f64().filter(|n| *n >= least as f64).map(|n| n as i64).ok_or(value),
        };
        match (count("servers", 1), count("agents", 0)) {
            (Err(_), _) => self.problems.push("servers: Must be greater than or equal to 1".into()),
            (_, Err(_)) => self.problems.push("agents: Must be greater than or equal to 0".into()),
            (Ok(servers), Ok(agents)) if servers + agents > 1 => self.warnings.push(format!(
                "servers: {servers}, agents: {agents}: the embedded cluster has one node; all pods run on it"
            )),
            _ => {}
        }
    }

    fn without_effect(&mut self) {
        for field in ["network", "subnet", "volumes", "env", "files", "hostAliases"] {
            let value = &self.config[field];
            if !value.is_null() && value.as_array().is_none_or(|a| !a.is_empty()) {
                self.warnings.push(format!("{field} has no effect on the embedded cluster"));
            }
        }
        let args = self.config["options"]["k3s"]["extraArgs"].as_array().cloned().unwrap_or_default();
        for arg in args.iter().filter_map(|a| a["arg"].as_str()) {
            // Traefik and servicelb are not part of the embedded cluster: nothing to turn off.
            let harmless = arg.strip_prefix("--disable=").is_some_and(|what| {
                what.split(',').all(|w| matches!(w, "traefik" | "servicelb" | "metrics-server"))
            });
            if !harmless {
                self.warnings
                    .push(format!("options.k3s.extraArgs: {arg} has no effect on the embedded cluster"));
            }
        }
        let runtime = self.config["options"]["runtime"].as_object();
        if runtime.is_some_and(|r| !r.is_empty()) {
            self.warnings.push("options.runtime has no effect on the embedded cluster".into());
        }
    }
}

/// Why k3d would refuse this cluster name.
pub fn name_problem(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || !name.chars().all(legal) || name.starts_with('-') || name.ends_with('-') {
        return Some(format!("'{name}' is not a valid host name (letters, digits and -, not at the ends)"));
    }
    (name.len() > 32).then(|| format!("'{name}' has {} characters; 32 are allowed", name.len()))
}

/// `[HOSTIP:][HOSTPORT:]CONTAINERPORT[/PROTOCOL]`, ranges included. The host address is always the loopback one.
pub fn parse_port(text: &str) -> Result<Vec<PortMapping>, String> {
    let (text_ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if protocol != "tcp" {
        return Err(format!("'{text}': only tcp ports can be mapped on the embedded cluster"));
    }
    let mut parts = text_ports.rsplitn(3, ':');
    let container = range(parts.next().unwrap_or(""), text)?;
    let host = match parts.next() {
        Some("") | None => container.clone(),
        Some(host) => range(host, text)?,
    };
    if host.len() != container.len() {
        return Err(format!("'{text}': the ranges differ in length"));
    }
    Ok(host.zip(container).map(|(host_port, cluster_port)| PortMapping { host_port, cluster_port }).collect())
}

fn range(text: &str, whole: &str) -> Result<std::ops::RangeInclusive<u16>, String> {
    let number = |t: &str| {
        t.parse::<u16>().ok().filter(|n| *n > 0).ok_or(format!("'{whole}': '{t}' is no port number"))
    };
    match text.split_once('-') {
        Some((first, last)) => Ok(number(first)?..=number(last)?),
        None => number(text).map(|n| n..=n),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
apiVersion: k3d.io/v1alpha5
kind: Simple
metadata:
  name: codex-dev
servers: 1
agents: 0
image: rancher/k3s:v1.31.4-k3s1
ports:
  - port: 8080:80
    nodeFilters: [loadbalancer]
  - port: 8443:443
    nodeFilters: [loadbalancer]
registries:
  create:
    name: codex-registry.localhost
    host: "0.0.0.0"
    hostPort: "5111"
options:
  k3s:
    extraArgs:
      - arg: --disable=traefik
        nodeFilters: ["server:*"]
"#;

    #[test]
    fn a_usual_file() {
        let config = parse(PLAN, &|_| None).expect("valid");
        assert_eq!(config.settings.name, "codex-dev");
        let ports: Vec<_> = config.settings.ports.iter().map(|p| (p.host_port, p.cluster_port)).collect();
        assert_eq!(ports, [(8080, 80), (8443, 443)]);
        assert_eq!(
            config.settings.registry.as_ref().map(Registry::address).as_deref(),
            Some("codex-registry.localhost:5111")
        );
        assert_eq!(config.warnings, Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_said_all_at_once() {
        let text = "apiVersion: k3d.io/v1alpha5\nkind: Simple\nservrs: 1\nmetadata: {name: a_b}\nports: [{port: 8080}, {port: 'x:80'}]\n";
        let Err(K3dConfigError::Schema { problems }) = parse(text, &|_| None) else {
            panic!("must be refused")
        };
        assert_eq!(problems.len(), 4, "{problems:?}");
        let version = parse("apiVersion: k3d.io/v1alpha9\nkind: Simple\n", &|_| None);
        assert!(matches!(version, Err(K3dConfigError::ApiVersion { .. })));
    }

    #[test]
    fn variables_and_ports() {
        let env = |name: &str| (name == "N").then(|| "demo".to_string());
        assert_eq!(expand("a $N ${N}b $X. $$", &env), "a demo demob . $$");
        let ports = |text| {
            parse_port(text).map(|p| p.iter().map(|m| (m.host_port, m.cluster_port)).collect::<Vec<_>>())
        };
        assert_eq!(ports("127.0.0.1:8080:80"), Ok(vec![(8080, 80)]));
        assert_eq!(ports("80"), Ok(vec![(80, 80)]));
        assert_eq!(ports("8000-8001:9000-9001/tcp"), Ok(vec![(8000, 9000), (8001, 9001)]));
        assert!(ports("53:53/udp").is_err());
    }
}
