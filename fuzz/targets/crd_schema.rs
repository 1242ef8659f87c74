//! Any schema of a custom resource, any object of it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::crd_schema(data));
