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

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// Checked once against what `nft list ruleset` shows of it; this keeps it so.
    #[test]
    fn the_batch_on_the_wire() {
        let inside = ["10.42.0.0/24".parse().unwrap()];
        let batch = redirect_batch(Ipv4Addr::new(10, 42, 0, 1), &inside, 15001);
        let lines: Vec<String> = batch
            .into_iter()
            .map(|message| {
                let wire = message.encode(7);
                let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
                let words: Vec<String> = wire[16..].chunks(4).map(hex).collect();
                format!("{} | {}\n", hex(&wire[4..8]), words.join(" "))
            })
            .collect();
        expect![[r#"
            10000100 | 0000000a
            000a0504 | 02000000 0c000100 636f7261 636c6500
            020a0500 | 02000000 0c000100 636f7261 636c6500
            000a0504 | 02000000 0c000100 636f7261 636c6500
            030a0504 | 02000000 0c000100 636f7261 636c6500 0f000300 70726572 6f757469 6e670000 14000480 08000100 00000000 08000200 ffffff9c 08000700 6e617400
            060a050c | 02000000 0c000100 636f7261 636c6500 0f000200 70726572 6f757469 6e670000 48010480 34000180 0c000100 7061796c 6f616400 24000280 08000100 00000001 08000200 00000001 08000300 00000010 08000400 00000004 44000180 0c000100 62697477 69736500 34000280 08000100 00000001 08000200 00000001 08000300 00000004 0c000480 08000100 ffffffff 0c000580 08000100 00000000 2c000180 08000100 636d7000 20000280 08000100 00000001 08000200 00000000 0c000380 08000100 0a2a0001 24000180 09000100 6d657461 00000000 14000280 08000100 00000001 08000200 00000010 2c000180 08000100 636d7000 20000280 08000100 00000001 08000200 00000000 0c000380 05000100 06000000 2c000180 0e000100 696d6d65 64696174 65000000 18000280 08000100 00000001 0c000280 06000100 3a990000 24000180 0a000100 72656469 72000000 14000280 08000100 00000001 08000300 00000002
            060a050c | 02000000 0c000100 636f7261 636c6500 0f000200 70726572 6f757469 6e670000 d8000480 34000180 0c000100 7061796c 6f616400 24000280 08000100 00000001 08000200 00000001 08000300 00000010 08000400 00000004 44000180 0c000100 62697477 69736500 34000280 08000100 00000001 08000200 00000001 08000300 00000004 0c000480 08000100 ffffff00 0c000580 08000100 00000000 2c000180 08000100 636d7000 20000280 08000100 00000001 08000200 00000000 0c000380 08000100 0a2a0000 30000180 0e000100 696d6d65 64696174 65000000 1c000280 08000100 00000000 10000280 0c000280 08000100 fffffffb
            060a050c | 02000000 0c000100 636f7261 636c6500 0f000200 70726572 6f757469 6e670000 a4000480 24000180 09000100 6d657461 00000000 14000280 08000100 00000001 08000200 00000010 2c000180 08000100 636d7000 20000280 08000100 00000001 08000200 00000000 0c000380 05000100 06000000 2c000180 0e000100 696d6d65 64696174 65000000 18000280 08000100 00000001 0c000280 06000100 3a990000 24000180 0a000100 72656469 72000000 14000280 08000100 00000001 08000300 00000002
            11000100 | 0000000a
        "#]].assert_eq(&lines.concat());
    }
}
