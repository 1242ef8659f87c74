//! The Kubernetes API over HTTP: discovery, tables, watches, exec, logs, port-forward
