//! One pod's life: spec and facts in, next actions out
