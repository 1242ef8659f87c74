//! Quantities: `100m`, `128Mi`, `1e3`.
