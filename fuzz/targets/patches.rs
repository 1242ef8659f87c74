//! Any values as objects and patches.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::patches(data));
