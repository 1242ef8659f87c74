//! The real binary against real clients and real containers.
