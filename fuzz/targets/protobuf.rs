//! Any bytes as objects in protobuf.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::protobuf(data));
