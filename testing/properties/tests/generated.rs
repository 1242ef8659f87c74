//! A few hundred cases from a fixed seed: what the fuzz targets do at length.

use properties::{
    crd_schema, dockerfile, grants, kustomize_build, patches, protobuf, selectors, server_side_apply, spdy,
    tiltfile, yaml_emitter, yaml_reader,
};

/// xorshift: the same cases on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits fit") % limit
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most);
        (0..length).map(|_| self.next().to_le_bytes()[3]).collect()
    }

    /// The text with a few pieces put in, taken out or doubled.
    fn mutated(&mut self, text: &str, pieces: &[&str]) -> String {
        let mut text = text.to_string();
        for _ in 0..1 + self.below(4) {
            let mut at = self.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match self.below(3) {
                0 => text.insert_str(at, pieces[self.below(pieces.len())]),
                1 => text.truncate(at),
                _ => {
                    let end =
                        text[at..].char_indices().nth(1 + self.below(6)).map_or(text.len(), |(n, _)| at + n);
                    text.replace_range(at..end, pieces[self.below(pieces.len())]);
                }
            }
        }
        text
    }
}

const CASES: usize = 300;

const YAML_PIECES: [&str; 30] = [
    "\t",
    " ",
    "  ",
    "\n",
    "\r\n",
    ":",
    ": ",
    "- ",
    "? ",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    " #",
    "&a ",
    "*a",
    "!!int ",
    "|",
    ">-\n",
    "%YAML 1.2\n",
    "---\n",
    "...\n",
    "<<: ",
    "\u{feff}",
    "é",
    "\u{85}",
];

#[test]
fn the_reader_takes_or_refuses_every_text() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let seed = include_str!("../../../fuzz/seeds/yaml_reader/styles.yaml");
    for _ in 0..CASES {
        yaml_reader(random.mutated(seed, &YAML_PIECES).as_bytes());
    }
}

#[test]
fn what_is_printed_is_read_as_the_same() {
    let mut random = Random(0xd1b5_4a32_d192_ed03);
    for _ in 0..CASES {
        yaml_emitter(&random.bytes(200));
    }
}

#[test]
fn every_tree_builds_or_fails() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let seed = include_str!("../../../fuzz/seeds/kustomize_build/all.txt");
    kustomize_build(seed.as_bytes());
    for _ in 0..CASES / 3 {
        kustomize_build(random.mutated(seed, &YAML_PIECES).as_bytes());
    }
}

#[test]
fn every_value_patches_every_other() {
    let mut random = Random(0x94d0_49bb_1331_11eb);
    for _ in 0..CASES {
        patches(&random.bytes(300));
    }
}

#[test]
fn every_text_is_a_dockerfile_or_is_told_why_not() {
    let mut random = Random(0xbf58_476d_1ce4_e5b9);
    let seed = include_str!("../../../fuzz/seeds/dockerfile/stages.Dockerfile");
    let pieces =
        ["\n", "\\\n", " ", "\"", "'", "$", "${", "}", "<<EOF\n", "EOF\n", "#", "--from=", "[", "]", "\\"];
    for _ in 0..CASES {
        dockerfile(random.mutated(seed, &pieces).as_bytes());
    }
}

#[test]
fn every_text_is_a_tiltfile_or_is_told_why_not() {
    let mut random = Random(0x94d0_49bb_1331_11eb);
    let seed = include_str!("../../../fuzz/seeds/tiltfile/all.Tiltfile");
    let pieces = [
        "\n",
        "\n    ",
        "\t",
        "'",
        "\"\"\"",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "=",
        "while ",
        "for ",
        "if ",
        "def ",
        "lambda ",
        "load(",
        "not ",
        "#",
        "\\",
        ".",
        "é",
        " * ",
        " *= ",
        "+",
        "%",
        "<<",
        "999999999",
        "range(",
        ".join(",
        ".format(",
        ".replace(",
        "str(",
        "print(",
    ];
    for _ in 0..CASES {
        tiltfile(random.mutated(seed, &pieces).as_bytes());
    }
}

#[test]
fn applies_keep_their_promises() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..CASES {
        server_side_apply(&random.bytes(200));
    }
}

#[test]
fn every_schema_and_object_is_taken_or_refused() {
    let mut random = Random(0xd1b5_4a32_d192_ed03);
    for _ in 0..CASES {
        crd_schema(&random.bytes(120));
    }
}

#[test]
fn every_message_is_an_object_or_is_refused() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..CASES {
        protobuf(&random.bytes(60));
    }
}

#[test]
fn every_text_selects_or_is_refused() {
    let mut random = Random(0x94d0_49bb_1331_11eb);
    let pieces =
        ["=", "==", "!=", "!", ",", "in", "notin", "(", ")", " ", "a", "/", ">", "é", "metadata.name"];
    for _ in 0..CASES {
        selectors(random.mutated("a=b,c!=d,e in (f, g),!h,metadata.name=a", &pieces).as_bytes());
    }
}

#[test]
fn nobody_grants_what_they_lack() {
    let mut random = Random(0xd6e8_feb8_6659_fd93);
    for _ in 0..CASES * 10 {
        grants(&random.bytes(80));
    }
}

#[test]
fn every_conversation_ends() {
    let mut random = Random(0xbf58_476d_1ce4_e5b9);
    let seed = include_bytes!("../../../fuzz/seeds/spdy/streams.bin");
    spdy(seed);
    for _ in 0..CASES {
        let mut bytes = seed.to_vec();
        for _ in 0..1 + random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = random.bytes(2).first().copied().unwrap_or(0xff);
        }
        bytes.truncate(1 + random.below(bytes.len()));
        spdy(&bytes);
    }
}
