//! Image names, tags and digests.

use regex::Regex;
use serde_json::Value;

use crate::error::Result;
use crate::fieldspec::{FieldSpec, Leaf};
use crate::regexp::Plain;
use crate::resmap::ResMap;
use crate::spec::Image;

struct Rule<'a> {
    image: &'a Image,
    pattern: Pattern,
}

enum Pattern {
    Plain(Plain),
    Regex(Regex),
}

impl Pattern {
    /// `None`: the name is no regular expression, and so matches nothing.
    fn new(name: &str) -> Option<Pattern> {
        if let Some(plain) = Plain::new(name) {
            return Some(Pattern::Plain(plain));
        }
        let whole = format!(r"^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
        Regex::new(&whole).ok().map(Pattern::Regex)
    }

    fn matches(&self, image: &str) -> bool {
        match self {
            Pattern::Plain(name) => name.rest_of(image).is_some_and(is_tag_and_digest),
            Pattern::Regex(regex) => regex.is_match(image),
        }
    }
}

/// `(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?`, to the end.
fn is_tag_and_digest(rest: &str) -> bool {
    let past = |rest: &'_ str| -> usize {
        rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_.{}-".contains(c)).unwrap_or(rest.len())
    };
    let rest = rest.strip_prefix(':').map_or(rest, |tag| &tag[past(tag)..]);
    let rest = rest.strip_prefix("@sha256:").map_or(rest, |digest| &digest[past(digest)..]);
    rest.is_empty()
}

/// Applies each image to every container of every resource, whatever its kind, then to the field specs. (That a
/// `tagSuffix` is added by both passes is upstream's doing.)
pub(crate) fn set(images: &[Image], fields: &[FieldSpec], resources: &mut ResMap) -> Result<()> {
    let rules: Vec<Rule<'_>> = images.iter().filter_map(Rule::new).collect();
    if rules.is_empty() {
        return Ok(());
    }
    for resource in resources.resources_mut() {
        if resource.kind() == "CustomResourceDefinition" {
            continue;
        }
        for rule in &rules {
            rule.everywhere(&mut resource.object);
            for field in fields {
                field.apply(&mut resource.object, Leaf::Never, &mut |value| {
                    rule.set(value);
                    Ok(())
                })?;
            }
        }
    }
    Ok(())
}

impl<'a> Rule<'a> {
    fn new(image: &'a Image) -> Option<Rule<'a>> {
        Some(Rule { image, pattern: Pattern::new(&image.name)? })
    }

    /// In the items of all lists called containers or initContainers.
    fn everywhere(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    self.everywhere(value);
                    if key == "containers" || key == "initContainers" {
                        self.containers(value);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.everywhere(item)),
            _ => {}
        }
    }

    fn containers(&self, value: &mut Value) {
        let Value::Array(items) = value else { return };
        for item in items {
            if let Some(image) = item.get_mut("image") {
                self.set(image);
            }
        }
    }

    fn set(&self, value: &mut Value) {
        let Value::String(text) = value else { return };
        if !self.pattern.matches(text) {
            return;
        }
        let (mut name, mut tag, mut digest) = split(text);
        let image = self.image;
        if !image.new_name.is_empty() {
            name.clone_from(&image.new_name);
        }
        if !image.new_tag.is_empty() || !image.digest.is_empty() {
            tag.clone_from(&image.new_tag);
            digest.clone_from(&image.digest);
        } else if !image.tag_suffix.is_empty() {
            tag.push_str(&image.tag_suffix);
            digest.clear();
        }
        if !tag.is_empty() {
            name.push_str(&format!(":{tag}"));
        }
        if !digest.is_empty() {
            name.push_str(&format!("@{digest}"));
        }
        *text = name;
    }
}

/// Name, tag and digest. A colon before the first slash is a port.
fn split(image: &str) -> (String, String, String) {
    let from = image.find('/').unwrap_or(0);
    let (name, digest) = match image[from..].find('@') {
        Some(at) => (&image[..from + at], &image[from + at + 1..]),
        None => (image, ""),
    };
    let (name, tag) = match name[from..].find(':') {
        Some(at) => (&name[..from + at], &name[from + at + 1..]),
        None => (name, ""),
    };
    (name.to_string(), tag.to_string(), digest.to_string())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn parts() {
        for (image, name, tag, digest) in [
            ("nginx", "nginx", "", ""),
            ("nginx:1", "nginx", "1", ""),
            ("r:5000/nginx", "r:5000/nginx", "", ""),
            ("r:5000/a/nginx:1@sha256:ab", "r:5000/a/nginx", "1", "sha256:ab"),
            ("nginx@sha256:ab", "nginx", "", "sha256:ab"),
        ] {
            assert_eq!(split(image), (name.to_string(), tag.to_string(), digest.to_string()));
        }
    }
}
