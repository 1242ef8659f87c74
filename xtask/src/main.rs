//! `cargo xtask`: what CI runs, the layering check, code generation and benchmarks.

fn main() {}
