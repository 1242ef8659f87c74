use crate::tests::{bench, by};
use crate::*;
use expect_test::{Expect, expect};
use serde_json::json;

const POLICIES: &str = super::VALIDATING;
const BINDINGS: &str = super::VALIDATING_BINDINGS;

/// A policy about ConfigMaps; `more` goes into its specification.
fn policy(more: Value) -> Value {
    let mut spec = json!({ "matchConstraints": { "resourceRules": [{
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"],
    }] } });
    for (field, value) in more.as_object().expect("an object") {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": "p" }, "spec": spec,
    })
}

fn binding(more: Value) -> Value {
    let mut spec = json!({ "policyName": "p", "validationActions": ["Deny"] });
    for (field, value) in more.as_object().expect("an object") {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": "b" }, "spec": spec,
    })
}

fn config_map(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "default" }, "data": data })
}

fn world(policy: Value, binding: Value) -> (Api, tempfile::TempDir) {
    let (api, dir) = bench();
    api.create(POLICIES, policy, &by()).expect("the policy");
    api.create(BINDINGS, binding, &by()).expect("the binding");
    (api, dir)
}

fn told(result: Result<Object>, warnings: &Warnings) -> String {
    let mut lines: Vec<String> =
        warnings.take().iter().map(|warning| format!("warning: {warning}")).collect();
    lines.push(match result {
        Ok(_) => "accepted".into(),
        Err(error) => format!("{} {}: {}", error.code, error.reason, error.message),
    });
    lines.join("\n")
}

fn create(api: &Api, object: Value) -> String {
    create_by(
        api,
        object,
        UserInfo { username: "jane".into(), groups: vec!["dev".into()], ..UserInfo::default() },
    )
}

fn create_by(api: &Api, object: Value, user: UserInfo) -> String {
    let mut options = by();
    options.origin = Origin::of(std::sync::Arc::new(user));
    options.origin.warnings = options.warnings.clone();
    let kind = api
        .kinds()
        .by_gvk(object["apiVersion"].as_str().unwrap_or(""), object["kind"].as_str().unwrap_or(""));
    let result = api.create(&kind.expect("a kind").resource(), object, &options);
    told(result, &options.warnings)
}

fn asked(more: Value, bound: Value, expected: Expect) {
    let (api, _dir) = world(policy(more), binding(bound));
    expected.assert_eq(&create(&api, config_map("c", json!({ "size": "large", "n": "7" }))));
}

#[test]
fn what_does_not_hold_is_refused_in_upstreams_words() {
    let refuse = json!({ "validations": [{ "expression": "object.data.size != 'large'" }] });
    asked(
        refuse.clone(),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.data.size != 'large'"#
        ]],
    );
    asked(
        refuse.clone(),
        json!({ "validationActions": ["Warn", "Audit"] }),
        expect![[r#"
        warning: Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': failed expression: object.data.size != 'large'
        accepted"#]],
    );
    asked(refuse, json!({ "validationActions": ["Audit"] }), expect!["accepted"]);
    asked(
        json!({ "validations": [
            { "expression": "int(object.data.n) > 5", "message": "too small" },
            { "expression": "int(object.data.n) > 8", "message": "  too small ", "reason": "Forbidden" },
            { "expression": "false" },
        ] }),
        json!({}),
        expect![[
            r#"403 Forbidden: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: too small"#
        ]],
    );
    asked(
        json!({ "validations": [{
            "expression": "false", "message": "m", "reason": "RequestEntityTooLarge",
            "messageExpression": "'size ' + object.data.size + ' of ' + object.metadata.name",
        }] }),
        json!({}),
        expect![[
            r#"413 RequestEntityTooLarge: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: size large of c"#
        ]],
    );
    // A message that cannot be made gives way.
    asked(
        json!({ "validations": [{ "expression": "false", "message": "m", "messageExpression": "object.nothing" }] }),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: m"#
        ]],
    );
    asked(
        json!({ "validations": [{ "expression": "object.nothing == 1" }] }),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: expression 'object.nothing == 1' resulted in error: no such key: nothing"#
        ]],
    );
    asked(
        json!({ "failurePolicy": "Ignore", "validations": [{ "expression": "object.nothing == 1" }] }),
        json!({}),
        expect!["accepted"],
    );
    asked(
        json!({ "failurePolicy": "Ignore", "validations": [{ "expression": "object.nothing == 1" }, { "expression": "1 > 2" }] }),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: 1 > 2"#
        ]],
    );
}

#[test]
fn variables_and_conditions() {
    asked(
        json!({
            "variables": [
                { "name": "n", "expression": "int(object.data.n)" },
                { "name": "doubled", "expression": "variables.n * 2" },
                { "name": "broken", "expression": "object.nothing" },
            ],
            "validations": [
                { "expression": "variables.doubled == 14" },
                { "expression": "variables.doubled < 10", "messageExpression": "'is ' + string(variables.doubled)" },
            ],
        }),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: is 14"#
        ]],
    );
    asked(
        json!({
            "variables": [{ "name": "broken", "expression": "object.nothing" }],
            "validations": [{ "expression": "variables.broken > 1" }],
        }),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: expression 'variables.broken > 1' resulted in error: composited variable "broken" fails to evaluate: no such key: nothing"#
        ]],
    );
    let refuse = |conditions: Value| json!({ "matchConditions": conditions, "validations": [{ "expression": "false" }] });
    let condition = |name: &str, expression: &str| json!({ "name": name, "expression": expression });
    asked(refuse(json!([condition("a", "object.data.size == 'small'")])), json!({}), expect!["accepted"]);
    asked(
        refuse(json!([condition("a", "request.userInfo.username == 'jane'")])),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: false"#
        ]],
    );
    asked(
        refuse(json!([condition("a", "object.x"), condition("b", "object.y == 1")])),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: [expression 'object.x' resulted in error: no such key: x, expression 'object.y == 1' resulted in error: no such key: y]"#
        ]],
    );
    asked(
        refuse(json!([condition("a", "object.x == 1"), condition("b", "false")])),
        json!({}),
        expect!["accepted"],
    );
}

#[test]
fn expressions_see_the_request() {
    let sees = json!({ "validations": [{ "expression": "request.operation == 'CREATE' && request.kind.kind == 'ConfigMap' \
        && request.resource.resource == 'configmaps' && request.namespace == 'default' && request.name == 'c' \
        && request.userInfo.groups.exists(g, g == 'dev') && !request.dryRun && oldObject == null && params == null \
        && namespaceObject.metadata.name == 'default' && object.metadata.namespace == 'default'" }],
        "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" } });
    asked(sees, json!({}), expect!["accepted"]);
}

#[test]
fn policies_are_about_what_their_rules_name() {
    let (api, _dir) = bench();
    let refuse = |constraints: Value| {
        policy(json!({ "matchConstraints": constraints, "validations": [{ "expression": "false" }] }))
    };
    let rule = |more: Value| {
        let mut rule =
            json!({ "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"] });
        for (field, value) in more.as_object().expect("an object") {
            rule[field] = value.clone();
        }
        rule
    };
    let labelled = {
        let mut object = config_map("c", json!({}));
        object["metadata"]["labels"] = json!({ "tier": "web" });
        object
    };
    let selector = |label: &str| json!({ "matchLabels": { label: "web" } });
    let cases = [
        ("everything", json!({ "resourceRules": [rule(json!({}))] })),
        ("another operation", json!({ "resourceRules": [rule(json!({ "operations": ["DELETE"] }))] })),
        ("its name", json!({ "resourceRules": [rule(json!({ "resourceNames": ["c", "d"] }))] })),
        ("another name", json!({ "resourceRules": [rule(json!({ "resourceNames": ["d"] }))] })),
        ("another scope", json!({ "resourceRules": [rule(json!({ "scope": "Cluster" }))] })),
        (
            "excluded",
            json!({ "resourceRules": [rule(json!({}))], "excludeResourceRules": [rule(json!({ "resources": ["configmaps"] }))] }),
        ),
        ("a subresource", json!({ "resourceRules": [rule(json!({ "resources": ["configmaps/status"] }))] })),
        ("its labels", json!({ "resourceRules": [rule(json!({}))], "objectSelector": selector("tier") })),
        ("other labels", json!({ "resourceRules": [rule(json!({}))], "objectSelector": selector("other") })),
        (
            "its namespace",
            json!({ "resourceRules": [rule(json!({}))], "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "default" } } }),
        ),
        (
            "another namespace",
            json!({ "resourceRules": [rule(json!({}))], "namespaceSelector": selector("tier") }),
        ),
    ];
    api.create(BINDINGS, binding(json!({})), &by()).expect("the binding");
    let key = Key::new(POLICIES, "", "p");
    let lines = cases.map(|(what, constraints)| {
        api.create(POLICIES, refuse(constraints), &by()).expect("the policy");
        let options = WriteOptions { dry_run: true, ..by() };
        let refused = api.create("configmaps", labelled.clone(), &options).is_err();
        api.delete(&key, &DeleteOptions::default()).expect("gone");
        format!("{what}: {}", if refused { "concerned" } else { "-" })
    });
    expect![[r#"
        everything: concerned
        another operation: -
        its name: concerned
        another name: -
        another scope: -
        excluded: -
        a subresource: -
        its labels: concerned
        other labels: -
        its namespace: concerned
        another namespace: -"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn a_policy_sees_the_version_that_it_asks_for() {
    let hpa = json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "h", "namespace": "default" },
        "spec": { "maxReplicas": 3, "scaleTargetRef": { "kind": "Deployment", "name": "d", "apiVersion": "apps/v1" },
            "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } }] } });
    let rules = |policy: &str| json!({ "matchPolicy": policy, "resourceRules": [{ "apiGroups": ["autoscaling"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["*"] }] });
    let validations = json!([{ "expression": "object.spec.targetCPUUtilizationPercentage < 50 && request.kind.version == 'v1' && request.requestKind.version == 'v2'",
        "messageExpression": "object.apiVersion + ' ' + string(object.spec.targetCPUUtilizationPercentage)" }]);
    let says = |how: &str| {
        let (api, _dir) = world(
            policy(json!({ "matchConstraints": rules(how), "validations": validations })),
            binding(json!({})),
        );
        create(&api, hpa.clone())
    };
    expect![[r#"422 Invalid: horizontalpodautoscalers.autoscaling "h" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: autoscaling/v1 50"#]].assert_eq(&says("Equivalent"));
    expect!["accepted"].assert_eq(&says("Exact"));
}

#[test]
fn parameters() {
    let spec = json!({ "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
        "validations": [{ "expression": "params != null && int(object.data.n) <= int(params.data.most)", "messageExpression": "'more than ' + params.data.most" }],
        "matchConditions": [{ "name": "no-params", "expression": "!object.metadata.name.startsWith('most')" }] });
    let with = |reference: Value| {
        let bound = if reference.is_null() { json!({}) } else { json!({ "paramRef": reference }) };
        let (api, _dir) = bench();
        for (name, most) in [("most-a", "5"), ("most-b", "9")] {
            let mut object = config_map(name, json!({ "most": most }));
            object["metadata"]["labels"] = json!({ "for": "p", "is": name });
            api.create("configmaps", object, &by()).expect("parameters");
        }
        api.create(POLICIES, policy(spec.clone()), &by()).expect("the policy");
        api.create(BINDINGS, binding(bound), &by()).expect("the binding");
        create(&api, config_map("c", json!({ "n": "7" })))
    };
    let said = [
        json!({ "name": "most-a", "parameterNotFoundAction": "Deny" }),
        json!({ "name": "most-b", "namespace": "default", "parameterNotFoundAction": "Deny" }),
        json!({ "selector": { "matchLabels": { "for": "p" } }, "parameterNotFoundAction": "Deny" }),
        json!({ "selector": { "matchLabels": { "is": "most-b" } }, "parameterNotFoundAction": "Deny" }),
        json!({ "name": "nobody", "parameterNotFoundAction": "Deny" }),
        json!({ "name": "nobody", "parameterNotFoundAction": "Allow" }),
        json!(null),
    ]
    .map(|reference| format!("{reference}: {}", with(reference.clone())));
    expect![[r#"
        {"name":"most-a","parameterNotFoundAction":"Deny"}: 422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: more than 5
        {"name":"most-b","namespace":"default","parameterNotFoundAction":"Deny"}: accepted
        {"selector":{"matchLabels":{"for":"p"}},"parameterNotFoundAction":"Deny"}: 422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: more than 5
        {"selector":{"matchLabels":{"is":"most-b"}},"parameterNotFoundAction":"Deny"}: accepted
        {"name":"nobody","parameterNotFoundAction":"Deny"}: 422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction
        {"name":"nobody","parameterNotFoundAction":"Allow"}: accepted
        null: 422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: params != null && int(object.data.n) <= int(params.data.most)"#]].assert_eq(&said.join("\n"));
}

#[test]
fn rights_can_be_asked_for() {
    let refuse = |expression: &str| {
        policy(json!({ "validations": [{ "expression": expression, "message": "no right" }] }))
    };
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "r" },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps", "pods/log"], "verbs": ["approve"], "resourceNames": ["c"] }, { "nonResourceURLs": ["/ok"], "verbs": ["get"] }] });
    let bind = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "r" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r" }, "subjects": [{ "kind": "Group", "name": "dev", "apiGroup": "rbac.authorization.k8s.io" }] });
    let said = [
        "authorizer.requestResource.check('approve').allowed()",
        "authorizer.requestResource.check('other').allowed()",
        "authorizer.group('').resource('pods').subresource('log').name('c').namespace('x').check('approve').allowed()",
        "authorizer.path('/ok').check('get').allowed() && !authorizer.path('/other').check('get').allowed()",
        "authorizer.serviceAccount('default', 'a').group('').resource('configmaps').check('approve').allowed()",
        "authorizer.requestResource.check('approve').reason().startsWith('RBAC: allowed by')",
    ]
    .map(|expression| {
        let (api, _dir) = world(refuse(expression), binding(json!({})));
        api.create("rbac.authorization.k8s.io/clusterroles", role.clone(), &by()).expect("the role");
        api.create("rbac.authorization.k8s.io/clusterrolebindings", bind.clone(), &by()).expect("its binding");
        format!("{expression}: {}", create(&api, config_map("c", json!({}))))
    });
    expect![[r#"
        authorizer.requestResource.check('approve').allowed(): accepted
        authorizer.requestResource.check('other').allowed(): 422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no right
        authorizer.group('').resource('pods').subresource('log').name('c').namespace('x').check('approve').allowed(): accepted
        authorizer.path('/ok').check('get').allowed() && !authorizer.path('/other').check('get').allowed(): accepted
        authorizer.serviceAccount('default', 'a').group('').resource('configmaps').check('approve').allowed(): 422 Invalid: configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no right
        authorizer.requestResource.check('approve').reason().startsWith('RBAC: allowed by'): accepted"#]].assert_eq(&said.join("\n"));
}

#[test]
fn changes_and_deletions_are_asked_about() {
    let constraints = json!({ "resourceRules": [{ "apiGroups": ["", "apps"], "apiVersions": ["v1"], "operations": ["UPDATE", "DELETE"], "resources": ["configmaps"] }] });
    let spec = json!({ "matchConstraints": constraints, "validations": [
        { "expression": "request.operation != 'DELETE' || (object == null && oldObject.data.keep != 'true')", "message": "is kept" },
        { "expression": "request.operation != 'UPDATE' || object.data.keep == oldObject.data.keep", "message": "keep stays" },
    ] });
    let (api, _dir) = world(policy(spec), binding(json!({})));
    api.create("configmaps", config_map("c", json!({ "keep": "true" })), &by()).expect("made");
    let key = Key::new("configmaps", "default", "c");
    let change = |data: Value| api.patch(&key, PatchKind::Merge, "", &json!({ "data": data }), &by());
    let line = |result: Result<Object>| result.map_or_else(|error| error.message, |_| "accepted".into());
    let said = [
        line(change(json!({ "a": "1" }))),
        line(change(json!({ "keep": "false" }))),
        line(api.delete(&key, &DeleteOptions::default())),
    ];
    expect![[r#"
        accepted
        configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: keep stays
        configmaps "c" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: is kept"#]].assert_eq(&said.join("\n"));
}

#[test]
fn policies_can_always_be_mended() {
    let all = json!({ "resourceRules": [{ "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"] }] });
    let spec = json!({ "matchConstraints": all, "validations": [{ "expression": "false" }] });
    let (api, _dir) = world(policy(spec), binding(json!({})));
    assert!(api.create("configmaps", config_map("c", json!({})), &by()).is_err());
    api.delete(&Key::new(BINDINGS, "", "b"), &DeleteOptions::default()).expect("the binding goes");
    api.create("configmaps", config_map("c", json!({})), &by()).expect("nothing refuses it any more");
}

#[test]
fn a_changed_policy_counts_at_once() {
    let (api, _dir) =
        world(policy(json!({ "validations": [{ "expression": "false" }] })), binding(json!({})));
    let made = api.get(POLICIES, "", "p").expect("there");
    assert_eq!(made["status"], json!({ "observedGeneration": 1, "typeChecking": {} }));
    assert!(api.create("configmaps", config_map("c", json!({})), &by()).is_err());
    let change = json!({ "spec": { "validations": [{ "expression": "true" }] } });
    let made =
        api.patch(&Key::new(POLICIES, "", "p"), PatchKind::Merge, "", &change, &by()).expect("changed");
    assert_eq!(made["status"]["observedGeneration"], 2);
    api.create("configmaps", config_map("c", json!({})), &by()).expect("accepted now");
}

#[test]
fn expressions_that_cannot_be_are_refused() {
    let said = [
        json!({ "validations": [{ "expression": "object.x >" }] }),
        json!({ "validations": [{ "expression": "objet.x > 1" }] }),
        json!({ "validations": [{ "expression": "params.x > 1" }] }),
        json!({ "validations": [{ "expression": "'text'" }] }),
        json!({ "validations": [{ "expression": "true", "messageExpression": "1" }] }),
        json!({ "validations": [{ "expression": "true", "messageExpression": "authorizer.path('/').check('get').reason()" }] }),
        json!({ "validations": [{ "expression": "request.kinds == 'x' || variables.a" }] }),
        json!({ "validations": [{ "expression": "variables.b == 1" }], "variables": [
            { "name": "a", "expression": "variables.b" }, { "name": "b", "expression": "1" }, { "name": "b", "expression": "2" },
            { "name": "1c", "expression": "3" }, { "name": "in", "expression": "3" }, { "name": "", "expression": "" } ] }),
        json!({ "validations": [{ "expression": "true" }], "matchConditions": [{ "name": "a", "expression": "object.x +" }, { "name": "b", "expression": "variables.x" }] }),
        json!({ "auditAnnotations": [{ "key": "k", "valueExpression": "1" }] }),
    ]
    .map(|spec| {
        let (api, _dir) = bench();
        let refused = api.create(POLICIES, policy(spec), &by());
        let message = refused.map_or_else(|error| error.message, |_| "accepted".into());
        message.replace("ValidatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: ", "")
    });
    expect![[r#"
        spec.validations[0].expression: Invalid value: "object.x >": compilation failed: ERROR: <input>:1:11: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
         | object.x >
         | ..........^
        spec.validations[0].expression: Invalid value: "objet.x > 1": compilation failed: ERROR: <input>:1:1: undeclared reference to 'objet' (in container '')
         | objet.x > 1
         | ^
        spec.validations[0].expression: Invalid value: "params.x > 1": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')
         | params.x > 1
         | ^
        spec.validations[0].expression: Invalid value: "'text'": must evaluate to bool
        spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string
        spec.validations[0].messageExpression: Invalid value: "authorizer.path('/').check('get').reason()": compilation failed: ERROR: <input>:1:1: undeclared reference to 'authorizer' (in container '')
         | authorizer.path('/').check('get').reason()
         | ^
        ERROR: <input>:1:16: undeclared reference to 'path' (in container '')
         | authorizer.path('/').check('get').reason()
         | ...............^
        ERROR: <input>:1:27: undeclared reference to 'check' (in container '')
         | authorizer.path('/').check('get').reason()
         | ..........................^
        ERROR: <input>:1:41: undeclared reference to 'reason' (in container '')
         | authorizer.path('/').check('get').reason()
         | ........................................^
        spec.validations[0].expression: Invalid value: "request.kinds == 'x' || variables.a": compilation failed: ERROR: <input>:1:8: undefined field 'kinds'
         | request.kinds == 'x' || variables.a
         | .......^
        ERROR: <input>:1:34: undefined field 'a'
         | request.kinds == 'x' || variables.a
         | .................................^
        [spec.variables[0].expression: Invalid value: "variables.b": compilation failed: ERROR: <input>:1:10: undefined field 'b'
         | variables.b
         | .........^, spec.variables[2].name: Duplicate value: "b", spec.variables[3].name: Invalid value: "1c": name is not a valid CEL identifier, spec.variables[4].name: Invalid value: "in": name is not a valid CEL identifier, spec.variables[5].name: Required value: name is not specified, spec.variables[5].expression: Required value: expression is not specified]
        [spec.matchConditions[0].expression: Invalid value: "object.x +": compilation failed: ERROR: <input>:1:11: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
         | object.x +
         | ..........^, spec.matchConditions[1].expression: Invalid value: "variables.x": compilation failed: ERROR: <input>:1:1: undeclared reference to 'variables' (in container '')
         | variables.x
         | ^]
        spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of [string null_type]"#]].assert_eq(&said.join("\n"));
}
