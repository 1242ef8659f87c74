//! What `probe()` and its actions return.

use crate::plan::{Probe, ProbeHandler};
use allocative::Allocative;
use starlark::starlark_simple_value;
use starlark::values::list::AllocList;
use starlark::values::{
    Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value, starlark_value,
};
use std::fmt;

macro_rules! actions {
    ($($name:ident $type:literal $fields:expr),*) => {$(
        #[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
        pub(crate) struct $name {
            #[allocative(skip)]
            pub(crate) handler: ProbeHandler,
        }
        starlark_simple_value!($name);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&shown($type, &self.handler))
            }
        }
        #[starlark_value(type = $type)]
        impl<'v> StarlarkValue<'v> for $name {
            fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
                field(&self.handler, attribute, heap)
            }
            fn dir_attr(&self) -> Vec<String> {
                $fields.map(str::to_owned).to_vec()
            }
        }
    )*};
}

actions!(
    ExecActionValue "ExecAction" ["command"],
    HttpGetActionValue "HTTPGetAction" ["host", "path", "port", "scheme"],
    TcpSocketActionValue "TCPSocketAction" ["host", "port"]
);

/// An action as a struct of its name prints.
fn shown(kind: &str, handler: &ProbeHandler) -> String {
    let quoted = crate::call::go_quote;
    match handler {
        ProbeHandler::Exec { command } => {
            let command: Vec<String> = command.iter().map(|c| quoted(c)).collect();
            format!("{kind}(command = [{}])", command.join(", "))
        }
        ProbeHandler::HttpGet { port, host, scheme, path } => format!(
            "{kind}(host = {}, path = {}, port = {port}, scheme = {})",
            quoted(host),
            quoted(path),
            quoted(scheme)
        ),
        ProbeHandler::TcpSocket { port, host } => format!("{kind}(host = {}, port = {port})", quoted(host)),
    }
}

fn field<'v>(handler: &ProbeHandler, name: &str, heap: Heap<'v>) -> Option<Value<'v>> {
    Some(match (handler, name) {
        (ProbeHandler::Exec { command }, "command") => heap.alloc(AllocList(command.iter().cloned())),
        (ProbeHandler::HttpGet { host, .. } | ProbeHandler::TcpSocket { host, .. }, "host") => {
            heap.alloc(host.as_str())
        }
        (ProbeHandler::HttpGet { port, .. } | ProbeHandler::TcpSocket { port, .. }, "port") => {
            heap.alloc(*port)
        }
        (ProbeHandler::HttpGet { scheme, .. }, "scheme") => heap.alloc(scheme.as_str()),
        (ProbeHandler::HttpGet { path, .. }, "path") => heap.alloc(path.as_str()),
        _ => return None,
    })
}

#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
pub(crate) struct ProbeValue {
    #[allocative(skip)]
    pub(crate) probe: Probe,
}
starlark_simple_value!(ProbeValue);
impl fmt::Display for ProbeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |kind: &str, is_it: bool| {
            if is_it { shown(kind, &self.probe.handler) } else { "None".to_owned() }
        };
        let handler = &self.probe.handler;
        write!(
            f,
            "Probe(exec = {}, failure_threshold = {}, http_get = {}, initial_delay_secs = {}, period_secs = {}, success_threshold = {}, tcp_socket = {}, timeout_secs = {})",
            part("ExecAction", matches!(handler, ProbeHandler::Exec { .. })),
            self.probe.failure_threshold,
            part("HTTPGetAction", matches!(handler, ProbeHandler::HttpGet { .. })),
            self.probe.initial_delay_secs,
            self.probe.period_secs,
            self.probe.success_threshold,
            part("TCPSocketAction", matches!(handler, ProbeHandler::TcpSocket { .. })),
            self.probe.timeout_secs,
        )
    }
}

const FIELDS: [&str; 8] = [
    "exec",
    "failure_threshold",
    "http_get",
    "initial_delay_secs",
    "period_secs",
    "success_threshold",
    "tcp_socket",
    "timeout_secs",
];

#[starlark_value(type = "Probe")]
impl<'v> StarlarkValue<'v> for ProbeValue {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        let handler = self.probe.handler.clone();
        Some(match (attribute, &self.probe.handler) {
            ("initial_delay_secs", _) => heap.alloc(self.probe.initial_delay_secs),
            ("timeout_secs", _) => heap.alloc(self.probe.timeout_secs),
            ("period_secs", _) => heap.alloc(self.probe.period_secs),
            ("success_threshold", _) => heap.alloc(self.probe.success_threshold),
            ("failure_threshold", _) => heap.alloc(self.probe.failure_threshold),
            ("exec", ProbeHandler::Exec { .. }) => heap.alloc(ExecActionValue { handler }),
            ("http_get", ProbeHandler::HttpGet { .. }) => heap.alloc(HttpGetActionValue { handler }),
            ("tcp_socket", ProbeHandler::TcpSocket { .. }) => heap.alloc(TcpSocketActionValue { handler }),
            ("exec" | "http_get" | "tcp_socket", _) => Value::new_none(),
            _ => return None,
        })
    }
    fn dir_attr(&self) -> Vec<String> {
        FIELDS.map(str::to_owned).to_vec()
    }
}
