//! Applies and changes by several managers.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::server_side_apply(data));
