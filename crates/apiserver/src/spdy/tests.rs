//! A client of a few lines against the session.

use super::*;
use tokio::io::AsyncReadExt;

fn syn_stream(id: u32, block: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80, 3, 0, 1, 0];
    frame.extend_from_slice(&((block.len() + 10) as u32).to_be_bytes()[1..]);
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(&[0; 6]);
    frame.extend_from_slice(block);
    frame
}

#[tokio::test]
async fn streams_are_accepted_answered_and_closed() {
    let (mut client, server) = tokio::io::duplex(64 << 10);
    let mut session = start(server);
    let mut deflate = headers::Deflate::new();
    client
        .write_all(&syn_stream(1, &deflate.headers(&[("streamType", "data"), ("port", "80")])))
        .await
        .expect("send");
    client.write_all(&frame::data(1, b"hello", true)).await.expect("send");
    let mut stream = session.accept().await.expect("a stream");
    assert_eq!((stream.header("streamtype"), stream.header("port")), ("data", "80"));
    assert_eq!(stream.data.recv().await.as_deref(), Some(&b"hello"[..]));
    assert_eq!(stream.data.recv().await, None);

    let mut head = [0; 8];
    client.read_exact(&mut head).await.expect("a reply");
    assert_eq!(head[..4], [0x80, 3, 0, 2], "SYN_REPLY");
    let mut payload = vec![0; usize::from(head[7])];
    client.read_exact(&mut payload).await.expect("its payload");
    assert_eq!(payload[..4], [0, 0, 0, 1]);
    assert!(headers::Inflate::new().headers(&payload[4..]).expect("a block").is_empty());

    assert!(stream.writer.data(b"world").await);
    stream.writer.finish().await;
    let first = frame::read(&mut client).await.expect("read");
    assert_eq!(first, Some(Frame::Data { id: 1, last: false, bytes: Bytes::from_static(b"world") }));
    let second = frame::read(&mut client).await.expect("read");
    assert_eq!(second, Some(Frame::Data { id: 1, last: true, bytes: Bytes::new() }));

    client.write_all(&frame::ping(&[0, 0, 0, 7])).await.expect("send");
    let pong = frame::read(&mut client).await.expect("read");
    assert_eq!(pong, Some(Frame::Ping { bytes: [0, 0, 0, 7] }));
    drop(client);
    assert!(session.accept().await.is_none());
    session.gone().cancelled().await;
}
