//! `port_forward`, and the `port_forwards` of a resource.

use crate::call::{Args, Call, Result, fail, one_or_many};
use crate::plan::PortForward;
use crate::values::PortForwardValue;
use starlark::values::Value;

pub(super) fn port_forwards(args: &Args<'_>) -> Result<Vec<PortForward>> {
    let Some(value) = args.some("port_forwards") else { return Ok(Vec::new()) };
    let mut forwards = Vec::new();
    for item in one_or_many(value) {
        if let Some(made) = PortForwardValue::from_value(item) {
            forwards.push(made.forward.clone());
        } else if let Some(text) = item.unpack_str() {
            forwards.push(parse_forward(text)?);
        } else if item.get_type() == "int" {
            let local = port(&item.to_repr())?;
            forwards.push(PortForward { local, ..no_forward() });
        } else {
            fail!(
                "port_forwards must be an int, a port_forward, or a sequence of those; is a {}",
                item.get_type()
            );
        }
    }
    Ok(forwards)
}

fn no_forward() -> PortForward {
    PortForward { local: 0, container: 0, host: String::new(), name: String::new(), path: String::new() }
}

fn port(text: &str) -> Result<u16> {
    match text.parse::<i64>() {
        Ok(n) => match u16::try_from(n) {
            Ok(n) => Ok(n),
            Err(_) => fail!("portForward port value {text:?} is not in the valid range [0-65535]"),
        },
        Err(_) => fail!("portForward port value {text:?} is not in the valid range [0-65535]"),
    }
}

/// `local`, `local:container` or `host:local:container`.
fn parse_forward(text: &str) -> Result<PortForward> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [local] => Ok(PortForward { local: port(local)?, ..no_forward() }),
        [local, container] if local.parse::<i64>().is_ok() => {
            Ok(PortForward { local: port(local)?, container: port(container)?, ..no_forward() })
        }
        [host, local] => Ok(PortForward { host: valid_host(host)?, local: port(local)?, ..no_forward() }),
        [host, local, container] => Ok(PortForward {
            host: valid_host(host)?,
            local: port(local)?,
            container: port(container)?,
            ..no_forward()
        }),
        _ => fail!("Invalid format for port-forward {text:?}: expected [[host:]local:]container"),
    }
}

fn valid_host(host: &str) -> Result<String> {
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let is_name = || host.split('.').all(label) && host.chars().any(|c| c.is_ascii_alphabetic());
    if host.parse::<std::net::IpAddr>().is_err() && !is_name() {
        fail!("portForward host value {host:?} is not a valid hostname or IP address");
    }
    Ok(host.to_owned())
}

pub(crate) fn port_forward<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let local = args.int("local_port", 0)?;
    let container = args.int("container_port", 0)?;
    let host = args.text("host")?;
    let forward = PortForward {
        local: port(&local.to_string())?,
        container: port(&container.to_string())?,
        host: if host.is_empty() { host } else { valid_host(&host)? },
        name: args.text("name")?,
        path: args.text("link_path")?,
    };
    Ok(call.alloc(PortForwardValue { forward }))
}
