//! OpenAPI documents, made when first asked for and kept until the kinds change.

use crate::{gnostic, link};
use api::{Api, Kinds};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};

/// Rises when the documents say more of the same kinds.
const FORM: u32 = 2;

#[derive(Default)]
pub(crate) struct OpenApi {
    documents: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    /// Which kinds the documents describe.
    of: Weak<Kinds>,
    documents: HashMap<String, Bytes>,
}

impl OpenApi {
    /// The v3 document of a group-version.
    pub(crate) fn document(&self, api: &Api, path: &str) -> Option<Bytes> {
        self.cached(api, path, || serde_json::to_vec(&link::openapi_v3(api, path)?).ok())
    }

    /// The v2 document of everything, in JSON or protobuf.
    pub(crate) fn v2(&self, api: &Api, protobuf: bool) -> Option<Bytes> {
        let name = if protobuf { "v2.protobuf" } else { "v2.json" };
        self.cached(api, name, || {
            let document = link::openapi_v2(api)?;
            if protobuf { Some(gnostic::encode(&document)) } else { serde_json::to_vec(&document).ok() }
        })
    }

    fn cached(&self, api: &Api, name: &str, make: impl FnOnce() -> Option<Vec<u8>>) -> Option<Bytes> {
        let kinds = api.kinds();
        {
            let mut cache = self.documents.lock();
            if !cache.of.upgrade().is_some_and(|of| Arc::ptr_eq(&of, &kinds)) {
                *cache = Cache { of: Arc::downgrade(&kinds), documents: HashMap::new() };
            }
            if let Some(document) = cache.documents.get(name) {
                return Some(document.clone());
            }
        }
        let document = Bytes::from(make()?);
        self.documents.lock().documents.insert(name.to_string(), document.clone());
        Some(document)
    }

    /// Clients keep a document for as long as its hash stays the same. The hash is of what the document is made from,
    /// so that the index of all documents costs nothing.
    pub(crate) fn hash(&self, api: &Api, path: &str) -> String {
        let mut hasher = DefaultHasher::new();
        (link::VERSION, FORM).hash(&mut hasher);
        link::openapi_seed(api, path).hash(&mut hasher);
        format!("{:016X}", hasher.finish())
    }
}
