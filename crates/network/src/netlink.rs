//! Netlink by hand: messages with attributes, one blocking socket, several requests in one system call.
//!
//! The kernel answers each request before the send returns, so there is nothing to await and no need for a
//! runtime; callers run on a thread that lives in the right namespace (see `namespace`).

pub(crate) mod link;
pub(crate) mod nft;

use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const ROUTE: i32 = libc::NETLINK_ROUTE;
pub(crate) const NETFILTER: i32 = libc::NETLINK_NETFILTER;

const HEADER: usize = 16;
const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const ACK: u16 = libc::NLM_F_ACK as u16;
const NESTED: u16 = libc::NLA_F_NESTED as u16;

/// One request under construction.
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// `header` is the fixed part that follows the netlink header (`ifinfomsg`, `nfgenmsg`, …).
    pub(crate) fn new(kind: u16, flags: i32, header: &[u8]) -> Message {
        Self::raw(kind, flags as u16 | REQUEST | ACK, header)
    }

    /// A message that the kernel does not acknowledge: the brackets of an nftables batch.
    pub(crate) fn silent(kind: u16, header: &[u8]) -> Message {
        Self::raw(kind, REQUEST, header)
    }

    fn raw(kind: u16, flags: u16, header: &[u8]) -> Message {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(header);
        Message { bytes }
    }

    pub(crate) fn attribute(mut self, kind: u16, data: &[u8]) -> Message {
        self.bytes.extend(((data.len() + 4) as u16).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(data);
        self.pad();
        self
    }

    pub(crate) fn text(self, kind: u16, text: &str) -> Message {
        let mut data = text.as_bytes().to_vec();
        data.push(0);
        self.attribute(kind, &data)
    }

    /// Numbers of rtnetlink are in the machine's byte order …
    pub(crate) fn native(self, kind: u16, value: u32) -> Message {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// … and those of nftables in the network's.
    pub(crate) fn big_endian(self, kind: u16, value: u32) -> Message {
        self.attribute(kind, &value.to_be_bytes())
    }

    pub(crate) fn nest(mut self, kind: u16, fill: impl FnOnce(Message) -> Message) -> Message {
        let start = self.bytes.len();
        self.bytes.extend([0, 0]);
        self.bytes.extend((kind | NESTED).to_ne_bytes());
        let mut filled = fill(self);
        let length = (filled.bytes.len() - start) as u16;
        filled.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        filled
    }

    /// Fixed bytes inside a nested attribute (the peer's `ifinfomsg` of a veth pair).
    pub(crate) fn bytes(mut self, data: &[u8]) -> Message {
        self.bytes.extend(data);
        self.pad();
        self
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn is_acknowledged(&self) -> bool {
        u16::from_ne_bytes([self.bytes[6], self.bytes[7]]) & ACK != 0
    }

    /// The message as it goes to the kernel.
    pub(crate) fn encode(mut self, sequence: u32) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

/// The kernel's word on one request: the verdict, and what it sent before that.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) error: i32,
    /// Bodies of the answers, after the netlink header.
    pub(crate) data: Vec<Vec<u8>>,
}

impl Reply {
    /// Errors in `tolerated` count as success: the thing is there already, or is gone already.
    pub(crate) fn accept(&self, tolerated: &[i32]) -> io::Result<()> {
        if self.error == 0 || tolerated.contains(&self.error) {
            return Ok(());
        }
        Err(io::Error::from_raw_os_error(self.error))
    }
}

/// A netlink socket; it belongs to the namespace in which it was opened.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: AtomicU32,
}

impl Netlink {
    pub(crate) fn open(protocol: i32) -> io::Result<Netlink> {
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(protocol)))?;
        // The kernel has answered when the send returns; this only guards against a lost answer.
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Netlink { socket, sequence: AtomicU32::new(1) })
    }

    /// Sends all messages at once and returns a reply for each one that is acknowledged.
    pub(crate) fn request(&self, messages: Vec<Message>) -> io::Result<Vec<Reply>> {
        let mut wire = Vec::new();
        let mut waiting = Vec::new();
        for message in messages {
            let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
            if message.is_acknowledged() {
                waiting.push((sequence, Reply::default(), false));
            }
            wire.extend(message.encode(sequence));
        }
        self.socket.send(&wire)?;
        let mut buffer = vec![0; 64 * 1024];
        while waiting.iter().any(|(_, _, done)| !done) {
            let count = (&self.socket).read(&mut buffer)?;
            for (kind, sequence, body) in split(&buffer[..count]) {
                let Some((_, reply, done)) = waiting.iter_mut().find(|(s, _, _)| *s == sequence) else {
                    continue;
                };
                match i32::from(kind) {
                    libc::NLMSG_ERROR | libc::NLMSG_DONE => {
                        let code = body.get(..4).map_or(0, |b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
                        reply.error = code.wrapping_neg().max(0);
                        *done = true;
                    }
                    _ => reply.data.push(body.to_vec()),
                }
            }
        }
        Ok(waiting.into_iter().map(|(_, reply, _)| reply).collect())
    }

    pub(crate) fn one(&self, message: Message) -> io::Result<Reply> {
        Ok(self.request(vec![message])?.pop().unwrap_or_default())
    }
}

/// The messages of one datagram: type, sequence number, body.
fn split(mut datagram: &[u8]) -> Vec<(u16, u32, &[u8])> {
    let mut out = Vec::new();
    while datagram.len() >= HEADER {
        let length = u32::from_ne_bytes([datagram[0], datagram[1], datagram[2], datagram[3]]) as usize;
        if length < HEADER || length > datagram.len() {
            break;
        }
        let kind = u16::from_ne_bytes([datagram[4], datagram[5]]);
        let sequence = u32::from_ne_bytes([datagram[8], datagram[9], datagram[10], datagram[11]]);
        out.push((kind, sequence, &datagram[HEADER..length]));
        datagram = &datagram[length.next_multiple_of(4).min(datagram.len())..];
    }
    out
}

/// The value of an attribute in a list of attributes.
pub(crate) fn find_attribute(mut list: &[u8], wanted: u16) -> Option<&[u8]> {
    while list.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([list[0], list[1]]));
        if length < 4 || length > list.len() {
            return None;
        }
        if u16::from_ne_bytes([list[2], list[3]]) & !NESTED == wanted {
            return Some(&list[4..length]);
        }
        list = &list[length.next_multiple_of(4).min(list.len())..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_nest_and_are_padded() {
        let message =
            Message::new(1, 0, &[9; 4]).nest(2, |m| m.text(3, "eth0").attribute(4, &[7])).native(5, 1);
        let wire = message.encode(6);
        assert_eq!(wire.len() % 4, 0);
        assert_eq!(wire.len() as u32, u32::from_ne_bytes(wire[..4].try_into().unwrap()));
        let nested = find_attribute(&wire[20..], 2).unwrap();
        assert_eq!(find_attribute(nested, 3), Some(&b"eth0\0"[..]));
        assert_eq!(find_attribute(nested, 4), Some(&[7][..]));
        assert_eq!(find_attribute(&wire[20..], 5), Some(&1u32.to_ne_bytes()[..]));
        assert_eq!(find_attribute(&wire[20..], 9), None);
    }

    #[test]
    fn a_datagram_may_hold_several_messages_or_nonsense() {
        let mut datagram = Message::new(7, 0, &[1, 2, 3, 4]).encode(1);
        datagram.extend(Message::new(8, 0, &[]).encode(2));
        let all = split(&datagram);
        assert_eq!(all, [(7, 1, &[1, 2, 3, 4][..]), (8, 2, &[][..])]);
        assert!(split(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_empty());
    }
}
