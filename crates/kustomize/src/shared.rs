//! Labels that are one value in several places of an object.
//!
//! kustomize puts one YAML node into all the maps of an object that lack a key of `commonLabels` or `labels`. Whoever
//! later writes over it in one place writes in all of them: `labels` without selectors, set over a base's `commonLabels`
//! of the same key, changes the selectors too, and so does a replacement. Selectors cannot be changed once
//! applied, so this must come out the same. Strategic merges write over values too; a JSON patch makes the object anew,
//! which ends the sharing.

use serde_json::Value;

use crate::fieldspec::FieldPath;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Shared {
    groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq)]
struct Group {
    key: String,
    value: String,
    /// The maps that got the key at one time, in the order in which a merge walks through them.
    places: Vec<FieldPath>,
}

impl Shared {
    pub(crate) fn add(&mut self, key: &str, value: &str, mut places: Vec<FieldPath>) {
        places.sort();
        if places.len() > 1 {
            self.groups.push(Group { key: key.to_string(), value: value.to_string(), places });
        }
    }

    pub(crate) fn clear(&mut self) {
        self.groups.clear();
    }

    /// After values were written over: what one place got, the others get.
    pub(crate) fn follow(&mut self, object: &mut Value) {
        for group in &mut self.groups {
            let Some(new) = group.written(object) else { continue };
            for place in &group.places {
                place.each(object, &mut |map| {
                    if let Some(value) = map.get_mut(&group.key) {
                        *value = Value::String(new.clone());
                    }
                });
            }
            group.value = new;
        }
    }
}

impl Group {
    /// The text in the last of the places that do not have the group's.
    fn written(&self, object: &mut Value) -> Option<String> {
        let mut new = None;
        for place in &self.places {
            place.each(object, &mut |map| {
                if let Some(text) = map.get(&self.key).and_then(Value::as_str)
                    && text != self.value
                {
                    new = Some(text.to_string());
                }
            });
        }
        new
    }
}
