//! The rtnetlink requests that the cluster's network consists of.

use super::{Message, Netlink, find_attribute};
use ipnet::Ipv4Net;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

const CREATE: i32 = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
/// From linux/if_link.h and linux/veth.h; libc lacks them.
const VETH_INFO_PEER: u16 = 1;
const BRIDGE_FORWARD_DELAY: u16 = 1;
const BRIDGE_MULTICAST_SNOOPING: u16 = 23;
const INET_CONF: u16 = 1;
const INET_CONF_FORWARDING: u16 = 1;
const INET6_ADDR_GEN_MODE: u16 = 8;
const INET6_ADDR_GEN_NONE: u8 = 1;

pub(crate) const LOOPBACK: u32 = 1;

/// `struct ifinfomsg`
fn interface(index: u32, flags: u32) -> [u8; 16] {
    let mut out = [0; 16];
    out[4..8].copy_from_slice(&index.to_ne_bytes());
    out[8..12].copy_from_slice(&flags.to_ne_bytes());
    out[12..].copy_from_slice(&flags.to_ne_bytes());
    out
}

/// A locally administered hardware address that follows from the IP address: when an address is given to a new
/// pod, the neighbours' ARP caches stay right.
pub(crate) fn hardware_address(ip: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = ip.octets();
    [0x0a, 0x58, a, b, c, d]
}

/// The router's end of a pod's cable.
pub(crate) fn port_name(ip: Ipv4Addr) -> String {
    format!("veth{:08x}", u32::from(ip))
}

pub(crate) fn add_bridge(name: &str, gateway: Ipv4Addr, mtu: u32) -> Message {
    Message::new(libc::RTM_NEWLINK, CREATE, &interface(0, 0))
        .text(libc::IFLA_IFNAME, name)
        .native(libc::IFLA_MTU, mtu)
        .attribute(libc::IFLA_ADDRESS, &hardware_address(gateway))
        .nest(libc::IFLA_LINKINFO, |m| {
            m.text(libc::IFLA_INFO_KIND, "bridge").nest(libc::IFLA_INFO_DATA, |m| {
                m.native(BRIDGE_FORWARD_DELAY, 0).attribute(BRIDGE_MULTICAST_SNOOPING, &[0])
            })
        })
}

/// A cable from the bridge to `eth0` in another namespace.
pub(crate) fn add_cable(bridge: u32, ip: Ipv4Addr, netns: BorrowedFd<'_>, mtu: u32) -> Message {
    Message::new(libc::RTM_NEWLINK, CREATE, &interface(0, libc::IFF_UP as u32))
        .text(libc::IFLA_IFNAME, &port_name(ip))
        .native(libc::IFLA_MTU, mtu)
        .native(libc::IFLA_MASTER, bridge)
        .nest(libc::IFLA_LINKINFO, |m| {
            m.text(libc::IFLA_INFO_KIND, "veth").nest(libc::IFLA_INFO_DATA, |m| {
                m.nest(VETH_INFO_PEER, |m| {
                    m.bytes(&interface(0, 0))
                        .text(libc::IFLA_IFNAME, "eth0")
                        .native(libc::IFLA_MTU, mtu)
                        .attribute(libc::IFLA_ADDRESS, &hardware_address(ip))
                        .native(libc::IFLA_NET_NS_FD, netns.as_raw_fd() as u32)
                })
            })
        })
}

pub(crate) fn remove(name: &str) -> Message {
    Message::new(libc::RTM_DELLINK, 0, &interface(0, 0)).text(libc::IFLA_IFNAME, name)
}

pub(crate) fn up(index: u32) -> Message {
    Message::new(libc::RTM_NEWLINK, 0, &interface(index, libc::IFF_UP as u32))
}

/// Packets that belong nowhere get an answer from a forwarding interface, else silence.
pub(crate) fn forwarding(index: u32) -> Message {
    Message::new(libc::RTM_SETLINK, 0, &interface(index, 0)).nest(libc::IFLA_AF_SPEC, |m| {
        m.nest(libc::AF_INET as u16, |m| m.nest(INET_CONF, |m| m.native(INET_CONF_FORWARDING, 1)))
    })
}

/// No link-local address: the pod network is IPv4, and its interfaces must not solicit routers for ever.
pub(crate) fn without_ipv6_address(index: u32) -> Message {
    Message::new(libc::RTM_SETLINK, 0, &interface(index, 0)).nest(libc::IFLA_AF_SPEC, |m| {
        m.nest(libc::AF_INET6 as u16, |m| m.attribute(INET6_ADDR_GEN_MODE, &[INET6_ADDR_GEN_NONE]))
    })
}

pub(crate) fn add_address(index: u32, network: Ipv4Net) -> Message {
    let mut header = [0; 8];
    header[0] = libc::AF_INET as u8;
    header[1] = network.prefix_len();
    header[4..].copy_from_slice(&index.to_ne_bytes());
    Message::new(libc::RTM_NEWADDR, CREATE, &header)
        .attribute(libc::IFA_LOCAL, &network.addr().octets())
        .attribute(libc::IFA_ADDRESS, &network.addr().octets())
        .attribute(libc::IFA_BROADCAST, &network.broadcast().octets())
}

/// `struct rtmsg`
fn route(prefix: u8, table: u8, scope: u8, kind: u8) -> [u8; 12] {
    [libc::AF_INET as u8, prefix, 0, 0, table, libc::RTPROT_STATIC, scope, kind, 0, 0, 0, 0]
}

/// AnyIP: every address of `network` is one of this namespace's own.
pub(crate) fn add_local_route(network: Ipv4Net) -> Message {
    let header = route(network.prefix_len(), libc::RT_TABLE_LOCAL, libc::RT_SCOPE_HOST, libc::RTN_LOCAL);
    Message::new(libc::RTM_NEWROUTE, CREATE, &header)
        .attribute(libc::RTA_DST, &network.network().octets())
        .native(libc::RTA_OIF, LOOPBACK)
}

/// Packets that no other route takes are refused. Programs see that at once, also of datagrams; "network
/// unreachable" would not be shown to them.
pub(crate) fn refuse_the_rest() -> Message {
    let header = route(0, libc::RT_TABLE_MAIN, libc::RT_SCOPE_UNIVERSE, libc::RTN_PROHIBIT);
    Message::new(libc::RTM_NEWROUTE, CREATE, &header)
}

pub(crate) fn add_default_route(gateway: Ipv4Addr) -> Message {
    let header = route(0, libc::RT_TABLE_MAIN, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST);
    Message::new(libc::RTM_NEWROUTE, CREATE, &header).attribute(libc::RTA_GATEWAY, &gateway.octets())
}

/// The index of an interface, or `None` when there is none of that name.
pub(crate) fn index(netlink: &Netlink, name: &str) -> io::Result<Option<u32>> {
    let ask = Message::new(libc::RTM_GETLINK, 0, &interface(0, 0)).text(libc::IFLA_IFNAME, name);
    let reply = netlink.one(ask)?;
    if reply.error == libc::ENODEV {
        return Ok(None);
    }
    reply.accept(&[])?;
    let body = reply.data.first().filter(|body| body.len() >= 16).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(Some(u32::from_ne_bytes([body[4], body[5], body[6], body[7]])))
}

/// The first IPv4 address of an interface.
pub(crate) fn address(netlink: &Netlink, index: u32) -> io::Result<Option<Ipv4Addr>> {
    let mut header = [0; 8];
    header[0] = libc::AF_INET as u8;
    let reply = netlink.one(Message::new(libc::RTM_GETADDR, libc::NLM_F_DUMP, &header))?;
    reply.accept(&[])?;
    let own = reply.data.iter().filter(|b| b.len() > 8 && b[4..8] == index.to_ne_bytes());
    Ok(own
        .filter_map(|body| <[u8; 4]>::try_from(find_attribute(&body[8..], libc::IFA_LOCAL)?).ok())
        .next()
        .map(Into::into))
}
