//! `docs/lwm2m-conformance.md` names every duty once, and only tests that exist.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

const TABLE: &str = include_str!("../../../docs/lwm2m-conformance.md");

const FILES: [(&str, &str); 13] = [
    ("addresses", include_str!("addresses.rs")),
    ("catalog", include_str!("catalog.rs")),
    ("contract/commands", include_str!("../../contract/tests/commands.rs")),
    ("contract/topics", include_str!("../../contract/tests/topics.rs")),
    ("directory", include_str!("directory.rs")),
    ("link_vectors", include_str!("link_vectors.rs")),
    ("observation", include_str!("observation.rs")),
    ("operations", include_str!("operations.rs")),
    ("outcomes", include_str!("outcomes.rs")),
    ("queue_mode", include_str!("queue_mode.rs")),
    ("registration", include_str!("registration.rs")),
    ("restart", include_str!("restart.rs")),
    ("send", include_str!("send.rs")),
];

#[test]
fn every_duty_has_one_row() {
    let numbers: Vec<_> = TABLE.lines().filter_map(|line| line.strip_prefix("| L-")?.get(..3)).collect();
    let expected: Vec<_> = (1..=93).map(|number| format!("{number:03}")).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn every_test_that_is_named_exists() {
    let vectors = include_str!("vectors.rs");
    let mut named = 0;
    for reference in TABLE.split('`').skip(1).step_by(2) {
        let Some((file, test)) = reference.split_once("::").filter(|(file, _)| *file != "file" && *file != "Accepted")
        else {
            continue;
        };
        let text = match file {
            "vectors" => vectors,
            "contract/file" => continue,
            _ => FILES.iter().find(|(name, _)| *name == file).unwrap_or_else(|| panic!("no file {file}")).1,
        };
        assert!(text.contains(&format!("#[test]\nfn {test}()")), "{reference}");
        named += 1;
    }
    assert!(named > 100, "{named}");
}
