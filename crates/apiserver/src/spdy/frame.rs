//! Frames.

use bytes::Bytes;
use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Clients send far smaller ones; a larger length is a broken connection.
const LARGEST: usize = 16 << 20;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GO_AWAY: u16 = 7;
const HEADERS: u16 = 8;
const FIN: u8 = 1;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    SynStream {
        id: u32,
        last: bool,
        block: Vec<u8>,
    },
    Data {
        id: u32,
        last: bool,
        bytes: Bytes,
    },
    Reset {
        id: u32,
    },
    Ping {
        bytes: [u8; 4],
    },
    Headers {
        block: Vec<u8>,
    },
    /// One that needs nothing done.
    Other,
}

/// The next frame; `None` at the end of the connection.
pub(super) async fn read<R: AsyncRead + Unpin>(from: &mut R) -> Result<Option<Frame>> {
    let mut head = [0; 8];
    match from.read_exact(&mut head).await {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let flags = head[4];
    let length = usize::from(head[5]) << 16 | usize::from(head[6]) << 8 | usize::from(head[7]);
    if length > LARGEST {
        return Err(Error::new(ErrorKind::InvalidData, "frame too large"));
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).await?;
    let first = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let last = flags & FIN != 0;
    if first >> 31 == 0 {
        return Ok(Some(Frame::Data { id: first, last, bytes: payload.into() }));
    }
    let word = |at: usize| -> Result<[u8; 4]> {
        let bytes = payload.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| Error::new(ErrorKind::InvalidData, "control frame too short"))
    };
    let stream = |at: usize| Ok::<u32, Error>(u32::from_be_bytes(word(at)?) & 0x7fff_ffff);
    Ok(Some(match (first & 0xffff) as u16 {
        SYN_STREAM => {
            let id = stream(0)?;
            // stream, associated stream, priority and slot: ten bytes
            let block = payload.get(10..).unwrap_or_default().to_vec();
            Frame::SynStream { id, last, block }
        }
        HEADERS => Frame::Headers { block: payload.get(4..).unwrap_or_default().to_vec() },
        RST_STREAM => Frame::Reset { id: stream(0)? },
        PING => Frame::Ping { bytes: word(0)? },
        _ => Frame::Other,
    }))
}

fn control(kind: u16, payload: &[&[u8]]) -> Vec<u8> {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    let mut frame = Vec::with_capacity(8 + length);
    frame.extend_from_slice(&[0x80, 3]);
    frame.extend_from_slice(&kind.to_be_bytes());
    frame.push(0);
    frame.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
    payload.iter().for_each(|part| frame.extend_from_slice(part));
    frame
}

pub(super) fn data(id: u32, bytes: &[u8], last: bool) -> Vec<u8> {
    let mut frame = Vec::with_capacity(8 + bytes.len());
    frame.extend_from_slice(&id.to_be_bytes());
    frame.push(u8::from(last) * FIN);
    frame.extend_from_slice(&(bytes.len() as u32).to_be_bytes()[1..]);
    frame.extend_from_slice(bytes);
    frame
}

pub(super) fn syn_reply(id: u32, block: &[u8]) -> Vec<u8> {
    control(SYN_REPLY, &[&id.to_be_bytes(), block])
}

pub(super) fn ping(bytes: &[u8; 4]) -> Vec<u8> {
    control(PING, &[bytes])
}

/// No stream after this; status OK.
pub(super) fn go_away() -> Vec<u8> {
    control(GO_AWAY, &[&[0; 8]])
}
