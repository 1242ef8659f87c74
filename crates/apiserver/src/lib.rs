//! The Kubernetes API over HTTP: discovery, tables, watches, exec, logs, port-forward.

mod auth;
mod server;

pub use auth::{Authenticate, PeerCertificate, TokenRequest, User};
pub use server::{Options, Server, serve};
