//! Labels of resources: names that Kubernetes takes as a label's key and value.

const MOST: usize = 63;
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// All that is wrong with a label.
pub(super) fn problem(label: &str) -> Option<String> {
    let mut found = qualified_name(label);
    if found.is_empty() {
        if label.len() > MOST {
            found.push(format!("must be no more than {MOST} bytes"));
        }
        if !label.is_empty() && !is_word(label) {
            found.push(VALUE.to_owned());
        }
    }
    if found.is_empty() && label.contains('/') {
        found.push("cannot contain /".to_owned());
    }
    (!found.is_empty()).then(|| found.join(", "))
}

fn qualified_name(label: &str) -> Vec<String> {
    let mut found = Vec::new();
    let parts: Vec<&str> = label.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                found.push("prefix part must be non-empty".to_owned());
            } else {
                found.extend(subdomain(prefix).into_iter().map(|p| format!("prefix part {p}")));
            }
            *name
        }
        _ => {
            return vec![format!(
                "a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        found.push("name part must be non-empty".to_owned());
    } else if name.len() > MOST {
        found.push(format!("name part must be no more than {MOST} bytes"));
    }
    if !is_word(name) {
        found.push(format!("name part {QUALIFIED}"));
    }
    found
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn subdomain(text: &str) -> Vec<String> {
    const MOST: usize = 253;
    let mut found = Vec::new();
    if text.len() > MOST {
        found.push(format!("must be no more than {MOST} bytes"));
    }
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label = |part: &str| {
        !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    if !text.split('.').all(label) {
        found.push(SUBDOMAIN.to_owned());
    }
    found
}
