//! Repositories and tags as names of the store.

use crate::answer::{Refusal, Result};
use crate::routes::Registry;
use oci::{Digest, Reference};
use std::collections::BTreeSet;

impl Registry {
    /// The names under which `repository` and a tag may be known in the store, the one for writing first.
    pub(crate) fn candidates(&self, repository: &str, tag: &str) -> Result<Vec<String>> {
        let names = self.names.iter().map(|host| {
            let reference =
                Reference::parse(&format!("{host}/{repository}:{tag}")).map_err(images::Error::from)?;
            Ok(reference.to_string())
        });
        names.collect()
    }

    /// What a tag or a digest of a repository stands for.
    pub(crate) fn find(&self, repository: &str, reference: &str) -> Result<Option<Digest>> {
        if let Ok(digest) = Digest::parse(reference) {
            return Ok(self.images.blob_path(&digest).exists().then_some(digest));
        }
        let names = self.images.names()?;
        let candidates = self.candidates(repository, reference)?;
        Ok(candidates.iter().find_map(|name| names.get(name)).and_then(|text| Digest::parse(text).ok()))
    }

    /// All tags of a repository, in order; `None` if there is no such repository.
    pub(crate) fn tags(&self, repository: &str) -> Result<Option<Vec<String>>> {
        let tags: BTreeSet<String> = self
            .references()?
            .into_iter()
            .filter(|reference| reference.repository == repository)
            .filter_map(|reference| reference.tag)
            .collect();
        Ok((!tags.is_empty()).then(|| tags.into_iter().collect()))
    }

    pub(crate) fn repositories(&self) -> Result<Vec<String>> {
        let names: BTreeSet<String> =
            self.references()?.into_iter().map(|reference| reference.repository).collect();
        Ok(names.into_iter().collect())
    }

    /// The names in the store that are the registry's.
    fn references(&self) -> Result<Vec<Reference>> {
        let names = self.images.names()?;
        let ours = names.keys().filter_map(|name| Reference::parse(name).ok());
        Ok(ours.filter(|reference| self.names.contains(&reference.registry)).collect())
    }
}

/// A page of a sorted list: what comes after `last`, at most `count`. True: there is more.
pub(crate) fn page(mut all: Vec<String>, last: Option<&str>, count: Option<usize>) -> (Vec<String>, bool) {
    if let Some(last) = last {
        all.retain(|name| name.as_str() > last);
    }
    let is_cut = count.is_some_and(|count| all.len() > count);
    all.truncate(count.unwrap_or(usize::MAX));
    (all, is_cut)
}

pub(crate) fn parse_digest(text: &str) -> Result<Digest> {
    Digest::parse(text).map_err(|_| Refusal::digest(text))
}
