//! `kustomize edit set image …`

use serde_json::{Map, Value};

use super::Context;
use super::target::{Target, steps, text};
use crate::error::{Error, Result};
use crate::flags::Words;

const INVALID: &str = "invalid format of image, use one of the following options:
- <image>=<newimage>:<newtag>
- <image>=<newimage>@<digest>
- <image>=<newimage>
- <image>:<newtag>
- <image>@<digest>";

/// What an argument says about an image; `*` keeps what the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Change {
    name: String,
    new_name: String,
    new_tag: String,
    digest: String,
}

impl Change {
    fn parse(argument: &str) -> Result<Change> {
        if let [name, new] = argument.split('=').collect::<Vec<_>>()[..] {
            let (new_name, new_tag, digest) = split(new, true)?;
            return Ok(Change { name: name.to_string(), new_name, new_tag, digest });
        }
        let (name, new_tag, digest) = split(argument, false)?;
        Ok(Change { name, new_name: String::new(), new_tag, digest })
    }
}

/// Name, tag and digest.
fn split(text: &str, may_be_name: bool) -> Result<(String, String, String)> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, digest.split('@').next().unwrap_or_default()),
        None => (text, ""),
    };
    let is_tag = |tag: &str| {
        tag == "*" || tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    match rest.rsplit_once(':') {
        Some((name, tag)) if is_tag(tag) => Ok((name.to_string(), tag.to_string(), digest.to_string())),
        _ if !digest.is_empty() || text.contains('@') || (may_be_name && !rest.is_empty()) => {
            Ok((rest.to_string(), String::new(), digest.to_string()))
        }
        _ => Err(Error::new(INVALID)),
    }
}

pub(super) fn set(context: &mut Context<'_>, words: &Words) -> Result<()> {
    if words.arguments.is_empty() {
        return Err(Error::new("no image specified"));
    }
    let mut changes: Vec<Change> = Vec::new();
    for argument in &words.arguments {
        let change = Change::parse(argument)?;
        changes.retain(|own| own.name != change.name);
        changes.push(change);
    }
    let mut target = Target::open(context)?;
    for change in changes {
        apply(&mut target, &change)?;
    }
    target.finish(context)
}

fn apply(target: &mut Target, change: &Change) -> Result<()> {
    let mut own = None;
    for list in ["images", "imageTags"] {
        let named: Vec<usize> = indices(target, list, &change.name);
        if own.is_none() {
            own = named.first().map(|index| (list, *index));
        }
        // one entry decides
        let surplus: Vec<usize> = named.into_iter().filter(|index| own != Some((list, *index))).collect();
        target.remove_items(steps![list], &surplus)?;
    }
    let fields = [("newName", &change.new_name), ("newTag", &change.new_tag), ("digest", &change.digest)];
    let Some((list, index)) = own else {
        let mut item = Map::from_iter([("name".to_string(), Value::from(change.name.as_str()))]);
        for (field, value) in fields {
            if !value.is_empty() && value != "*" {
                item.insert(field.to_string(), value.as_str().into());
            }
        }
        return target.append(steps!["images"], &[Value::Object(item)]);
    };
    for (field, value) in fields {
        let path = steps![list, index, field];
        match value.as_str() {
            "*" => {}
            "" => target.remove(path)?,
            value => target.set(path, &Value::from(value))?,
        }
    }
    Ok(())
}

fn indices(target: &Target, list: &str, name: &str) -> Vec<usize> {
    let items = target.items(list);
    (0..items.len()).filter(|index| text(&items[*index], "name") == name).collect()
}

#[cfg(test)]
mod tests {
    use super::Change;

    #[test]
    fn arguments() {
        let cases = [
            ("a=b:1", "a b 1 "),
            ("a=b@sha256:d", "a b  sha256:d"),
            ("a=b:1@sha256:d", "a b 1 sha256:d"),
            ("a=b", "a b  "),
            ("a=host:5000/b", "a host:5000/b  "),
            ("a=host:5000/b:1", "a host:5000/b 1 "),
            ("a:1", "a  1 "),
            ("a@sha256:d", "a   sha256:d"),
            ("a=*:2", "a * 2 "),
            ("a:*", "a  * "),
            ("a=b:", "a b  "),
        ];
        for (argument, want) in cases {
            let c = Change::parse(argument).unwrap();
            assert_eq!(format!("{} {} {} {}", c.name, c.new_name, c.new_tag, c.digest), want, "{argument}");
        }
        for wrong in ["a", "", "a=", "a=b=c", "a:b/c"] {
            assert!(Change::parse(wrong).unwrap_err().to_string().starts_with("invalid format"), "{wrong}");
        }
    }
}
