//! Fields that occur twice in a JSON text: the last one counts, as in Go, but it deserves a warning.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::RefCell;
use std::collections::HashSet;

pub(super) fn of(json: &[u8]) -> Vec<String> {
    FOUND.with_borrow_mut(Vec::clear);
    PATH.with_borrow_mut(String::clear);
    // What is wrong beyond that is told by the real parser.
    let _ = serde_json::from_slice::<Walk>(json);
    FOUND.take()
}

thread_local! {
    static FOUND: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static PATH: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Walk;

impl<'de> Deserialize<'de> for Walk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

/// The value behind a part of the path.
fn within<T>(part: &str, walk: impl FnOnce() -> T) -> T {
    let length = PATH.with_borrow(String::len);
    PATH.with_borrow_mut(|path| path.push_str(part));
    let done = walk();
    PATH.with_borrow_mut(|path| path.truncate(length));
    done
}

impl<'de> Visitor<'de> for Walk {
    type Value = Walk;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Walk, A::Error> {
        let mut seen = HashSet::new();
        while let Some(field) = map.next_key::<String>()? {
            let start = if PATH.with_borrow(String::is_empty) { "" } else { "." };
            let part = format!("{start}{field}");
            if !seen.insert(field) {
                let path = PATH.with_borrow(|path| format!("{path}{part}"));
                FOUND.with_borrow_mut(|found| found.push(format!("duplicate field {path:?}")));
            }
            within(&part, || map.next_value::<Walk>())?;
        }
        Ok(Walk)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Walk, A::Error> {
        let mut index = 0;
        while within(&format!("[{index}]"), || list.next_element::<Walk>())?.is_some() {
            index += 1;
        }
        Ok(Walk)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Walk, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Walk)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Walk, E> {
        Ok(Walk)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Walk, E> {
        Ok(Walk)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Walk, E> {
        Ok(Walk)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Walk, E> {
        Ok(Walk)
    }

    fn visit_str<E>(self, _: &str) -> Result<Walk, E> {
        Ok(Walk)
    }

    fn visit_unit<E>(self) -> Result<Walk, E> {
        Ok(Walk)
    }
}

#[cfg(test)]
#[test]
fn duplicates_are_found_where_they_are() {
    let json = br#"{"a":1,"b":[{"c":1.5,"c":"x"}],"a":null,"d":{"a":true}}"#;
    assert_eq!(of(json), ["duplicate field \"b[0].c\"", "duplicate field \"a\""]);
    assert!(of(br#"{"a":1}"#).is_empty());
}
