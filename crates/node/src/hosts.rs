//! A pod's `/etc/hosts`, `/etc/resolv.conf` and host name.

use crate::NodeConfig;
use crate::env::items;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::Path;

const DNS_POLICY_CLUSTER_HOST: &str = "ClusterFirstWithHostNet";

/// The pod's host name, at most 63 characters as in a DNS label.
pub(crate) fn hostname(pod: &Value, node: &str) -> String {
    if pod["spec"]["hostNetwork"] == true {
        return node.to_owned();
    }
    let own = pod["spec"]["hostname"].as_str().filter(|name| !name.is_empty());
    let name = own.or(pod["metadata"]["name"].as_str()).unwrap_or_default();
    name.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

/// `name.subdomain.namespace.svc.cluster.local`, for pods with a subdomain.
fn full_name(pod: &Value, config: &NodeConfig) -> Option<String> {
    let subdomain = pod["spec"]["subdomain"].as_str().filter(|name| !name.is_empty())?;
    let namespace = pod["metadata"]["namespace"].as_str()?;
    Some(format!("{}.{subdomain}.{namespace}.svc.{}", hostname(pod, &config.name), config.cluster_domain))
}

pub(crate) fn hosts_file(pod: &Value, config: &NodeConfig, ip: Ipv4Addr, of_host: &str) -> String {
    let mut out = if pod["spec"]["hostNetwork"] == true {
        format!("# Kubernetes-managed hosts file (host network).\n{of_host}")
    } else {
        let name = hostname(pod, &config.name);
        let names = full_name(pod, config).map_or_else(|| name.clone(), |full| format!("{full}\t{name}"));
        format!(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n{ip}\t{names}\n"
        )
    };
    let mut aliases = items(&pod["spec"]["hostAliases"]).peekable();
    if aliases.peek().is_some() {
        out.push_str("\n# Entries added by HostAliases.\n");
    }
    for alias in aliases {
        let names: Vec<&str> = items(&alias["hostnames"]).filter_map(Value::as_str).collect();
        out.push_str(&format!("{}\t{}\n", alias["ip"].as_str().unwrap_or_default(), names.join("\t")));
    }
    out
}

/// What the resolver of the pod's processes reads; `of_host` is the host's own file.
pub(crate) fn resolv_conf(pod: &Value, config: &NodeConfig, of_host: &str) -> String {
    let policy = pod["spec"]["dnsPolicy"].as_str().unwrap_or("ClusterFirst");
    let host_network = pod["spec"]["hostNetwork"] == true;
    let mut conf = match policy {
        "None" => Conf::default(),
        "Default" => Conf::of_host(of_host, config, host_network),
        "ClusterFirst" if host_network => Conf::of_host(of_host, config, true),
        "ClusterFirst" | DNS_POLICY_CLUSTER_HOST => Conf::of_cluster(pod, config, of_host),
        _ => Conf::of_cluster(pod, config, of_host),
    };
    let own = &pod["spec"]["dnsConfig"];
    let texts =
        |field: &str| items(&own[field]).filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    for (target, more) in
        [(&mut conf.nameservers, texts("nameservers")), (&mut conf.search, texts("searches"))]
    {
        target.extend(more);
        let mut seen = std::collections::HashSet::new();
        target.retain(|entry| seen.insert(entry.clone()));
    }
    for option in items(&own["options"]) {
        let name = option["name"].as_str().unwrap_or_default();
        conf.options.retain(|known| known.split(':').next() != Some(name));
        match option["value"].as_str() {
            Some(value) => conf.options.push(format!("{name}:{value}")),
            None => conf.options.push(name.to_owned()),
        }
    }
    conf.text()
}

#[derive(Default)]
struct Conf {
    search: Vec<String>,
    nameservers: Vec<String>,
    options: Vec<String>,
}

impl Conf {
    fn read(text: &str) -> Self {
        let mut out = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => out.nameservers.extend(words.next().map(str::to_owned)),
                Some("search" | "domain") => out.search = words.map(str::to_owned).collect(),
                Some("options") => out.options.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        out
    }

    /// A resolver on the host's loopback cannot be reached from a pod's namespace: the cluster's forwards to it.
    fn of_host(text: &str, config: &NodeConfig, host_network: bool) -> Self {
        let mut out = Self::read(text);
        if !host_network {
            out.nameservers.retain(|server| !server.starts_with("127.") && server != "::1");
            if out.nameservers.is_empty() {
                out.nameservers.push(config.dns.to_string());
            }
        }
        out
    }

    fn of_cluster(pod: &Value, config: &NodeConfig, of_host: &str) -> Self {
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("default");
        let domain = &config.cluster_domain;
        let mut search = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()];
        search.extend(Self::read(of_host).search.into_iter().filter(|entry| entry != "."));
        Self { search, nameservers: vec![config.dns.to_string()], options: vec!["ndots:5".into()] }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if !self.search.is_empty() {
            out.push_str(&format!("search {}\n", self.search.join(" ")));
        }
        for server in &self.nameservers {
            out.push_str(&format!("nameserver {server}\n"));
        }
        if !self.options.is_empty() {
            out.push_str(&format!("options {}\n", self.options.join(" ")));
        }
        out
    }
}

/// The host's resolver settings; behind systemd-resolved's stub there are better ones.
pub(crate) fn host_resolv_conf() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let text = read("/etc/resolv.conf");
    let stub = text.lines().any(|line| line.split_whitespace().eq(["nameserver", "127.0.0.53"]));
    if stub && Path::new("/run/systemd/resolve/resolv.conf").exists() {
        return read("/run/systemd/resolve/resolv.conf");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;
    use std::sync::Arc;

    fn config() -> NodeConfig {
        NodeConfig {
            name: "n".into(),
            root: "/nowhere".into(),
            cluster_domain: "cluster.local".into(),
            dns: [10, 43, 0, 10].into(),
            service_account_token: Arc::new(|_, _, _, _, _, _| (String::new(), 0)),
            ca_pem: String::new(),
            api_host: [10, 43, 0, 1].into(),
            storage: "/nowhere".into(),
            version: String::new(),
        }
    }

    #[test]
    fn names_of_a_pod() {
        let mut pod = json!({"metadata": {"name": "web-0", "namespace": "codex"}, "spec": {
            "subdomain": "web", "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["db", "db.local"]}]}});
        expect![[r#"
            # Kubernetes-managed hosts file.
            127.0.0.1	localhost
            ::1	localhost ip6-localhost ip6-loopback
            fe00::0	ip6-localnet
            fe00::0	ip6-mcastprefix
            fe00::1	ip6-allnodes
            fe00::2	ip6-allrouters
            10.42.0.9	web-0.web.codex.svc.cluster.local	web-0

            # Entries added by HostAliases.
            10.1.2.3	db	db.local
        "#]]
        .assert_eq(&hosts_file(&pod, &config(), [10, 42, 0, 9].into(), ""));
        let host = "search corp.example\nnameserver 127.0.0.1\noptions edns0\n";
        let mut check = |policy: &str, extra: Value, expected: expect_test::Expect| {
            pod["spec"]["dnsPolicy"] = policy.into();
            pod["spec"]["dnsConfig"] = extra;
            expected.assert_eq(&resolv_conf(&pod, &config(), host));
        };
        check(
            "ClusterFirst",
            json!({"options": [{"name": "ndots", "value": "2"}]}),
            expect![[r#"
            search codex.svc.cluster.local svc.cluster.local cluster.local corp.example
            nameserver 10.43.0.10
            options ndots:2
        "#]],
        );
        check(
            "Default",
            json!(null),
            expect![[r#"
            search corp.example
            nameserver 10.43.0.10
            options edns0
        "#]],
        );
        check(
            "None",
            json!({"nameservers": ["1.1.1.1"], "searches": ["x"]}),
            expect![[r#"
            search x
            nameserver 1.1.1.1
        "#]],
        );
    }
}
