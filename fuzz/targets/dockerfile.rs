//! Any text as a Dockerfile.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::dockerfile(data));
