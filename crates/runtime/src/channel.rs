//! Messages between the daemon and its roles: a length, JSON, and descriptors that go with it.

use crate::sys;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::UnixStream;

fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let text = serde_json::to_vec(value).map_err(io::Error::other)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    Ok([&length.to_ne_bytes()[..], &text].concat())
}

fn decode<T: DeserializeOwned>(text: &[u8]) -> io::Result<T> {
    serde_json::from_slice(text).map_err(io::Error::other)
}

/// For the roles: waits until all is written.
pub(crate) fn send(socket: impl AsFd, value: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = encode(value)?;
    let mut sent = 0;
    while sent < bytes.len() {
        let with = if sent == 0 { fds } else { &[] };
        match sys::send_some(socket.as_fd(), &bytes[sent..], with) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// For the roles: waits for a message; `None` when the other side has closed.
pub(crate) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut fds = Vec::new();
    let mut fill = |buffer: &mut [u8]| -> io::Result<bool> {
        let mut filled = 0;
        while filled < buffer.len() {
            match sys::receive_some(socket.as_fd(), &mut buffer[filled..], &mut fds) {
                Ok(0) => return Ok(false),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    };
    let mut length = [0u8; 4];
    if !fill(&mut length)? {
        return Ok(None);
    }
    let mut text = vec![0u8; u32::from_ne_bytes(length) as usize];
    if !fill(&mut text)? {
        return Ok(None);
    }
    Ok(Some((decode(&text)?, fds)))
}

/// As [`send`], in the daemon.
pub(crate) async fn send_from(
    socket: &UnixStream,
    value: &impl Serialize,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = encode(value)?;
    let mut sent = 0;
    while sent < bytes.len() {
        let with = if sent == 0 { fds } else { &[] };
        let once = || sys::send_some(socket.as_fd(), &bytes[sent..], with);
        sent += socket.async_io(Interest::WRITABLE, once).await?;
    }
    Ok(())
}

/// As [`receive`], in the daemon.
pub(crate) async fn receive_from<T: DeserializeOwned>(
    socket: &UnixStream,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut fds = Vec::new();
    let mut length = [0u8; 4];
    if !fill(socket, &mut length, &mut fds).await? {
        return Ok(None);
    }
    let mut text = vec![0u8; u32::from_ne_bytes(length) as usize];
    if !fill(socket, &mut text, &mut fds).await? {
        return Ok(None);
    }
    Ok(Some((decode(&text)?, fds)))
}

async fn fill(socket: &UnixStream, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        let once = || sys::receive_some(socket.as_fd(), &mut buffer[filled..], fds);
        match socket.async_io(Interest::READABLE, once).await? {
            0 => return Ok(false),
            count => filled += count,
        }
    }
    Ok(true)
}
