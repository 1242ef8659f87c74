//! The field `openapi`: other types than the built-in ones for the whole build.

use std::cell::OnceCell;

use serde_json::Value;

use crate::MergeKeys;
use crate::accumulate::Root;
use crate::error::{Error, Result};
use crate::resmap::ResMap;
use crate::schema::{Document, Types};
use crate::scope::Scopes;
use crate::spec::Kustomization;

/// The version that kustomize has built in.
const VERSION: &str = "v1.21.2";

/// The choice of types. The first kustomization that makes one makes it for the rest of the build, and the top one is
/// asked first.
#[derive(Debug)]
pub(crate) struct OpenApi {
    builtin: Types,
    chosen: OnceCell<Types>,
    scopes: Scopes,
}

impl OpenApi {
    pub(crate) fn new(keys: MergeKeys) -> OpenApi {
        OpenApi { builtin: Types::builtin(keys), chosen: OnceCell::new(), scopes: Scopes::default() }
    }

    pub(crate) fn types(&self) -> &Types {
        self.chosen.get().unwrap_or(&self.builtin)
    }

    pub(crate) fn scopes(&self) -> Scopes {
        self.scopes.clone()
    }

    /// Takes up what a kustomization says. Its file is read even when its word no longer counts.
    ///
    /// A document takes the place of the built-in types, unless kustomize has had to look at those before: it has
    /// when there already are objects of kinds that it does not know.
    pub(crate) fn set(
        &self,
        root: &Root<'_, '_>,
        kustomization: &Kustomization,
        before: &ResMap,
    ) -> Result<()> {
        let Some(field) = &kustomization.openapi else { return Ok(()) };
        let document = match &field.path {
            Some(path) => Some(
                root.load_text(path).map_err(|e| e.at_place(&field.place).doing("loading openapi.path"))?,
            ),
            None => None,
        };
        if self.chosen.get().is_some() {
            return Ok(());
        }
        let types = match (document, field.version.as_deref()) {
            (Some(_), Some(_)) => {
                let error = Error::new("builtin version and custom schema provided, cannot use both");
                return Err(error.hint("leave out openapi.version or openapi.path").at_place(&field.place));
            }
            (Some((file, text)), None) => {
                let mut document = read(&file, &text)?;
                document.over_builtin = before.resources().iter().any(|resource| {
                    let gvk = resource.gvk();
                    Types::AsUpstream.object(&gvk.api_version(), &gvk.kind).is_none()
                });
                Types::Document(document)
            }
            (None, None | Some("")) => return Ok(()),
            (None, Some(VERSION)) => Types::AsUpstream,
            (None, Some(_)) => {
                let error = Error::new("the specified OpenAPI version is not built in");
                let hint = format!("{VERSION} is; leave openapi.version out for the newest types");
                return Err(error.hint(&hint).at_place(&field.place));
            }
        };
        if let Types::Document(document) = &types {
            self.scopes.set(document.scopes());
        }
        self.chosen.get_or_init(|| types);
        Ok(())
    }
}

/// JSON, or the same as YAML.
fn read(file: &str, text: &str) -> Result<Document> {
    let invalid = |reason: String| {
        Error::new(format!("invalid schema file: {reason}"))
            .doing(format!("reading {file}"))
            .hint("an OpenAPI document, version 2, with definitions")
    };
    let root: Value = if text.starts_with('{') {
        serde_json::from_str(text).map_err(|e| invalid(e.to_string()))?
    } else {
        let mut documents = yaml::parse_documents(text).map_err(|e| Error::from(e.in_file(file)))?;
        if documents.is_empty() { Value::Null } else { documents.swap_remove(0) }
    };
    match &root {
        Value::Object(_) | Value::Null => Ok(Document::new(root)),
        _ => Err(invalid("it is no map".to_string())),
    }
}
