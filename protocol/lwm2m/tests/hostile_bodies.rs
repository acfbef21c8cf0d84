//! Bodies that no honest device sends: cut off, changed in a byte, random, deep, huge. Each is refused or read, none panics, and none
//! takes more memory or time than its size allows.
#![allow(clippy::unwrap_used, reason = "a broken case fails the test")]

mod allocations;
mod vector;

use lwm2m::Path;
use lwm2m::format::{self, ContentFormat};
use proptest::prelude::*;
use std::time::{Duration, Instant};
use vector::{NOW, Vector, vectors};

const ALL: [ContentFormat; 10] = [
    ContentFormat::Text,
    ContentFormat::Opaque,
    ContentFormat::Cbor,
    ContentFormat::SenmlJson,
    ContentFormat::SenmlCbor,
    ContentFormat::SenmlEtchJson,
    ContentFormat::SenmlEtchCbor,
    ContentFormat::Tlv,
    ContentFormat::Json,
    ContentFormat::Lwm2mCbor,
];

fn bodies() -> Vec<Vector> {
    vectors().into_iter().filter(|vector| vector.format != ContentFormat::Link).collect()
}

#[test]
fn a_strict_prefix_is_refused_or_shorter_content() {
    let (mut refused, mut shorter) = (0, 0);
    for vector in bodies().iter().filter(|vector| vector.nodes.is_some() && vector.body.len() < 2000) {
        let Ok(whole) = format::decode(vector.format, &vector.body, vector.path, vector, NOW) else { continue };
        for length in 0..vector.body.len() {
            let got = format::decode(vector.format, &vector.body[..length], vector.path, vector, NOW);
            match (vector.format, got) {
                (_, Err(_)) => refused += 1,
                // What ends with one TLV or one text ends anywhere; the rest says itself where it ends.
                (ContentFormat::Text | ContentFormat::Opaque, Ok(_)) => shorter += 1,
                (ContentFormat::Tlv, Ok(nodes)) => {
                    assert!(nodes.len() < whole.len(), "{} cut to {length}: {nodes:?}", vector.id);
                    shorter += 1;
                }
                (ContentFormat::SenmlJson | ContentFormat::Json, Ok(_)) => {
                    let rest = &vector.body[length..];
                    assert!(rest.iter().all(u8::is_ascii_whitespace), "{} cut to {length}", vector.id);
                }
                (_, Ok(nodes)) => panic!("{} cut to {length}: {nodes:?}", vector.id),
            }
        }
    }
    assert!(refused > 2000 && shorter > 100, "{refused} refused, {shorter} shorter");
}

#[test]
fn a_changed_byte_never_panics() {
    let (mut read, mut refused) = (0, 0);
    for vector in bodies().iter().filter(|vector| vector.body.len() < 400) {
        let mut body = vector.body.clone();
        for index in 0..body.len() {
            let original = body[index];
            for change in [0x01, 0x20, 0x40, 0x80, 0xFF] {
                body[index] = original ^ change;
                match format::decode(vector.format, &body, vector.path, vector, NOW) {
                    Ok(_) => read += 1,
                    Err(error) => {
                        assert!(!error.reason.is_empty() && !error.place.is_empty(), "{}: {error:?}", vector.id);
                        refused += 1;
                    }
                }
            }
            body[index] = original;
        }
    }
    assert!(read > 1000 && refused > 10_000, "{read} read, {refused} refused");
}

#[test]
fn each_body_is_safe_in_every_other_format() {
    let all = bodies();
    for vector in &all {
        for format in ALL {
            let _either = format::decode(format, &vector.body, vector.path, vector, NOW);
        }
    }
}

/// What grows fastest in memory for its size, in each format.
fn expanding(format: ContentFormat, size: usize) -> Vec<u8> {
    match format {
        // Empty resources of two bytes; from 256 on of three.
        ContentFormat::Tlv => (0..=u16::MAX)
            .flat_map(|id| if id < 256 { vec![0xC0, id as u8] } else { vec![0xE0, (id >> 8) as u8, id as u8] })
            .take(size)
            .collect(),
        ContentFormat::SenmlJson | ContentFormat::SenmlEtchJson => {
            let records: Vec<String> = (0..size / 9).map(|id| format!("{{\"n\":\"/{id}\"}}")).collect();
            format!("[{}]", records.join(",")).into()
        }
        ContentFormat::Json => {
            let elements: Vec<String> = (0..size / 9).map(|id| format!("{{\"n\":\"{id}\"}}")).collect();
            format!("{{\"bn\":\"/3/0\",\"e\":[{}]}}", elements.join(",")).into()
        }
        ContentFormat::SenmlCbor | ContentFormat::SenmlEtchCbor => {
            let mut body = vec![0x9F];
            for id in 0..size / 6 {
                let name = format!("/{id}");
                body.extend([0xA1, 0x00, 0x60 | name.len() as u8]);
                body.extend(name.bytes());
            }
            body.push(0xFF);
            body
        }
        ContentFormat::Lwm2mCbor => {
            let mut body = vec![0xA1, 0x03, 0xA1, 0x00, 0xBF];
            for id in 0..=u16::MAX {
                if body.len() >= size {
                    break;
                }
                match id {
                    0..24 => body.push(id as u8),
                    24..256 => body.extend([0x18, id as u8]),
                    _ => body.extend([0x19, (id >> 8) as u8, id as u8]),
                }
                body.push(0x60);
            }
            body.push(0xFF);
            body
        }
        // Chunks of no bytes.
        ContentFormat::Cbor => [&[0x5F][..], &[0x40].repeat(size), &[0xFF]].concat(),
        _ => vec![b'x'; size],
    }
}

fn base_of(format: ContentFormat) -> Path {
    let path = match format {
        ContentFormat::Text | ContentFormat::Opaque | ContentFormat::Cbor => "/3/0/0",
        ContentFormat::Tlv | ContentFormat::Json | ContentFormat::Lwm2mCbor => "/3/0",
        _ => "/",
    };
    Path::parse(path).unwrap()
}

/// Nothing is known of any object.
struct Nothing;

impl format::Types for Nothing {
    fn resource_type(&self, _: u16, _: u16) -> Option<lwm2m::ResourceType> {
        None
    }
    fn is_multiple(&self, _: u16, _: u16) -> Option<bool> {
        None
    }
}

/// 65,536 nodes at most, in a vector that grows by doubling: what a body can take beyond its multiple.
const CONSTANT: usize = 7 << 20;

#[test]
fn memory_stays_within_sixteen_times_the_body_and_a_constant() {
    let check = |name: &str, format, body: &[u8], base| {
        let (peak, _) = allocations::peak(|| format::decode(format, body, base, &Nothing, NOW));
        assert!(peak <= 16 * body.len() + CONSTANT, "{name}: {peak} bytes for a body of {}", body.len());
    };
    for vector in bodies() {
        check(&vector.id, vector.format, &vector.body, vector.path);
        let (peak, _) = allocations::peak(|| format::decode(vector.format, &vector.body, vector.path, &vector, NOW));
        assert!(peak <= 16 * vector.body.len() + 2048, "{}: {peak} bytes for {}", vector.id, vector.body.len());
    }
    for format in ALL {
        for size in [1000, 30_000, 200_000, 4_000_000] {
            check(&format!("{format:?}"), format, &expanding(format, size), base_of(format));
        }
    }
}

#[test]
fn a_reason_does_not_repeat_the_whole_body() {
    let name = "ü".repeat(1_000_000);
    let bodies = [
        (ContentFormat::SenmlJson, format!("[{{\"n\":\"{name}\",\"v\":1}}]")),
        (ContentFormat::SenmlJson, format!("[{{\"n\":\"/3/0/0\",\"v\":\"{name}\"}}]")),
        (ContentFormat::SenmlJson, format!("[{{\"{name}_\":1}}]")),
        (ContentFormat::Json, format!("{{\"bn\":\"{name}\",\"e\":[{{\"v\":1}}]}}")),
        (ContentFormat::Json, format!("{{\"bn\":\"/\",\"e\":[{{\"v\":\"{name}\"}}]}}")),
    ];
    for (format, body) in bodies {
        let error = format::decode(format, body.as_bytes(), Path::ROOT, &Nothing, NOW).unwrap_err();
        assert!(error.to_string().len() < 300, "{format:?}: {}", error.to_string().len());
    }
}

#[test]
fn more_values_than_any_device_has_are_refused() {
    let error = format::decode(
        ContentFormat::SenmlJson,
        &expanding(ContentFormat::SenmlJson, 2_000_000),
        Path::ROOT,
        &Nothing,
        NOW,
    );
    assert!(error.unwrap_err().to_string().contains("record 65536"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "time itself is what is measured")]
fn time_grows_with_the_size_and_not_with_its_square() {
    for format in ALL {
        let fastest = |size: usize| {
            let body = expanding(format, size);
            let mut best = Duration::MAX;
            for _ in 0..5 {
                let start = Instant::now();
                let _either = format::decode(format, &body, base_of(format), &Nothing, NOW);
                best = best.min(start.elapsed());
            }
            best.max(Duration::from_micros(20))
        };
        let (small, large) = (fastest(6_000), fastest(192_000));
        // 32 times the size; its square would be 1024 times the time.
        assert!(large < small * 250, "{format:?}: {small:?} and {large:?}");
    }
}

#[test]
fn names_out_of_order_are_as_quick_as_names_in_order() {
    let records: Vec<String> =
        (0..30_000u32).map(|i| format!("{{\"n\":\"/{}/0/1\",\"v\":1}}", i * 7919 % 30_011)).collect();
    let body = format!("[{}]", records.join(","));
    let nodes = format::decode(ContentFormat::SenmlJson, body.as_bytes(), Path::ROOT, &Nothing, NOW).unwrap();
    assert_eq!(nodes.len(), 30_000);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200), format in 0..ALL.len(), depth in 0usize..5) {
        let base = Path::from_ids(&[3, 0, 6, 1][..depth]).unwrap();
        if let Ok(nodes) = format::decode(ALL[format], &body, base, &Nothing, NOW) {
            for node in &nodes {
                prop_assert!(node.path.ids().first() == base.ids().first() || depth == 0);
            }
            // What was read can be written or is refused, and what was written reads the same once more.
            if let Ok(written) = format::encode(ALL[format], base, &nodes) {
                let again = format::decode(ALL[format], &written, base, &Nothing, NOW);
                let once_more = again.as_ref().ok().and_then(|nodes| format::encode(ALL[format], base, nodes).ok());
                prop_assert_eq!(Some(&written), once_more.as_ref(), "{:?} {:?}", nodes, again);
            }
        }
    }
}

/// Object lists and Discover answers that grow fastest in memory for their size.
fn expanding_links(size: usize) -> [Vec<u8>; 5] {
    let repeat = |text: &dyn Fn(usize) -> String| {
        let mut body = String::new();
        for at in 0.. {
            let next = text(at);
            if body.len() + next.len() > size {
                break;
            }
            body += &next;
        }
        body.into_bytes()
    };
    [
        repeat(&|at| format!("</{}>,", at % 65_535)),
        repeat(&|_| "<>,".to_owned()),
        repeat(&|at| format!("</{}/{}>,", at % 7, at % 65_535)),
        [b"</3>".to_vec(), repeat(&|_| ";a".to_owned())].concat(),
        [b"</>;rt=\"oma.lwm2m\";ct=\"".to_vec(), repeat(&|_| "0 ".to_owned()), b"\"".to_vec()].concat(),
    ]
}

#[test]
fn links_take_memory_by_their_size() {
    for size in [1000, 30_000, 1_000_000] {
        for body in expanding_links(size) {
            let beginning = String::from_utf8_lossy(&body[..40]).into_owned();
            let (list, _) = allocations::peak(|| lwm2m::link::parse_object_list(&body));
            let (discover, _) = allocations::peak(|| lwm2m::link::parse_discover(&body, Path::ROOT, &[]));
            let most = 16 * body.len() + CONSTANT;
            assert!(list <= most && discover <= most, "{beginning}: {list} and {discover} bytes for {}", body.len());
        }
    }
}
