//! Carries out the dev loop's effects: build, push, apply, sync, forward
