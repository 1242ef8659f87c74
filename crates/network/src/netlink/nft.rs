//! The nftables rules of the router, as one atomic netlink batch.
//!
//! ```text
//! table ip coracle {
//!   chain prerouting {
//!     type nat hook prerouting priority dstnat
//!     ip daddr GATEWAY meta l4proto tcp redirect to :PORT      # the host's own loopback
//!     ip daddr PODS return
//!     ip daddr SERVICES return
//!     meta l4proto tcp redirect to :PORT                       # everything outside
//!   }
//! }
//! ```

use super::Message;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

const TABLE: &str = "coracle";
const CHAIN: &str = "prerouting";

// linux/netfilter/nfnetlink.h and nf_tables.h
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const DELETE_TABLE: u16 = (SUBSYSTEM << 8) | 2;
const NEW_CHAIN: u16 = (SUBSYSTEM << 8) | 3;
const NEW_RULE: u16 = (SUBSYSTEM << 8) | 6;
const IPV4: u8 = 2;
const REGISTER_VERDICT: u32 = 0;
const REGISTER: u32 = 1;
const VERDICT_RETURN: u32 = (-5i32) as u32;
const PRIORITY_DNAT: u32 = (-100i32) as u32;
const META_L4PROTO: u32 = 16;
const NETWORK_HEADER: u32 = 1;
const DESTINATION_OFFSET: u32 = 16;
const RANGE_PROTO_SPECIFIED: u32 = 2;

/// Replaces whatever table an earlier daemon left. The first and last message are not acknowledged.
pub(crate) fn redirect_batch(gateway: Ipv4Addr, inside: &[Ipv4Net], port: u16) -> Vec<Message> {
    let header = [IPV4, 0, 0, 0];
    let bracket = [0, 0, 0, SUBSYSTEM as u8];
    let table = || Message::new(NEW_TABLE, libc::NLM_F_CREATE, &header).text(1, TABLE);
    let host = Ipv4Net::from(gateway);
    let mut batch = vec![
        Message::silent(BATCH_BEGIN, &bracket),
        table(),
        Message::new(DELETE_TABLE, 0, &header).text(1, TABLE),
        table(),
        chain(&header),
        rule(&header, |m| redirect(is_tcp(is_to(m, host)), port)),
    ];
    batch.extend(inside.iter().map(|network| rule(&header, |m| return_(is_to(m, *network)))));
    batch.push(rule(&header, |m| redirect(is_tcp(m), port)));
    batch.push(Message::silent(BATCH_END, &bracket));
    batch
}

fn chain(header: &[u8]) -> Message {
    Message::new(NEW_CHAIN, libc::NLM_F_CREATE, header)
        .text(1, TABLE)
        .text(3, CHAIN)
        .nest(4, |m| m.big_endian(1, 0).big_endian(2, PRIORITY_DNAT))
        .text(7, "nat")
}

fn rule(header: &[u8], expressions: impl FnOnce(Message) -> Message) -> Message {
    Message::new(NEW_RULE, libc::NLM_F_CREATE | libc::NLM_F_APPEND, header)
        .text(1, TABLE)
        .text(2, CHAIN)
        .nest(4, expressions)
}

fn expression(message: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    message.nest(1, |m| m.text(1, name).nest(2, data))
}

fn equals(message: Message, value: &[u8]) -> Message {
    expression(message, "cmp", |m| {
        m.big_endian(1, REGISTER).big_endian(2, 0).nest(3, |m| m.attribute(1, value))
    })
}

fn is_tcp(message: Message) -> Message {
    let message = expression(message, "meta", |m| m.big_endian(1, REGISTER).big_endian(2, META_L4PROTO));
    equals(message, &[libc::IPPROTO_TCP as u8])
}

fn is_to(message: Message, network: Ipv4Net) -> Message {
    let message = expression(message, "payload", |m| {
        m.big_endian(1, REGISTER)
            .big_endian(2, NETWORK_HEADER)
            .big_endian(3, DESTINATION_OFFSET)
            .big_endian(4, 4)
    });
    let message = expression(message, "bitwise", |m| {
        m.big_endian(1, REGISTER)
            .big_endian(2, REGISTER)
            .big_endian(3, 4)
            .nest(4, |m| m.attribute(1, &network.netmask().octets()))
            .nest(5, |m| m.attribute(1, &[0; 4]))
    });
    equals(message, &network.network().octets())
}

fn return_(message: Message) -> Message {
    expression(message, "immediate", |m| {
        m.big_endian(1, REGISTER_VERDICT).nest(2, |m| m.nest(2, |m| m.big_endian(1, VERDICT_RETURN)))
    })
}

fn redirect(message: Message, port: u16) -> Message {
    let message = expression(message, "immediate", |m| {
        m.big_endian(1, REGISTER).nest(2, |m| m.attribute(1, &port.to_be_bytes()))
    });
    expression(message, "redir", |m| m.big_endian(1, REGISTER).big_endian(3, RANGE_PROTO_SPECIFIED))
}
