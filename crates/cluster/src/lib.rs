//! The embedded cluster: its daemon (boot phases, supervision, adoption, shutdown) and how it is controlled.
//!
//! [`control`] is the outside (create, start, stop, delete), [`daemon`] the inside. Between them are a folder
//! ([`paths`]), a lock file and two signals; clients talk to the API server alone.

mod accounts;
mod bootstrap;
pub mod control;
pub mod daemon;
mod drive;
mod files;
pub mod k3d_config;
pub mod kubeconfig;
pub mod paths;
pub mod pki;
pub mod progress;
pub mod routes;
pub mod settings;
mod steps;
mod tables;
mod tokens;
mod traffic;
