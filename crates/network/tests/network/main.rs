//! The real thing in real namespaces. Needs root; says so and passes where it is not.

#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod ingress;
mod services;
mod world;
