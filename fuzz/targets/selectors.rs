//! Any text as selectors of labels and fields.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::selectors(data));
