//! The real thing in real namespaces. Needs root; says so and passes where it is not.

mod services;
mod world;
