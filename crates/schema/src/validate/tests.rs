use super::check;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

/// Defaults are filled in first, as on the way to the store.
fn causes(resource: &str, mut object: Value, old: Option<&Value>) -> String {
    crate::defaults::apply(resource, &mut object);
    let causes = check(resource, &object, old);
    // What differs follows in lines of its own; the tables of `tests/cases` show it.
    let first = |message: &str| message.lines().next().unwrap_or_default().to_string();
    causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, first(&cause.message)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn create(resource: &str, object: Value, expected: Expect) {
    expected.assert_eq(&causes(resource, object, None));
}

fn update(resource: &str, mut old: Value, change: impl FnOnce(&mut Value), expected: Expect) {
    crate::defaults::apply(resource, &mut old);
    assert_eq!(check(resource, &old, None), [], "the old object is valid");
    let mut new = old.clone();
    change(&mut new);
    expected.assert_eq(&causes(resource, new, Some(&old)));
}

fn pod(spec: Value) -> Value {
    json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":spec})
}

fn container(more: Value) -> Value {
    let mut container = json!({"name":"c","image":"i"});
    for (key, value) in more.as_object().expect("an object") {
        container[key] = value.clone();
    }
    pod(json!({"containers":[container]}))
}

#[test]
fn metadata() {
    create(
        "configmaps",
        json!({"metadata":{}}),
        expect!["metadata.name: Required value: name or generateName is required"],
    );
    create("configmaps", json!({"metadata":{"generateName":"a-"}}), expect![]);
    create(
        "configmaps",
        json!({"metadata":{"name":"My_map","labels":{"-a":"b","a":"b c"},"annotations":{"a/b/c":"x"}}}),
        expect![[r#"
        metadata.name: Invalid value: "My_map": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        metadata.labels: Invalid value: "-a": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        metadata.annotations: Invalid value: "a/b/c": a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"#]],
    );
    create(
        "namespaces",
        json!({"metadata":{"name":"a.b"}}),
        expect![[r#"metadata.name: Invalid value: "a.b": must not contain dots"#]],
    );
    create(
        "services",
        json!({"metadata":{"name":"1a"},"spec":{"ports":[{"port":80}]}}),
        expect![[
            r#"metadata.name: Invalid value: "1a": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"#
        ]],
    );
    create("rbac.authorization.k8s.io/roles", json!({"metadata":{"name":"system:node"}}), expect![]);
    update(
        "namespaces",
        json!({"metadata":{"name":"a","uid":"1"}}),
        |it| it["metadata"]["uid"] = "2".into(),
        expect![[r#"metadata.uid: Invalid value: "2": field is immutable"#]],
    );
}

#[test]
fn pods() {
    create("pods", pod(json!({})), expect!["spec.containers: Required value"]);
    create("pods", container(json!({})), expect![]);
    create(
        "pods",
        pod(
            json!({"restartPolicy":"Sometimes","dnsPolicy":"No","terminationGracePeriodSeconds":-1,"hostname":"A","containers":[{"name":"A"},{"name":"b","image":" x","imagePullPolicy":"Maybe"},{"name":"b","image":"x"}]}),
        ),
        expect![[r#"
            spec.containers[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            spec.containers[0].image: Required value
            spec.containers[1].imagePullPolicy: Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never"
            spec.containers[2].name: Duplicate value: "b"
            spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"
            spec.dnsPolicy: Unsupported value: "No": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"
            spec.hostname: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            spec.containers[1].image: Invalid value: " x": must not have leading or trailing whitespace"#]],
    );
    create(
        "pods",
        pod(
            json!({"containers":[{"name":"c","image":"i","volumeMounts":[{"name":"nope","mountPath":"/a"},{"name":"v","mountPath":"/a","subPath":"/x"},{"name":"v"}]}],
            "volumes":[{"name":"v","emptyDir":{},"hostPath":{"path":"/"}},{"name":"v","configMap":{"defaultMode":888}},{"name":"w","secret":{"items":[{"path":"../a"}]}},{"name":"x","persistentVolumeClaim":{}},{"emptyDir":{}}]}),
        ),
        expect![[r#"
            spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type
            spec.volumes[1].configMap.name: Required value
            spec.volumes[1].configMap.defaultMode: Invalid value: 888: must be a number between 0 and 0777 (octal), both inclusive
            spec.volumes[2].secret.secretName: Required value
            spec.volumes[2].secret.items[0].key: Required value
            spec.volumes[2].secret.items[0].path: Invalid value: "../a": must not contain '..'
            spec.volumes[2].secret.items[0].path: Invalid value: "../a": must not start with '..'
            spec.volumes[3].persistentVolumeClaim.claimName: Required value
            spec.volumes[4].name: Required value
            spec.containers[0].volumeMounts[0].name: Not found: "nope"
            spec.containers[0].volumeMounts[1].name: Not found: "v"
            spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique
            spec.containers[0].volumeMounts.subPath: Invalid value: "/x": must be a relative path
            spec.containers[0].volumeMounts[2].name: Not found: "v"
            spec.containers[0].volumeMounts[2].mountPath: Required value"#]],
    );
    create(
        "pods",
        pod(
            json!({"initContainers":[{"name":"c","image":"i","readinessProbe":{"tcpSocket":{"port":1}}},{"name":"s","image":"i","restartPolicy":"Always","readinessProbe":{"tcpSocket":{"port":1}}}],"containers":[{"name":"c","image":"i"}]}),
        ),
        expect![[r#"
        spec.initContainers[0].name: Duplicate value: "c"
        spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"#]],
    );
    create(
        "pods",
        pod(
            json!({"tolerations":[{"operator":"Equal"},{"key":"a","operator":"Exists","value":"b","effect":"Never"}],"nodeSelector":{"a":"b c"},"containers":[{"name":"c","image":"i"}]}),
        ),
        expect![[r#"
        spec.nodeSelector: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"
        spec.tolerations[1].operator: Invalid value: "b": value must be empty when `operator` is 'Exists'
        spec.tolerations[1].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute""#]],
    );
}

#[test]
fn containers() {
    create(
        "pods",
        container(
            json!({"ports":[{"containerPort":0},{"containerPort":70000,"name":"HTTP"},{"containerPort":1,"name":"a","protocol":"ICMP"},{"containerPort":2,"name":"a","hostPort":-1}]}),
        ),
        expect![[r#"
        spec.containers[0].ports[0].containerPort: Required value
        spec.containers[0].ports[1].name: Invalid value: "HTTP": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)
        spec.containers[0].ports[1].name: Invalid value: "HTTP": must contain at least one letter (a-z)
        spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive
        spec.containers[0].ports[2].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"
        spec.containers[0].ports[3].name: Duplicate value: "a"
        spec.containers[0].ports[3].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive"#]],
    );
    create(
        "pods",
        container(
            json!({"env":[{"name":""},{"name":"a=b"},{"name":"OK","value":"x","valueFrom":{"fieldRef":{"fieldPath":"spec.foo"}}},{"name":"K","valueFrom":{}},{"name":"L","valueFrom":{"configMapKeyRef":{"name":"m"},"secretKeyRef":{"key":"k"}}}],"envFrom":[{},{"secretRef":{"name":""}}]}),
        ),
        expect![[r#"
            spec.containers[0].env[0].name: Required value
            spec.containers[0].env[1].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='
            spec.containers[0].env[2].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": error converting fieldPath: field label not supported: spec.foo
            spec.containers[0].env[2].valueFrom: Invalid value: "": may not be specified when `value` is not empty
            spec.containers[0].env[3].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`
            spec.containers[0].env[4].valueFrom.configMapKeyRef.key: Required value
            spec.containers[0].env[4].valueFrom.secretKeyRef.name: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.containers[0].env[4].valueFrom: Invalid value: "": may not have more than one field specified at a time
            spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`
            spec.containers[0].envFrom[1].secretRef.name: Required value"#]],
    );
    create(
        "pods",
        container(
            json!({"livenessProbe":{"httpGet":{"port":0,"scheme":"FTP"},"successThreshold":2,"timeoutSeconds":-1},"readinessProbe":{},"startupProbe":{"exec":{},"tcpSocket":{"port":"toolongforaportname"}}}),
        ),
        expect![[r#"
        spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive
        spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"
        spec.containers[0].livenessProbe.timeoutSeconds: Invalid value: -1: must be greater than or equal to 0
        spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1
        spec.containers[0].readinessProbe: Required value: must specify a handler type
        spec.containers[0].startupProbe.exec.command: Required value
        spec.containers[0].startupProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"#]],
    );
    create(
        "pods",
        container(json!({"resources":{"limits":{"cpu":"1","memory":"-1Gi"},"requests":{"cpu":"2"}}})),
        expect![[r#"
            spec.containers[0].resources.limits[memory]: Invalid value: "-1Gi": must be greater than or equal to 0
            spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1
            spec.containers[0].resources.requests[memory]: Invalid value: "-1Gi": must be greater than or equal to 0"#]],
    );
    create(
        "pods",
        container(
            json!({"securityContext":{"runAsUser":-1,"allowPrivilegeEscalation":false,"privileged":true},"lifecycle":{"preStop":{"exec":{"command":[]}}}}),
        ),
        expect![[r#"
            spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive
            spec.containers[0].securityContext: Invalid value: {"Capabilities":null,"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":-1,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true
            spec.containers[0].lifecycle.preStop.exec.command: Required value"#]],
    );
}

#[test]
fn pod_updates() {
    let it = || container(json!({}));
    update("pods", it(), |pod| pod["spec"]["containers"][0]["image"] = "new".into(), expect![]);
    update("pods", it(), |pod| pod["spec"]["nodeName"] = "node".into(), expect![]);
    update(
        "pods",
        it(),
        |pod| pod["spec"]["tolerations"] = json!([{"key":"a","operator":"Exists"}]),
        expect![],
    );
    update(
        "pods",
        it(),
        |pod| pod["spec"]["containers"][0]["args"] = json!(["x"]),
        expect![
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
        ],
    );
    update(
        "pods",
        it(),
        |pod| pod["spec"]["hostNetwork"] = true.into(),
        expect![
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
        ],
    );
    update(
        "pods",
        it(),
        |pod| pod["spec"]["containers"] = json!([]),
        expect![[r#"
        spec.containers: Required value
        spec.containers: Forbidden: pod updates may not add or remove containers"#]],
    );
}

fn deployment(more: Value) -> Value {
    let mut spec = json!({"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":{"labels":{"app":"a","z":"1","b":"2"}},"spec":{"containers":[{"name":"c","image":"i"}]}}});
    for (key, value) in more.as_object().expect("an object") {
        spec[key] = value.clone();
    }
    json!({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"},"spec":spec})
}

#[test]
fn workloads() {
    let kind = "apps/deployments";
    create(kind, deployment(json!({})), expect![]);
    create(
        kind,
        deployment(json!({"selector":null})),
        expect![[r#"
        spec.selector: Required value
        spec.template.metadata.labels: Invalid value: {"app":"a","b":"2","z":"1"}: `selector` does not match template `labels`"#]],
    );
    create(
        kind,
        deployment(json!({"selector":{}})),
        expect!["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
    );
    create(
        kind,
        deployment(json!({"selector":{"matchLabels":{"app":"b"}},"replicas":-1})),
        expect![[r#"
        spec.template.metadata.labels: Invalid value: {"app":"a","b":"2","z":"1"}: `selector` does not match template `labels`
        spec.replicas: Invalid value: -1: must be greater than or equal to 0"#]],
    );
    create(
        kind,
        deployment(
            json!({"selector":{"matchExpressions":[{"key":"app","operator":"In","values":["a"]},{"key":"x","operator":"In"}]}}),
        ),
        expect![[r#"
        spec.selector.matchExpressions[1].values: Required value: must be specified when `operator` is 'In' or 'NotIn'
        spec.template.metadata.labels: Invalid value: {"app":"a","b":"2","z":"1"}: `selector` does not match template `labels`"#]],
    );
    create(
        kind,
        deployment(json!({"strategy":{"type":"Recreate","rollingUpdate":{}}})),
        expect![
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"
        ],
    );
    create(
        kind,
        deployment(json!({"strategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":"0%"}}})),
        expect![[
            r#"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0"#
        ]],
    );
    create(
        kind,
        deployment(json!({"strategy":{"type":"Blue"},"progressDeadlineSeconds":1,"minReadySeconds":2})),
        expect![[r#"
        spec.strategy.type: Unsupported value: "Blue": supported values: "Recreate", "RollingUpdate"
        spec.progressDeadlineSeconds: Invalid value: 1: must be greater than minReadySeconds"#]],
    );
    create(
        kind,
        deployment(
            json!({"template":{"metadata":{"labels":{"app":"a"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c"}]}}}),
        ),
        expect![[r#"
        spec.template.spec.containers[0].image: Required value
        spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#]],
    );
    update(
        kind,
        deployment(json!({})),
        |it| it["spec"]["selector"] = json!({"matchLabels":{"z":"1","b":"2"}}),
        expect![[r#"spec.selector: Invalid value: {"matchLabels":{"b":"2","z":"1"}}: field is immutable"#]],
    );
    update(kind, deployment(json!({})), |it| it["spec"]["replicas"] = 5.into(), expect![]);
    update(
        "apps/statefulsets",
        deployment(json!({})),
        |it| it["spec"]["serviceName"] = "x".into(),
        expect![
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        ],
    );
    create(
        "batch/jobs",
        json!({"metadata":{"name":"a"},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}}}),
        expect![[r#"spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never""#]],
    );
    create(
        "batch/cronjobs",
        json!({"metadata":{"name":"a"},"spec":{"schedule":"* *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}}}}),
        expect![[r#"spec.schedule: Invalid value: "* *": expected exactly 5 fields, found 2: [* *]"#]],
    );
}

#[test]
fn services() {
    let service =
        |spec: Value| json!({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":spec});
    create("services", service(json!({"ports":[{"port":80}],"selector":{"a":"b"}})), expect![]);
    create("services", service(json!({})), expect!["spec.ports: Required value"]);
    create("services", service(json!({"clusterIP":"None"})), expect![]);
    create(
        "services",
        service(
            json!({"type":"Nope","ports":[{"port":0},{"port":80,"name":"x","nodePort":30000},{"port":80,"name":"x","protocol":"ICMP","targetPort":"BAD"}]}),
        ),
        expect![[r#"
            spec.ports[0].name: Required value
            spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive
            spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive
            spec.ports[2].name: Duplicate value: "x"
            spec.ports[2].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"
            spec.ports[2].targetPort: Invalid value: "BAD": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)
            spec.ports[2].targetPort: Invalid value: "BAD": must contain at least one letter (a-z)
            spec.type: Unsupported value: "Nope": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort""#]],
    );
    create("services", service(json!({"type":"ExternalName"})), expect!["spec.externalName: Required value"]);
    create(
        "services",
        service(json!({"type":"NodePort","clusterIP":"None","ports":[{"port":1}]})),
        expect![[
            r#"spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services"#
        ]],
    );
    create(
        "services",
        service(json!({"clusterIP":"10.0.0","ports":[{"port":1}]})),
        expect![[
            r#"spec.clusterIPs[0]: Invalid value: "10.0.0": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#
        ]],
    );
    let stored = service(json!({"clusterIP":"10.43.0.1","clusterIPs":["10.43.0.1"],"ports":[{"port":80}]}));
    update(
        "services",
        stored,
        |it| (it["spec"]["clusterIP"], it["spec"]["clusterIPs"]) = ("10.43.0.2".into(), json!(["10.43.0.2"])),
        expect![[r#"spec.clusterIPs[0]: Invalid value: ["10.43.0.2"]: may not change once set"#]],
    );
}

#[test]
fn ingresses() {
    let ingress = |spec: Value| json!({"metadata":{"name":"a"},"spec":spec});
    let kind = "networking.k8s.io/ingresses";
    let good = json!({"service":{"name":"web","port":{"number":80}}});
    create(
        kind,
        ingress(
            json!({"rules":[{"host":"*.a.b","http":{"paths":[{"path":"/","pathType":"Prefix","backend":good}]}}]}),
        ),
        expect![],
    );
    create(
        kind,
        ingress(json!({})),
        expect!["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"],
    );
    create(
        kind,
        ingress(json!({"defaultBackend":{"service":{"name":"web","port":{}}}})),
        expect!["spec.defaultBackend: Required value: port name or number is required"],
    );
    create(
        kind,
        ingress(
            json!({"rules":[{"host":"1.2.3.4","http":{"paths":[]}},{"host":"A.b","http":{"paths":[{"path":"x","pathType":"Exact","backend":{}},{"path":"/a//b","pathType":"Prefix","backend":good},{"backend":good},{"pathType":"Regex","backend":{"service":{"name":"1x","port":{"name":"a","number":1}}}}]}}]}),
        ),
        expect![[r#"
            spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address
            spec.rules[0].http.paths: Required value
            spec.rules[1].host: Invalid value: "A.b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.rules[1].http.paths[0].path: Invalid value: "x": must be an absolute path
            spec.rules[1].http.paths[0].backend: Invalid value: "": resource or service backend is required
            spec.rules[1].http.paths[1].path: Invalid value: "/a//b": must not contain '//'
            spec.rules[1].http.paths[2].pathType: Required value: pathType must be specified
            spec.rules[1].http.paths[3].pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"
            spec.rules[1].http.paths[3].backend.service.name: Invalid value: "1x": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
            spec.rules[1].http.paths[3].backend: Invalid value: "": cannot set both port name & port number"#]],
    );
}

#[test]
fn configuration() {
    create(
        "configmaps",
        json!({"metadata":{"name":"a"},"data":{"a/b":"x","..":"y","k":"v"},"binaryData":{"k":"eA=="}}),
        expect![[r#"
        data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
        data[..]: Invalid value: "..": must not be '..'
        data[k]: Invalid value: "k": duplicate of key present in binaryData"#]],
    );
    create(
        "secrets",
        json!({"metadata":{"name":"a"},"type":"kubernetes.io/tls","data":{"tls.crt":""}}),
        expect!["data[tls.key]: Required value"],
    );
    let immutable = json!({"metadata":{"name":"a"},"immutable":true,"data":{"a":"eA=="}});
    update(
        "configmaps",
        immutable.clone(),
        |it| it["data"]["a"] = "y".into(),
        expect!["data: Forbidden: field is immutable when `immutable` is set"],
    );
    update(
        "secrets",
        immutable,
        |it| (it["immutable"], it["type"]) = (Value::Null, "x".into()),
        expect![[r#"
        type: Invalid value: "x": field is immutable
        immutable: Forbidden: field is immutable when `immutable` is set"#]],
    );
}

#[test]
fn claims() {
    let claim = |spec: Value| json!({"metadata":{"name":"a"},"spec":spec});
    let kind = "persistentvolumeclaims";
    create(
        kind,
        claim(json!({})),
        expect![[r#"
        spec.accessModes: Required value: at least 1 access mode is required
        spec.resources[storage]: Required value"#]],
    );
    create(
        kind,
        claim(json!({"accessModes":["Often"],"resources":{"requests":{"storage":"0"}}})),
        expect![[r#"
        spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"
        spec.resources[storage]: Invalid value: "0": must be greater than zero"#]],
    );
    let good = || {
        claim(
            json!({"accessModes":["ReadWriteOnce"],"storageClassName":"x","resources":{"requests":{"storage":"1Gi"}}}),
        )
    };
    create(kind, good(), expect![]);
    update(kind, good(), |it| it["spec"]["volumeName"] = "pv".into(), expect![]);
    update(
        kind,
        good(),
        |it| it["spec"]["storageClassName"] = "y".into(),
        expect![
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        ],
    );
    update(
        kind,
        good(),
        |it| it["spec"]["resources"]["requests"]["storage"] = "2Gi".into(),
        expect![
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        ],
    );
}
