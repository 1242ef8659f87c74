//! The Kubernetes API over HTTP: discovery, tables, watches, exec, logs, port-forward.
//!
//! One set of handlers for every kind: [`request`] takes a URL apart, [`dispatch`] finds the handler, [`resources`]
//! reads, [`writes`] writes, [`output`] gives objects the form that the client asked for. It knows no controllers and no
//! containers; what needs a container goes through [`api::NodeStreams`].

mod admission;
mod auth;
mod authorize;
mod body;
mod certificate;
mod columns;
mod counted;
mod deletes;
mod discovery;
mod dispatch;
mod gnostic;
mod impersonate;
mod information;
mod link;
mod list;
mod metrics;
mod openapi;
mod options;
mod output;
mod pretty;
mod query;
mod request;
mod resources;
mod respond;
mod reviews;
mod server;
mod spdy;
mod streams;
mod watch;
mod webhooks;
mod writes;

pub use access::User;
pub use auth::{PeerCertificate, TokenRequest, WhoseToken};
pub use server::{Options, Server, serve};
#[doc(hidden)]
pub use spdy::drain as drain_spdy;
