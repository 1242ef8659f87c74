//! The form of a record: `length: u32 LE`, `crc32(payload): u32 LE`, payload (JSON).

use serde::Deserialize;
use serde_json::Value;
use std::io::Write as _;
use std::ops::Range;
use store::{Change, ChangeKind, Object};

const HEADER: usize = 8;

/// One change, or (without `at`) only the version that has been reached.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "v")]
    pub(super) version: u64,
    /// Resource, namespace, name.
    #[serde(rename = "k", default)]
    pub(super) at: Option<(String, String, String)>,
    /// The object after the change; absent if it is gone.
    #[serde(rename = "o", default)]
    pub(super) object: Option<Object>,
}

/// The record of a change, and where in it the text of the object is.
pub(super) fn of_change(change: &Change) -> (Vec<u8>, Option<Range<usize>>) {
    let key = &change.key;
    let at = (key.resource.as_str(), &*key.namespace, &*key.name);
    let object = (change.kind != ChangeKind::Deleted).then_some(&*change.object);
    of(change.version, Some(at), object)
}

pub(super) fn of(
    version: u64,
    at: Option<(&str, &str, &str)>,
    object: Option<&Value>,
) -> (Vec<u8>, Option<Range<usize>>) {
    const TAKES_ALL: &str = "JSON values serialise, and a Vec takes all";
    let mut bytes = vec![0; HEADER];
    write!(bytes, "{{\"v\":{version}").expect(TAKES_ALL);
    if let Some(at) = at {
        bytes.extend_from_slice(b",\"k\":");
        serde_json::to_writer(&mut bytes, &at).expect(TAKES_ALL);
    }
    let text = object.map(|object| {
        bytes.extend_from_slice(b",\"o\":");
        let start = bytes.len();
        serde_json::to_writer(&mut bytes, object).expect(TAKES_ALL);
        start..bytes.len()
    });
    bytes.push(b'}');
    let length = u32::try_from(bytes.len() - HEADER).expect("requests are limited to a few MiB");
    let checksum = crc32(&bytes[HEADER..]);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..HEADER].copy_from_slice(&checksum.to_le_bytes());
    (bytes, text)
}

/// The payload of the record at `offset` and where the next one starts; `None` if no whole, sound record is there.
pub(super) fn decode(bytes: &[u8], offset: usize) -> Option<(&[u8], usize)> {
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().expect("four bytes")))
    };
    let length = word(offset)? as usize;
    let checksum = word(offset + 4)?;
    let start = offset + HEADER;
    let payload = bytes.get(start..start.checked_add(length)?)?;
    (length > 0 && crc32(payload) == checksum).then_some((payload, start + length))
}

/// Whether the broken record at `offset` is followed by a sound one: then it is damage, not the torn tail of a crash.
pub(super) fn whole_record_after(bytes: &[u8], offset: usize) -> bool {
    let Some(head) = bytes.get(offset..offset + 4) else { return false };
    let length = u32::from_le_bytes(head.try_into().expect("four bytes")) as usize;
    let Some(next) = (offset + HEADER).checked_add(length) else { return false };
    length > 0 && next < bytes.len() && decode(bytes, next).is_some()
}

/// CRC-32 (IEEE 802.3), as zip and Ethernet have it.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.iter().fold(!0, |crc: u32, byte| TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8))
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

#[cfg(test)]
#[test]
fn crc_is_the_usual_one() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}
