//! Any text as a Tiltfile.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::tiltfile(data));
