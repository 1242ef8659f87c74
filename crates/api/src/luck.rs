//! What a write draws by lot: uids, suffixes of names, addresses.
//!
//! A write that is gone through again, because webhooks had to be asked in between, draws the same again.

use std::cell::Cell;

pub(crate) struct Luck(Option<Cell<u64>>);

impl Luck {
    /// `seed`: `None` for a write that is gone through once.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(seed.map(Cell::new))
    }

    fn draw(&self) -> u64 {
        let Some(state) = &self.0 else { return rand::random() };
        // SplitMix64.
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&self, count: u64) -> u64 {
        self.draw() % count.max(1)
    }

    pub(crate) fn uid(&self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.draw().to_le_bytes());
        bytes[8..].copy_from_slice(&self.draw().to_le_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Five letters as `generateName` appends them: no vowels, so no words, and nothing that reads as another.
    pub(crate) fn suffix(&self) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let letter = |_| ALPHABET[usize::try_from(self.below(ALPHABET.len() as u64)).unwrap_or_default()];
        (0..5).map(letter).map(char::from).collect()
    }
}

#[cfg(test)]
#[test]
fn the_same_is_drawn_again() {
    let draw = |seed| {
        let luck = Luck::new(seed);
        (luck.uid(), luck.suffix(), luck.below(1000))
    };
    assert_eq!(draw(Some(7)), draw(Some(7)));
    assert_ne!(draw(Some(7)), draw(Some(8)));
    assert_ne!(draw(None).0, draw(None).0);
}
