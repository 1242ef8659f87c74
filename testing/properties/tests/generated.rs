//! A few hundred cases from a fixed seed: what the fuzz targets do at length.

use properties::{
    Random, crd_schema, dockerfile, grants, kustomize_build, patches, protobuf, selectors, server_side_apply,
    spdy, tiltfile, yaml_emitter, yaml_reader,
};

fn noise(random: &mut Random, most: usize) -> Vec<u8> {
    let length = random.below(most);
    (0..length).map(|_| random.number().to_le_bytes()[3]).collect()
}

/// The text with a few pieces put in, taken out or doubled.
fn mutated(random: &mut Random, text: &str, pieces: &[&str]) -> String {
    let mut text = text.to_string();
    for _ in 0..1 + random.below(4) {
        let mut at = random.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        match random.below(3) {
            0 => text.insert_str(at, random.of(pieces)),
            1 => text.truncate(at),
            _ => {
                let end = text[at..].char_indices().nth(1 + random.below(6));
                let end = end.map_or(text.len(), |(length, _)| at + length);
                text.replace_range(at..end, random.of(pieces));
            }
        }
    }
    text
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
        yaml_reader(mutated(&mut random, seed, &YAML_PIECES).as_bytes());
    }
}

#[test]
fn what_is_printed_is_read_as_the_same() {
    let mut random = Random(0xd1b5_4a32_d192_ed03);
    for _ in 0..CASES {
        yaml_emitter(&noise(&mut random, 200));
    }
}

#[test]
fn every_tree_builds_or_fails() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let seed = include_str!("../../../fuzz/seeds/kustomize_build/all.txt");
    kustomize_build(seed.as_bytes());
    for _ in 0..CASES / 3 {
        kustomize_build(mutated(&mut random, seed, &YAML_PIECES).as_bytes());
    }
}

#[test]
fn every_value_patches_every_other() {
    let mut random = Random(0x94d0_49bb_1331_11eb);
    for _ in 0..CASES {
        patches(&noise(&mut random, 300));
    }
}

#[test]
fn every_text_is_a_dockerfile_or_is_told_why_not() {
    let mut random = Random(0xbf58_476d_1ce4_e5b9);
    let seed = include_str!("../../../fuzz/seeds/dockerfile/stages.Dockerfile");
    let pieces =
        ["\n", "\\\n", " ", "\"", "'", "$", "${", "}", "<<EOF\n", "EOF\n", "#", "--from=", "[", "]", "\\"];
    for _ in 0..CASES {
        dockerfile(mutated(&mut random, seed, &pieces).as_bytes());
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
        tiltfile(mutated(&mut random, seed, &pieces).as_bytes());
    }
}

#[test]
fn applies_keep_their_promises() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..CASES {
        server_side_apply(&noise(&mut random, 200));
    }
}

#[test]
fn every_schema_and_object_is_taken_or_refused() {
    let mut random = Random(0xd1b5_4a32_d192_ed03);
    for _ in 0..CASES {
        crd_schema(&noise(&mut random, 120));
    }
}

#[test]
fn every_message_is_an_object_or_is_refused() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..CASES {
        protobuf(&noise(&mut random, 60));
    }
}

#[test]
fn every_text_selects_or_is_refused() {
    let mut random = Random(0x94d0_49bb_1331_11eb);
    let pieces =
        ["=", "==", "!=", "!", ",", "in", "notin", "(", ")", " ", "a", "/", ">", "é", "metadata.name"];
    for _ in 0..CASES {
        selectors(mutated(&mut random, "a=b,c!=d,e in (f, g),!h,metadata.name=a", &pieces).as_bytes());
    }
}

#[test]
fn nobody_grants_what_they_lack() {
    let mut random = Random(0xd6e8_feb8_6659_fd93);
    for _ in 0..CASES * 10 {
        grants(&noise(&mut random, 80));
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
            bytes[at] = noise(&mut random, 2).first().copied().unwrap_or(0xff);
        }
        bytes.truncate(1 + random.below(bytes.len()));
        spdy(&bytes);
    }
}
