//! Any bytes as a SPDY connection.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::spdy(data));
