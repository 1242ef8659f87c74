//! Any files as a kustomization.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::kustomize_build(data));
