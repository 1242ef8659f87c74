//! The JSONPath that names images: the dialect of kubectl's `-o jsonpath`, with its errors.

mod evaluate;
mod parse;

pub use evaluate::Found;
pub use parse::parse;

use serde_json::Value;

/// A path, as [`parse`] read it: what stands in braces, and texts between.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    parts: Vec<Vec<Node>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Field(String),
    Slice(Slice),
    Wildcard,
    Recursive,
    /// Without an operator: items that have what `left` names.
    Filter {
        left: Vec<Node>,
        comparison: Option<(String, Vec<Node>)>,
    },
    Union(Vec<Vec<Node>>),
    Literal(Value),
    Identifier(String),
}

/// `[start:end:step]`, and `[index]`.
#[derive(Debug, Clone, PartialEq)]
struct Slice {
    start: Option<i64>,
    end: Option<i64>,
    step: Option<i64>,
    /// The end is the one after the index.
    is_index: bool,
}

/// A step from a value to one in it.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

impl JsonPath {
    /// All that the path names. `lenient`: what lacks a field is passed over, and no error.
    pub fn find<'o>(&self, object: &'o Value, lenient: bool) -> Result<Vec<Found<'o>>, String> {
        evaluate::find(&self.parts, object, lenient)
    }
}

/// Every place that the path names, for writing.
pub fn select_mut(object: &mut Value, path: &JsonPath, visit: &mut dyn FnMut(&mut Value)) {
    let Ok(found) = path.find(object, true) else { return };
    let places: Vec<Vec<Step>> = found.into_iter().filter_map(Found::into_place).collect();
    for place in places {
        let target = place.iter().try_fold(&mut *object, |value, step| match step {
            Step::Key(key) => value.get_mut(key),
            Step::Index(index) => value.get_mut(index),
        });
        if let Some(target) = target {
            visit(target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(path: &str) -> String {
        let object = json!({"spec": {"image": "a", "n": 1, "none": null, "list": [
            {"name": "x", "image": "b", "port": 80, "on": true}, {"name": "y", "image": "c", "port": 90}, {"name": "z"}],
            "a.b": "d", "ports": [{"name": "p", "port": 80}, {"name": "q", "port": 90}], "map": {"k": {"image": "e"}, "l": {"image": "f"}}, "empty": []}});
        let path = match parse(path) {
            Ok(path) => path,
            Err(e) => return format!("parse: {e}"),
        };
        match path.find(&object, false) {
            Ok(found) => found.iter().map(|f| f.value().to_string()).collect::<Vec<_>>().join(" "),
            Err(e) => format!("find: {e}"),
        }
    }

    #[test]
    fn paths() {
        let mut wrong = Vec::new();
        for (path, want) in [
            ("{.spec.image}", r#""a""#),
            ("{ $.spec.image }", r#""a""#),
            (".spec.image", r#""a""#),
            ("text", r#""text""#),
            ("{.spec.image}-{.spec.n}", r#""a" "-" 1"#),
            ("{.spec.list[0,1].image}", r#""b" "c""#),
            ("{.spec.list[-2].image}", r#""c""#),
            ("{.spec.list[0:2].image}", r#""b" "c""#),
            ("{.spec.list[::2].name}", r#""x" "z""#),
            ("{.spec.list[*].name}", r#""x" "y" "z""#),
            ("{.spec.list[*].image}", r#""b" "c""#),
            ("{.spec.list[?(@.name=='x')].image}", r#""b""#),
            (r#"{.spec.list[?(@.name != "x")].name}"#, r#""y" "z""#),
            ("{.spec.list[?(@.image)].image}", r#""b" "c""#),
            ("{.spec.list[?(@.on==true)].image}", "find: on is not found"),
            ("{.spec.ports[?(@.port>=90)].name}", r#""q""#),
            ("{.spec.ports[?(@.port=='90')].name}", "find: incompatible types for comparison"),
            ("{.spec.map[?(@.image=='f')].image}", r#""f""#),
            (r"{.spec['a\.b']}", r#""d""#),
            (r"{.spec.a\.b}", r#""d""#),
            ("{.spec.map.*.image}", r#""e" "f""#),
            ("{..image}", r#""a" "b" "c" "e" "f""#),
            ("{range .spec.list[:2]}{.name}{.image}{end}", r#""x" "b" "y" "c""#),
            ("{.spec.none}", "null"),
            ("{.spec.none.x}", "find: x is not found"),
            ("{.spec.empty[*].x}", ""),
            ("{.spec.gone}", "find: gone is not found"),
            ("{.spec.image.x}", "find: x is not found"),
            ("{.spec.list[7]}", "find: array index out of bounds: index 7, length 3"),
            ("{.spec.list[2:1]}", "find: starting index 2 is greater than ending index 1"),
            ("{.spec.image[0]}", "find: string is not array or slice"),
            ("{.spec.image[?(@.x)]}", "find: a is not array or slice and cannot be filtered"),
            ("{foo()}", "find: unrecognized identifier foo()"),
            ("{end}", "find: not in range, nothing to end"),
            ("{.spec.image", "parse: unclosed action"),
            ("{.a[0}", "parse: unterminated array"),
            ("{.a[x]}", "parse: invalid array index x"),
            ("{.a[-]}", "parse: array index - is not a number"),
            ("{.a[?(@.x=='y)]}", "parse: unterminated filter"),
            ("{.a[?(@.x)}", "parse: unclosed array expect ]"),
            ("{'a}", "parse: unterminated quoted string"),
            ("{(a)}", "parse: unrecognized character in action: U+0028 '('"),
            ("{1.2.3}", "parse: cannot parse number 1.2.3"),
        ] {
            let got = found(path);
            if got != want {
                wrong.push(format!("{path}: {got}, not {want}"));
            }
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn writing() {
        let mut object = json!({"a": [{"b": "x"}, {"b": "y"}, {}]});
        select_mut(&mut object, &parse("{.a[*].b}").unwrap(), &mut |v| *v = json!("new"));
        assert_eq!(object, json!({"a": [{"b": "new"}, {"b": "new"}, {}]}));
    }
}
