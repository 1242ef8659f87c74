//! What can be wrong with a patch, in the words of the Kubernetes API server and its JSON patch library.

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{operation} operation does not apply: {what}: missing value")]
    DoesNotApply { operation: &'static str, what: String },
    #[error("error in {operation} for path: '{path}': {cause}")]
    InOperation { operation: &'static str, path: String, cause: Box<Error> },
    #[error("error in copy for from: '{from}': {cause}")]
    CopyFrom { from: String, cause: Box<Error> },
    #[error("error while adding value during copy: {cause}")]
    CopyTo { cause: Box<Error> },
    #[error(
        "Unable to complete the copy, the accumulated size increase of copy is {size}, exceeding the limit {limit}"
    )]
    CopiesTooLarge { size: u64, limit: u64 },
    /// Go's words for a text that it does not read for its depth.
    #[error("exceeded max depth")]
    TooDeep,
    #[error("Unable to remove nonexistent key: {key}: missing value")]
    NoSuchKey { key: String },
    #[error("Unable to access invalid index: {index}: invalid index referenced")]
    InvalidIndex { index: i64 },
    #[error("value was not a proper array index: '{key}': strconv.Atoi: parsing {key:?}: invalid syntax")]
    NotAnIndex { key: String },
    #[error("strconv.Atoi: parsing {key:?}: invalid syntax")]
    NotANumber { key: String },
    #[error("testing value {path} failed: test failed")]
    TestFailed { path: String },
    #[error("Unexpected kind: {kind}")]
    UnexpectedKind { kind: String },
    #[error("replace operation value must be object or array")]
    ReplaceRoot,
    #[error("json: cannot unmarshal {found} into Go value of type jsonpatch.Patch")]
    NotAList { found: &'static str },
    #[error("json: cannot unmarshal {found} into Go value of type jsonpatch.Operation")]
    NotAnOperation { found: &'static str },
    #[error("{operation} operation failed to decode {field}: {reason}")]
    BadField { operation: &'static str, field: &'static str, reason: String },
    #[error("no type information for {api_version}, Kind={kind}: strategic merge patch is not supported")]
    UnknownType { api_version: String, kind: String },
    #[error("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}")]
    NotAMap { found: &'static str },
    #[error("unknown patch type: {directive} in map: {map}")]
    BadPatchType { directive: String, map: String },
    #[error("map: {map} does not contain declared merge key: {key}")]
    NoMergeKey { map: String, key: String },
    #[error("merging lists cannot yet be specified in the patch")]
    MergeDirectiveInList,
    #[error("cannot merge lists of different or nested element types in field {field}")]
    MixedList { field: String },
    #[error("expected a list for {field}, got {found}")]
    NotAListField { field: String, found: &'static str },
    #[error("invalid patch format of primitive list")]
    BadDeleteList,
    #[error("invalid patch format of setElementOrder list")]
    BadOrderList,
    #[error("The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n")]
    OrderMismatch { patch: String, order: String },
    /// Upstream's words for a list and its order that are both empty.
    #[error("no elements in any of the given slices")]
    NothingToOrder,
    #[error("invalid patch format of retainKeys")]
    BadRetainKeys,
}

/// How the API server answers to a strategic merge patch that it cannot carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    BadRequest,
    Unprocessable,
    /// An error that upstream gives no status of its own.
    Internal,
}

impl Error {
    /// Upstream's `interpretStrategicMergePatchError`.
    pub fn answer(&self) -> Answer {
        match self {
            Error::BadDeleteList | Error::BadOrderList | Error::BadRetainKeys | Error::NotAMap { .. } => {
                Answer::BadRequest
            }
            Error::MixedList { .. } => Answer::Unprocessable,
            _ => Answer::Internal,
        }
    }
}

/// A value as Go prints it with `%v`: what upstream puts into its messages.
pub fn go_value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "<nil>".into(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(go_value).collect::<Vec<_>>().join(" "))
        }
        serde_json::Value::Object(fields) => go_map(fields),
        other => other.to_string(),
    }
}

pub(crate) fn go_map(fields: &serde_json::Map<String, serde_json::Value>) -> String {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let parts: Vec<String> =
        sorted.into_iter().map(|(name, value)| format!("{name}:{}", go_value(value))).collect();
    format!("map[{}]", parts.join(" "))
}

/// The JSON type of a value, for messages.
pub(crate) fn type_name(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "a boolean",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "a string",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "a map",
    }
}

/// The same in the words of Go's JSON decoder.
pub(crate) fn go_name(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "bool",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "object",
    }
}
