//! OCI distribution over the content store
