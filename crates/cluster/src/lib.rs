//! The embedded cluster's daemon: boot phases, supervision, adoption, shutdown
