//! `port_forward`, and the `port_forwards` of a resource.

use crate::call::{Args, Call, Failure, Result, fail, go_quote, go_repr, go_type, type_name};
use crate::plan::PortForward;
use crate::values::{PortForwardValue, go_sequence};
use starlark::values::Value;

type Text<T> = std::result::Result<T, String>;

/// Tilt names the resource in what is wrong.
pub(super) fn port_forwards<'v>(
    call: &Call<'v, '_, '_, '_>,
    args: &Args<'v>,
    resource: &str,
) -> Result<Vec<PortForward>> {
    let Some(value) = args.some("port_forwards") else { return Ok(Vec::new()) };
    let forwards = match (forward_of(value), go_sequence(value, call.heap())) {
        (Some(one), _) => one.map(|one| vec![one]),
        (None, Some(items)) => items.into_iter().map(|item| item_of(value, item)).collect(),
        (None, None) => Err(format!(
            "port_forwards must be an int, a port_forward, or a sequence of those; is a {}",
            go_type(value)
        )),
    };
    forwards.map_err(|e| Failure::new(format!("{} {}: {e}", call.name, go_quote(resource))))
}

fn item_of(all: Value<'_>, item: Value<'_>) -> Text<PortForward> {
    forward_of(item).unwrap_or_else(|| {
        Err(format!(
            "port_forwards arg {} includes element {} which must be an int or a port_forward; is a {}",
            go_repr(all),
            go_repr(item),
            go_type(item)
        ))
    })
}

fn forward_of(v: Value<'_>) -> Option<Text<PortForward>> {
    if let Some(made) = PortForwardValue::from_value(v) {
        return Some(Ok(made.forward.clone()));
    }
    if let Some(text) = v.unpack_str() {
        return Some(parse_forward(text));
    }
    (type_name(v) == "int").then(|| {
        let number = v.to_repr();
        let Ok(wide) = number.parse::<i64>() else {
            return Err(format!("portForward port value {number} is not representable as an int64"));
        };
        match u16::try_from(wide) {
            Ok(local) => Ok(PortForward { local, ..no_forward() }),
            Err(_) => Err(format!("portForward port value {number} is not in the valid range [0-65535]")),
        }
    })
}

fn no_forward() -> PortForward {
    PortForward { local: 0, container: 0, host: String::new(), name: String::new(), path: String::new() }
}

/// Go's `Atoi` takes a sign.
fn port(text: &str) -> Text<u16> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    let number = is_number.then(|| text.parse::<i64>().ok()).flatten();
    number.and_then(|number| u16::try_from(number).ok()).ok_or_else(|| {
        format!("portForward port value {} is not in the valid range [0-65535]", go_quote(text))
    })
}

/// `local`, `local:container` or `host:local:container`.
fn parse_forward(text: &str) -> Text<PortForward> {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    match parts.as_slice() {
        [host, local, container] => {
            if !is_host(host) {
                // Tilt shows the port here
                return Err(format!(
                    "portForward host value {} is not a valid hostname or IP address",
                    go_quote(local)
                ));
            }
            let (local, container) = (port(local)?, port(container)?);
            Ok(PortForward { host: (*host).to_owned(), local, container, ..no_forward() })
        }
        [local, container] => {
            Ok(PortForward { local: port(local)?, container: port(container)?, ..no_forward() })
        }
        _ => Ok(PortForward { local: port(text)?, ..no_forward() }),
    }
}

/// An IPv4 address, or labels between dots.
fn is_host(host: &str) -> bool {
    let label = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    host.split('.').all(label)
}

pub(crate) fn port_forward<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let (local, container) = (args.int("local_port", 0)?, args.int("container_port", 0)?);
    let (name, path, host) = (args.text("name")?, args.text("link_path")?, args.text("host")?);
    if let Err(e) = crate::text::url::check(&path) {
        fail!("parsing `path` param: {e}");
    }
    // Tilt finds out when it forwards
    let in_range = |port: i64| {
        u16::try_from(port).map_err(|_| {
            Failure::new(format!("portForward port value {port} is not in the valid range [0-65535]"))
        })
    };
    let forward = PortForward { local: in_range(local)?, container: in_range(container)?, host, name, path };
    Ok(call.alloc(PortForwardValue { forward }))
}
