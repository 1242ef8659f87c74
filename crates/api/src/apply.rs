//! Server-side apply.

use crate::transaction::Transaction;
use crate::{ApiError, Key, Object, Result, WriteOptions};
use schema::Kind;
use serde_json::Value;

pub(crate) fn apply(
    _tx: &mut Transaction<'_>,
    _kind: &Kind,
    _key: &Key,
    _force: bool,
    _subresource: &str,
    _patch: &Value,
    _options: &WriteOptions,
) -> Result<Object> {
    Err(ApiError::internal("server-side apply is not built yet"))
}
