//! Roles that somebody holds, and roles that they would give.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::grants(data));
