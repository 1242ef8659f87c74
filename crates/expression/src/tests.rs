use crate::value::{from_json, to_json};
use crate::{Budget, Declared, Function, Host, Names, Program, Scope, Type, Value};
use expect_test::expect;
use serde_json::json;

fn host() -> Vec<(&'static str, Value)> {
    let object = json!({
        "name": "web", "namespace": "shop", "replicas": 3, "ratio": 0.5, "labels": { "app": "web", "a/b": "c" },
        "ports": [{ "name": "http", "port": 80 }, { "name": "https", "port": 443 }], "none": null,
    });
    vec![("self", from_json(&object))]
}

fn run_within(text: &str, steps: u64) -> String {
    let program = match Program::compile(text) {
        Ok(program) => program,
        Err(problem) => return format!("{problem}"),
    };
    let names = host();
    let host: &[(&str, Value)] = &names;
    let host: &dyn Host = &host;
    match program.run(&Scope::Host(host), &Budget::new(steps)) {
        Ok(value) => to_json(&value).map_or_else(|| format!("{value:?}"), |json| json.to_string()),
        Err(failure) => format!("failure: {failure}"),
    }
}

fn run(text: &str) -> String {
    run_within(text, 1_000_000)
}

#[test]
fn expressions() {
    for (text, expected) in [
        ("1 + 2 * 3 - 4 / 2 % 3", "5"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("!!true && !(1 > 2) ? 'yes' : 'no'", "\"yes\""),
        ("- 1 + --2", "1"),
        ("0x1F + int(2u) + int('3') + int(4.9)", "40"),
        ("1.5e3 + .5", "1500.5"),
        ("r'a\\d' + \"\\x41\\u00e9\\101\" + '''it's'''", "\"a\\\\dAéAit's\""),
        ("b'ab\\xff' == b'ab\\377'", "true"),
        ("// a comment\n1 // another", "1"),
        ("self.name.size() + size(self.ports) + size('äö')", "7"),
        ("self.namespace", "\"shop\""),
        ("self.labels['a/b'] + self['name']", "\"cweb\""),
        ("self.labels.`a/b`", "\"c\""),
        ("has(self.name) && !has(self.nothing)", "true"),
        ("'app' in self.labels && !(2 in [1, 3]) && 1.0 in [1]", "true"),
        ("self.ports[1].port == 443 && self.replicas >= 3.0 && self.ratio < 1", "true"),
        ("self.none == null && self.name != null", "true"),
        ("{'a': [1, 2], 'b': {}}", r#"{"a":[1,2],"b":{}}"#),
        ("[1] + [2, 3] == [1, 2, 3] && {'a': 1.0} == {'a': 1}", "true"),
        // A term that decides is enough.
        ("self.nothing == 1 || true", "true"),
        ("false && self.nothing == 1", "false"),
        ("[0, 1].exists(n, 1 / n == 1)", "true"),
        ("[0, 2].all(n, 1 / n == 1)", "false"),
        (
            "type(1) == int && type(self) == map && type('') != bytes && type(timestamp('2026-01-01T00:00:00Z')) == google.protobuf.Timestamp",
            "true",
        ),
        ("dyn(1) == 1.0 && string(1.5) + string(true) + string(b'x') == '1.5truex'", "true"),
        ("duration('1h30m') > duration('45m') && string(duration('90m')) == '5400s'", "true"),
        ("timestamp('2026-01-02T03:04:05Z') + duration('1s') == timestamp('2026-01-02T03:04:06Z')", "true"),
        ("timestamp('2026-01-02T03:04:05Z').getFullYear()", "2026"),
    ] {
        assert_eq!(run(text), expected, "{text}");
    }
}

#[test]
fn loops() {
    for (text, expected) in [
        ("self.ports.all(p, p.port > 0) && self.ports.exists (p, p.name == 'http')", "true"),
        ("self.ports.exists_one(p, p.port == 80) && self.ports.existsOne(p, p.port == 443)", "true"),
        ("self.ports.map(p, p.port)", "[80,443]"),
        ("self.ports.map(p, p.port > 100, p.name)", "[\"https\"]"),
        ("self.ports.filter(p, p.port < 100).size()", "1"),
        ("self.labels.all(k, self.labels[k] != '')", "true"),
        ("self.labels.map(k, k)", "[\"a/b\",\"app\"]"),
        (
            "self.ports.all(i, p, i < 2 && p.port > 0) && self.labels.exists(k, v, k == v + 'x' || v == 'c')",
            "true",
        ),
        ("self.labels.existsOne(k, v, v == 'web')", "true"),
        ("self.ports.transformList(i, p, string(i) + p.name)", "[\"0http\",\"1https\"]"),
        ("self.ports.transformList(i, p, i > 0, p.port)", "[443]"),
        ("self.labels.transformMap(k, v, v + '!')", r#"{"a/b":"c!","app":"web!"}"#),
        ("self.labels.transformMap(k, v, k == 'app', v)", r#"{"app":"web"}"#),
        ("self.ports.transformMapEntry(i, p, {p.name: p.port})", r#"{"http":80,"https":443}"#),
        ("self.ports.sortBy(p, -p.port).map(p, p.name)", "[\"https\",\"http\"]"),
        ("cel.bind(n, self.replicas * 2, n + n)", "12"),
        ("[[1, 2], [3]].map(l, l.map(n, n * l.size()))", "[[2,4],[3]]"),
        // The inner name hides the outer one.
        ("[1].map(self, self + 1)", "[2]"),
    ] {
        assert_eq!(run(text), expected, "{text}");
    }
}

#[test]
fn optional_values() {
    for (text, expected) in [
        ("self.?nothing.orValue(7)", "7"),
        ("self.?nothing.deeper.hasValue()", "false"),
        ("self.?labels.app.orValue('')", "\"web\""),
        ("self.?labels[?'app'].value()", "\"web\""),
        ("self.ports[?5].hasValue()", "false"),
        ("self.labels[?'app'].optMap(v, v + '1').orValue('')", "\"web1\""),
        ("self.?labels.optFlatMap(l, l.?none).orValue('none')", "\"none\""),
        ("optional.ofNonZeroValue('').or(optional.of('x')).value()", "\"x\""),
        ("[?self.?nothing, ?self.?name]", "[\"web\"]"),
        ("{?'a': self.?nothing, 'b': 1}", r#"{"b":1}"#),
        ("has(self.?labels.app) && !has(self.?nothing.app)", "true"),
        ("optional.none().value()", "failure: optional.none() dereference"),
        ("[3, 1].first().orValue(0) + [3, 1].last().value()", "4"),
    ] {
        assert_eq!(run(text), expected, "{text}");
    }
}

#[test]
fn libraries() {
    for (text, expected) in [
        ("quantity('1Gi').isGreaterThan(quantity('500Mi'))", "true"),
        ("isURL('https://a.example/b') && url('https://a.example:80/b').getPort() == '80'", "true"),
        ("ip('10.0.0.1').family() == 4 && cidr('10.0.0.0/8').containsIP('10.1.2.3')", "true"),
        ("'a,b'.split(',').join('-') + 'AbC'.lowerAscii() + ' x '.trim()", "\"a-babcx\""),
        ("'%s has %d'.format(['web', 3])", "\"web has 3\""),
        ("[3, 1, 2].isSorted() || [1, 2].sum() == 3 && [1, 2].max() == 2", "true"),
        ("sets.contains([1, 2], [1]) && math.greatest(1, 3) == 3", "true"),
        ("'abc'.matches('^a.c$') && 'a1b2'.findAll('[0-9]') == ['1', '2']", "true"),
        ("semver('1.2.3').isLessThan(semver('1.10.0'))", "true"),
        ("format.dns1123Label().validate('UPPER').hasValue()", "true"),
        ("format.named('uuid').hasValue()", "true"),
        ("jsonpatch.escapeKey('a/b~c')", "\"a~1b~0c\""),
        ("lists.range(3)", "[0,1,2]"),
        ("string(ip('::1')) + base64.encode(b'hi')", "\"::1aGk=\""),
    ] {
        assert_eq!(run(text), expected, "{text}");
    }
}

#[test]
fn failures_are_told_in_upstreams_words() {
    for (text, expected) in [
        ("self.nothing", "no such key: nothing"),
        ("self.ports[2]", "index out of bounds: 2"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "modulus by zero"),
        ("9223372036854775807 + 1", "integer overflow"),
        ("1 + 'a'", "no such overload"),
        ("1 < 'a'", "no such overload"),
        ("self.name.port", "no such overload"),
        ("int('x')", "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ("other", "no such attribute(s): other"),
        ("'a'.matches('(')", "error parsing regexp: missing closing ): `(`"),
    ] {
        assert_eq!(run(text), format!("failure: {expected}"), "{text}");
    }
}

#[test]
fn texts_that_are_no_expressions() {
    let said: Vec<String> = [
        "self.n == ",
        "a.b(",
        "has(a)",
        "[1, 2",
        "1 +\n  * 2",
        "namespace",
        "a.map(b.c, 1)",
        "'open",
        "9223372036854775808",
        "",
        "a @ b",
        "1 2",
        "a.all(i, i, true)",
    ]
    .map(run)
    .to_vec();
    expect![[r#"
        ERROR: <input>:1:11: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
         | self.n == 
         | ..........^
        ERROR: <input>:1:5: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
         | a.b(
         | ....^
        ERROR: <input>:1:4: invalid argument to has() macro
         | has(a)
         | ...^
        ERROR: <input>:1:6: Syntax error: mismatched input '<EOF>' expecting ']'
         | [1, 2
         | .....^
        ERROR: <input>:2:3: Syntax error: mismatched input '*' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
         |   * 2
         | ..^
        ERROR: <input>:1:1: reserved identifier: namespace
         | namespace
         | ^
        ERROR: <input>:1:8: argument must be a simple name
         | a.map(b.c, 1)
         | .......^
        ERROR: <input>:1:1: Syntax error: token recognition error at: '''
         | 'open
         | ^
        ERROR: <input>:1:1: invalid int literal
         | 9223372036854775808
         | ^
        ERROR: <input>:1:1: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}
         | 
         | ^
        ERROR: <input>:1:3: Syntax error: token recognition error at: '@'
         | a @ b
         | ..^
        ERROR: <input>:1:3: Syntax error: mismatched input '2' expecting <EOF>
         | 1 2
         | ..^
        ERROR: <input>:1:6: duplicate variable name: i
         | a.all(i, i, true)
         | .....^"#]].assert_eq(&said.join("\n"));
}

#[test]
fn nothing_takes_longer_than_its_budget() {
    let many = "[1,2,3,4,5,6,7,8,9,10]";
    let deep = format!(
        "{many}.all(a, {many}.all(b, {many}.all(c, {many} .all(d, {many}.all(e, {many}.all(f, true))))))"
    );
    let over = "failure: operation cancelled: actual cost limit exceeded";
    assert_eq!(run_within(&deep, 100_000), over);
    let doubled = "cel.bind(a, 'xxxxxxxxxx', cel.bind(b, a+a+a+a+a+a+a+a, cel.bind(c, b+b+b+b+b+b+b+b, c+c+c+c+c+c+c+c)))";
    assert_eq!(run_within(doubled, 300), over);
    assert!(run_within(doubled, 10_000).starts_with("\"xxx"));
    let nested = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(run(&nested).contains("recursion limit"), "{}", run(&nested));
    let long = vec!["1"; 5000].join(" + ");
    assert!(run(&long).contains("recursion limit"));
    assert_eq!(run(&vec!["true"; 5000].join(" && ")), "true");
}

fn said(text: &str) -> String {
    let self_objects = text.contains("Object");
    let schema = json!({ "type": "object", "properties": {
        "n": { "type": "integer" }, "s": { "type": "string" }, "when": { "type": "string", "format": "date-time" },
        "size-of": { "type": "number" }, "namespace": { "type": "string" }, "any": { "x-kubernetes-int-or-string": true },
        "list": { "type": "array", "items": { "type": "object", "properties": { "name": { "type": "string" } } } },
        "map": { "type": "object", "additionalProperties": { "type": "integer" } },
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        "raw": { "x-kubernetes-preserve-unknown-fields": true },
    } });
    let this = Declared::of_schema(&schema, true).expect("a type").ty().clone();
    let host = Type::Opaque("host.Thing");
    let mine = Function { name: "mine", target: host.clone(), texts: 1, result: Type::Bool };
    let variables = [("self", this), ("host", host), ("host.number", Type::Int)];
    let names = Names { variables: &variables, functions: &[mine], objects: self_objects };
    match Program::compile(text).expect("an expression").check(&names) {
        Ok(ty) => ty.to_string(),
        Err(problems) => {
            problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn types_are_checked() {
    for (text, expected) in [
        ("self.n > 1 && self.s.size() > 0 && self.size__dash__of < 1.0", "bool"),
        ("self.__namespace__ + self.metadata.name", "string"),
        ("self.namespace + self.metadata.name", "string"),
        ("self.list.all(i, i.name != '') ? self.n : 2", "int"),
        ("self.list.map(i, i.name)", "list(string)"),
        ("self.map.all(k, v, k != '' && v > 0) && self.when > timestamp('2026-01-01T00:00:00Z')", "bool"),
        ("self.?s.orValue('x').startsWith('x') && host.mine(self.s)", "bool"),
        ("host.number + 1", "int"),
        ("self.s.matches('[a') || matches('a', '[a')", "invalid matches argument"),
        ("duration('1h') < duration('1 hour')", "invalid duration argument"),
        ("self.when > timestamp('2020-01-01')", "invalid timestamp argument"),
        ("self.n in [1, 2, self.n] && self.any in [1, dyn('a')]", "bool"),
        ("self.n in [1, 'a']", "expected type 'int' but found 'string'"),
        ("{'a': 1, 'b': 'c'}.a == 1", "expected type 'int' but found 'string'"),
        ("{'a': [1], 'b': []}.a.size() == 1 && [null, 1].size() == 2", "bool"),
        ("host.mine(1)", "found no matching overload for 'mine' applied to 'host.Thing.(int)'"),
        ("self.s.mine('a')", "found no matching overload for 'mine' applied to 'string.(string)'"),
        ("host.other", "type 'host.Thing' does not support field selection"),
        ("self.any == 1 || self.any == 'a' || quantity('1').isLessThan(quantity('2'))", "bool"),
        ("self.list.exists(i, i.name == self.s)", "bool"),
        ("has(self.free) && self.n >= 1.5", "bool"),
        ("self.m > 1", "undefined field 'm'"),
        ("self.free.x", "undefined field 'x'"),
        ("self.raw", "undefined field 'raw'"),
        ("self.list.all(i, i.nam == '')", "undefined field 'nam'"),
        ("self.metadata.labels", "undefined field 'labels'"),
        ("Object{spec: Object.spec{list: [Object.spec.list{name: self.s}]}}", "dyn"),
        ("[JSONPatch{op: 'add', path: '/a', value: Object.spec{n: 1}}]", "list(dyn)"),
        (
            "Object{spec: Object.other{}}",
            "type mismatch: unexpected type name \"Object.other\", expected \"Object.spec\", which matches field name path from root Object type",
        ),
        ("JSONPatch{op: 'add', at: '/a'}.op == 'Object'", "undefined field 'at'"),
        ("Thing{a: 1}.a == 1", "undeclared reference to 'Thing' (in container '')"),
        (
            "selv.n == 1 || other(1)",
            "undeclared reference to 'selv' (in container ''); undeclared reference to 'other' (in container '')",
        ),
        ("self.n == 'a'", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.n + 1.0", "found no matching overload for '_+_' applied to '(int, double)'"),
        ("self.n.startsWith('a')", "found no matching overload for 'startsWith' applied to 'int.(string)'"),
        ("size(self.n)", "found no matching overload for 'size' applied to '(int)'"),
        ("self.n && true", "found no matching overload for '_&&_' applied to '(int, bool)'"),
        ("!self.s", "found no matching overload for '!_' applied to '(string)'"),
        ("self.s.name", "type 'string' does not support field selection"),
        (
            "self.n.all(x, true)",
            "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
        ),
        (
            "self.list[0].name in self.map && 'a' in self.list",
            "found no matching overload for '@in' applied to '(string, list(object))'",
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn what_an_expression_takes_from_outside() {
    let program = Program::compile("self.a.exists(x, x > y) && math.ceil(z) > 0.0").expect("an expression");
    assert!(program.uses("self") && program.uses("y") && program.uses("z"));
    assert!(!program.uses("x") && !program.uses("math"));
}
#[test]
fn values_at_their_limits() {
    let said: Vec<String> = [
        "'%.999999999f'.format([1.5]).size()",
        "'%.9999999999999999999999f'.format([1.5])",
        "'%.300f'.format([1.5]).size()",
        "'abc'.substring(9223372036854775807)",
        "'abc'.substring(-1)",
        "'äöü'.substring(1,2)",
        "'äöü'.charAt(1)",
        "[1].slice(-1,99)",
        "[1,2].slice(1,0)",
        "quantity('1e2147483647').add(1)",
        "quantity('1e999999999').isGreaterThan(quantity('1'))",
        "quantity('9223372036854775807Ei').asInteger()",
        "quantity('1').add(quantity('9999999999999999999999999999999999999999999'))",
        "math.bitShiftLeft(1,9223372036854775807)",
        "math.bitShiftLeft(1,-1)",
        "math.abs(-9223372036854775807-1)",
        "duration('9999999999999h')",
        "timestamp(9223372036854775807)",
        "timestamp('2026-01-01T00:00:00Z') + duration('2562047h')",
        "duration('2562047h')+duration('2562047h')",
        "duration('-2562047h')-duration('2562047h')",
        "[1,[2,[3]]].flatten(9223372036854775807)",
        "[1].flatten(-1)",
        "'a'.split('',-5)",
        "'a'.split('', 9223372036854775807)",
        "'aaa'.replace('a','b',-9)",
        "'a'.findAll('',-1)",
        "semver('1.2.3').compareTo(semver('99999999999999999999.0.0'))",
        "cidr('0.0.0.0/0').containsCIDR('::/0')",
        "'a'.indexOf('b', 9223372036854775807)",
        "'äb'.indexOf('b', 1)",
        "'aä'.lastIndexOf('a', 5)",
        "[].max()",
        "[].sum()",
        "[1,'a'].sum()",
        "[9223372036854775807,1].sum()",
        "['b','a'].sort()",
        "[[1]].sort()",
        "base64.decode('!!!')",
        "'%s'.format([])",
        "'%d'.format(['x'])",
        "'%'.format([1])",
        "'%x %o %e'.format([1,2,3.0])",
        "uint(18446744073709551615u)+1u",
        "(-9223372036854775807-1)/-1",
        "(-9223372036854775807-1)%-1",
        "-(-9223372036854775807-1)",
        "int(1e300)",
        "1.0/0.0",
        "{1: 2}[1u]",
        "{1u: 2}[1]",
        "[1,2][1.0]",
        "[1,2][0.5]",
        "url('http://a').getPort()",
        "'a'.matches('a{1000}{1000}{1000}')",
        "ip('fe80::1%eth0')",
        "string(bytes('\\u00ff'))",
        "timestamp('2026-01-01T00:00:00Z').getHours('America/New_York')",
    ]
    .iter()
    .map(|text| format!("{text} => {}", run(text)))
    .collect();
    expect![[r#"
        '%.999999999f'.format([1.5]).size() => failure: error during formatting: unable to convert precision specifier to integer
        '%.9999999999999999999999f'.format([1.5]) => failure: error during formatting: unable to convert precision specifier to integer
        '%.300f'.format([1.5]).size() => 302
        'abc'.substring(9223372036854775807) => failure: start index 9223372036854775807 out of range for string of length 3
        'abc'.substring(-1) => failure: start index -1 out of range for string of length 3
        'äöü'.substring(1,2) => "ö"
        'äöü'.charAt(1) => "ö"
        [1].slice(-1,99) => failure: slice(-1, 99) out of range for list of length 1
        [1,2].slice(1,0) => failure: slice(1, 0) out of range for list of length 2
        quantity('1e2147483647').add(1) => failure: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
        quantity('1e999999999').isGreaterThan(quantity('1')) => failure: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
        quantity('9223372036854775807Ei').asInteger() => 9223372036854775807
        quantity('1').add(quantity('9999999999999999999999999999999999999999999')) => Opaque<kubernetes.Quantity>(Amount(9223372036854775808000000000))
        math.bitShiftLeft(1,9223372036854775807) => failure: shift amount must be between 0 and 63
        math.bitShiftLeft(1,-1) => failure: shift amount must be between 0 and 63
        math.abs(-9223372036854775807-1) => failure: integer overflow
        duration('9999999999999h') => "9223372036.854775807s"
        timestamp(9223372036854775807) => failure: timestamp overflow
        timestamp('2026-01-01T00:00:00Z') + duration('2562047h') => "2318-04-12T23:00:00Z"
        duration('2562047h')+duration('2562047h') => "18446738400s"
        duration('-2562047h')-duration('2562047h') => "-18446738400s"
        [1,[2,[3]]].flatten(9223372036854775807) => [1,2,3]
        [1].flatten(-1) => failure: depth must be non-negative
        'a'.split('',-5) => ["a"]
        'a'.split('', 9223372036854775807) => ["a"]
        'aaa'.replace('a','b',-9) => "bbb"
        'a'.findAll('',-1) => ["",""]
        semver('1.2.3').compareTo(semver('99999999999999999999.0.0')) => failure: invalid semver '99999999999999999999.0.0': value of major version number exceeds u64::MAX
        cidr('0.0.0.0/0').containsCIDR('::/0') => false
        'a'.indexOf('b', 9223372036854775807) => -1
        'äb'.indexOf('b', 1) => 1
        'aä'.lastIndexOf('a', 5) => 0
        [].max() => failure: cannot call max on empty list
        [].sum() => 0
        [1,'a'].sum() => failure: no such overload
        [9223372036854775807,1].sum() => failure: integer overflow
        ['b','a'].sort() => ["a","b"]
        [[1]].sort() => [[1]]
        base64.decode('!!!') => failure: Invalid symbol 33, offset 0.
        '%s'.format([]) => failure: not enough arguments: format requires at least 1 but got 0
        '%d'.format(['x']) => failure: %d requires int or uint, got String
        '%'.format([1]) => failure: format string ends with '%'
        '%x %o %e'.format([1,2,3.0]) => "1 2 3.000000e+00"
        uint(18446744073709551615u)+1u => failure: unsigned integer overflow
        (-9223372036854775807-1)/-1 => failure: integer overflow
        (-9223372036854775807-1)%-1 => failure: integer overflow
        -(-9223372036854775807-1) => failure: integer overflow
        int(1e300) => failure: integer overflow
        1.0/0.0 => Float(inf)
        {1: 2}[1u] => 2
        {1u: 2}[1] => 2
        [1,2][1.0] => 2
        [1,2][0.5] => failure: no such overload
        url('http://a').getPort() => ""
        'a'.matches('a{1000}{1000}{1000}') => failure: error parsing regexp: invalid nested repetition operator: `{1000}{1000}`
        ip('fe80::1%eth0') => failure: IP address with zone is not allowed
        string(bytes('\u00ff')) => "ÿ"
        timestamp('2026-01-01T00:00:00Z').getHours('America/New_York') => failure: time zones other than UTC are not known here: America/New_York"#]].assert_eq(&said.join("\n"));
}
