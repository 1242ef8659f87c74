//! Any bytes as YAML, by all sets of rules.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::yaml_reader(data));
