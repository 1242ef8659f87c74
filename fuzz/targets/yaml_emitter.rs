//! Any value, written and read back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::yaml_emitter(data));
