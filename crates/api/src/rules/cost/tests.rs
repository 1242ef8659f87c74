use crate::rules::problems;
use expect_test::expect;
use serde_json::{Value, json};
use std::fmt::Write as _;

fn definition(spec: &Value) -> Value {
    let schema = json!({ "type": "object", "properties": { "spec": spec } });
    json!({ "spec": { "versions": [{ "name": "v1", "schema": { "openAPIV3Schema": schema } }] } })
}

fn said(spec: &Value) -> String {
    let prefix = "spec.versions[0].schema.openAPIV3Schema.properties[spec]";
    let hint = " (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";
    let lines = problems(&definition(spec), None).into_iter();
    let lines =
        lines.map(|(field, _, text)| format!("{field}: {text}").replace(prefix, "…").replace(hint, ""));
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { "accepted".into() } else { lines.join("\n  ") }
}

fn rules(rules: &[&str]) -> Value {
    rules.iter().map(|rule| json!({ "rule": rule })).collect()
}

fn list(most: Value, items: &Value, rule: &str) -> Value {
    json!({ "type": "object", "properties": { "list": { "type": "array", "maxItems": most, "items": items,
        "x-kubernetes-validations": rules(&[rule]) } } })
}

/// The largest `maxItems` with which upstream's API server takes the rule, by others' measurements.
#[test]
fn what_a_real_server_takes() {
    for (length, most) in [(16, 909_090), (63, 333_333), (253, 94_339), (1024, 24_154)] {
        let text = json!({ "type": "string", "maxLength": length });
        let rule = "self.all(x, x.contains('gpu'))";
        assert_eq!(said(&list(json!(most), &text, rule)), "accepted", "{length}");
        let refused = said(&list(json!(most + 1), &text, rule));
        assert!(refused.contains("budget by factor of 1.0000"), "{length}: {refused}");
    }
}

#[test]
fn bounds() {
    let name = |most: Value| json!({ "type": "object", "required": ["name"], "properties": { "name": { "type": "string", "maxLength": most } } });
    let twice = "self.all(a, self.exists_one(b, a.name == b.name))";
    let inner = |most: Value| {
        json!({ "type": "array", "maxItems": most, "items": { "type": "object",
            "properties": { "n": { "type": "integer" }, "m": { "type": "object", "required": ["k"], "properties": { "k": { "type": "string" } } } },
            "x-kubernetes-validations": rules(&["self.n > 0 && self.n < 100"]) } })
    };
    let text = |more: Value, rule: &str| {
        let mut schema = json!({ "type": "string", "x-kubernetes-validations": rules(&[rule]) });
        for (field, value) in more.as_object().expect("an object") {
            schema[field] = value.clone();
        }
        schema
    };
    let map = |most: Value| {
        json!({ "type": "object", "additionalProperties": { "type": "string" }, "maxProperties": most,
            "x-kubernetes-validations": rules(&["self.all(k, self[k].size() > 0 && self.exists(o, o == k))"]) })
    };
    let cases = [
        ("bounded names", list(json!(32), &name(json!(253)), twice)),
        ("unbounded list", list(Value::Null, &name(json!(253)), twice)),
        ("unbounded names", list(json!(32), &name(Value::Null), twice)),
        (
            "a constant in unbounded names",
            list(Value::Null, &name(Value::Null), "self.all(a, a.name == 'x')"),
        ),
        ("rules of bounded items", inner(json!(64))),
        ("rules of unbounded items", inner(Value::Null)),
        ("a pattern", text(json!({ "maxLength": 253 }), "self.matches('^[a-z]+$')")),
        ("a pattern in an unbounded text", text(json!({}), "self.matches('^[a-z]+([-a-z]*)$')")),
        ("words of an enum", text(json!({ "enum": ["a", "bb"] }), "self.matches('^[a-z]+([-a-z]*)$')")),
        ("a date", text(json!({ "format": "date-time" }), "self > timestamp('2020-01-01T00:00:00Z')")),
        ("no change", text(json!({}), "self == oldSelf")),
        ("a bounded map", map(json!(100))),
        ("an unbounded map", map(Value::Null)),
    ];
    let mut table = String::new();
    for (label, spec) in cases {
        writeln!(table, "{label}: {}", said(&spec)).expect("a String takes everything");
    }
    expect![[r#"
        bounded names: accepted
        unbounded list: ….properties[list].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x
          ….properties[list].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema
          spec.versions[0].schema.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x
        unbounded names: ….properties[list].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of 32.2x
          ….properties[list].x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema
          spec.versions[0].schema.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of 3.2x
        a constant in unbounded names: accepted
        rules of bounded items: accepted
        rules of unbounded items: accepted
        a pattern: accepted
        a pattern in an unbounded text: accepted
        words of an enum: accepted
        a date: accepted
        no change: accepted
        a bounded map: accepted
        an unbounded map: ….x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x
          ….x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema
          spec.versions[0].schema.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x
    "#]].assert_eq(&table);
}

#[test]
fn functions() {
    let spec = |rule: &str| {
        json!({ "type": "object", "x-kubernetes-validations": rules(&[rule]), "properties": {
            "text": { "type": "string" },
            "short": { "type": "string", "maxLength": 20 },
            "number": { "type": "integer" },
            "either": { "x-kubernetes-int-or-string": true },
            "texts": { "type": "array", "items": { "type": "string", "maxLength": 20 }, "maxItems": 10 },
            "free": { "type": "array", "items": { "type": "string" } },
            "pairs": { "type": "array", "maxItems": 10, "items": { "type": "object", "properties": { "a": { "type": "string", "maxLength": 9 }, "b": { "type": "integer" } } } },
        } })
    };
    let cases = [
        "self.text == self.short",
        "self.text.lowerAscii() == self.text",
        "self.text.split(',').all(x, x.size() < 9)",
        "self.text.split(',', 4).all(x, x.size() < 9)",
        "self.short.split(',').all(x, x.startsWith('a'))",
        "self.short.replace('a', 'bc').matches('^b+$')",
        "self.text.find('[0-9]+[a-z]*') != ''",
        "self.free.join(',') == ''",
        "self.texts.join(',').contains(self.short)",
        "self.texts.isSorted()",
        "self.free.sum() < 3",
        "self.pairs.map(p, p.b).sum() < 100",
        "self.pairs.filter(p, p.b > 1).all(p, self.pairs.exists_one(q, p.a == q.a))",
        "self.free.all(a, self.free.exists(b, a == b))",
        "string(self.number) == 'a'",
        "('a' + string(self.number)).matches('b')",
        "quantity(self.text).isGreaterThan(quantity('1'))",
        "isIP(self.text) && ip(self.short).family() == 4",
        "cidr('10.0.0.0/8').containsIP(self.text)",
        "format.dns1123Label().validate(self.text).hasValue()",
        "sets.contains(self.texts, ['a', 'b'])",
        "sets.equivalent(self.free, self.free)",
        "self.?text.orValue('') == 'a'",
        "self.?text.optMap(t, t.matches('a')).orValue(true)",
        "type(self.either) == string ? self.either.matches('^[0-9]+%$') : self.either > 1",
        "self.either == self.text",
        "cel.bind(t, self.texts, t.all(a, t.exists_one(b, a == b)))",
    ];
    let mut table = String::new();
    for rule in cases {
        writeln!(table, "{rule}: {}", said(&spec(rule)).lines().next().unwrap_or_default())
            .expect("a String takes everything");
    }
    expect![[r#"
        self.text == self.short: accepted
        self.text.lowerAscii() == self.text: accepted
        self.text.split(',').all(x, x.size() < 9): ….x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of 2.0x
        self.text.split(',', 4).all(x, x.size() < 9): accepted
        self.short.split(',').all(x, x.startsWith('a')): accepted
        self.short.replace('a', 'bc').matches('^b+$'): accepted
        self.text.find('[0-9]+[a-z]*') != '': accepted
        self.free.join(',') == '': ….x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x
        self.texts.join(',').contains(self.short): accepted
        self.texts.isSorted(): accepted
        self.free.sum() < 3: ….x-kubernetes-validations[0].rule: Invalid value: apiextensions.ValidationRule{Rule:"self.free.sum() < 3", Message:"", MessageExpression:"", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", OptionalOldSelf:(*bool)(nil)}: compilation failed: ERROR: <input>:1:17: found no matching overload for '_<_' applied to '(string, int)'
        self.pairs.map(p, p.b).sum() < 100: accepted
        self.pairs.filter(p, p.b > 1).all(p, self.pairs.exists_one(q, p.a == q.a)): accepted
        self.free.all(a, self.free.exists(b, a == b)): ….x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x
        string(self.number) == 'a': accepted
        ('a' + string(self.number)).matches('b'): ….x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x
        quantity(self.text).isGreaterThan(quantity('1')): accepted
        isIP(self.text) && ip(self.short).family() == 4: accepted
        cidr('10.0.0.0/8').containsIP(self.text): accepted
        format.dns1123Label().validate(self.text).hasValue(): ….x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of 1.006634x
        sets.contains(self.texts, ['a', 'b']): accepted
        sets.equivalent(self.free, self.free): ….x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x
        self.?text.orValue('') == 'a': accepted
        self.?text.optMap(t, t.matches('a')).orValue(true): ….x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x
        type(self.either) == string ? self.either.matches('^[0-9]+%$') : self.either > 1: accepted
        self.either == self.text: accepted
        cel.bind(t, self.texts, t.all(a, t.exists_one(b, a == b))): accepted
    "#]].assert_eq(&table);
}

#[test]
fn messages_and_all_together() {
    let message = |text: &str| {
        json!({ "type": "object", "properties": { "n": { "type": "integer" } },
        "x-kubernetes-validations": [{ "rule": "self.n > 0", "messageExpression": text }] })
    };
    let text = || json!({ "type": "string", "maxLength": 100_000, "x-kubernetes-validations": rules(&["self.matches('^[a-z]+[0-9]+[a-z]+[0-9]+[a-z]+[0-9]*$')", "self != 'a'"]) });
    let many = json!({ "type": "array", "maxItems": 20, "items": { "type": "object", "properties": (0..11).map(|n| (format!("f{n}"), text())).collect::<serde_json::Map<_, _>>() } });
    expect![[r#"
        ….x-kubernetes-validations[0].messageExpression: Forbidden: estimated messageExpression cost exceeds budget by factor of more than 100x
          ….x-kubernetes-validations[0].messageExpression: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema
          spec.versions[0].schema.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x
        accepted
        accepted"#]]
    .assert_eq(&[said(&message("'n is ' + string(self.n)")), said(&message("'n is %d'.format([self.n])")), said(&many)].join("\n"));
}

#[test]
fn what_has_not_changed_stays() {
    let dear = json!({ "type": "string", "x-kubernetes-validations": rules(&["self.contains(self)"]) });
    let (old, mut next) = (definition(&dear), definition(&dear));
    next["metadata"] = json!({ "labels": { "a": "b" } });
    assert_eq!(problems(&next, Some(&old)), []);
    next["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "new".into();
    assert!(!problems(&next, Some(&old)).is_empty());
}
