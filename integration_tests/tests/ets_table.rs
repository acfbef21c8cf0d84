//! docs/ets.md and the tests of the interoperability cases belong together: each row has its test, each test its row.
use std::collections::BTreeSet;

const TABLE: &str = include_str!("../../docs/ets.md");

const FILES: [(&str, &str); 5] = [
    ("dtls", include_str!("dtls.rs")),
    ("ets_device_management", include_str!("ets_device_management.rs")),
    ("ets_information_reporting", include_str!("ets_information_reporting.rs")),
    ("ets_objects", include_str!("ets_objects.rs")),
    ("ets_registration", include_str!("ets_registration.rs")),
];

/// Every A and B row of the specification that concerns a server, and the trigger of case 5.
const IDS: &[u32] = &[
    5, 101, 102, 103, 104, 105, 107, 108, 109, 201, 203, 204, 205, 211, 212, 215, 220, 221, 222, 223, 224, 225, 226,
    227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 241, 256, 257, 260, 261, 280, 281, 301, 302, 303, 304, 305,
    306, 307, 308, 309, 310, 311, 401, 551, 555, 560, 651, 652, 655, 660, 680, 685, 701, 710, 751, 755, 756, 760, 770,
    771, 772, 773, 774, 775, 776, 777, 778, 779, 801, 810, 901, 905, 910, 950, 951, 1200, 1201, 1210, 1230, 1250, 1630,
    1635,
];

/// Id and test of each row.
fn rows() -> Vec<(u32, String)> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = TABLE.lines().map(cells).filter(|cells| cells.len() == 8);
    rows.filter_map(|cells| Some((cells[1].parse().ok()?, cells[4].trim_matches('`').to_owned()))).collect()
}

#[test]
fn every_case_has_one_row() {
    let mut ids: Vec<u32> = rows().into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    assert_eq!(ids, IDS);
}

#[test]
fn each_row_names_a_test_of_its_own_and_each_test_has_its_row() {
    let mut named = BTreeSet::new();
    for (id, reference) in rows() {
        let (file, test) = reference.split_once("::").unwrap_or_else(|| panic!("{id}: {reference}"));
        let text = FILES.iter().find(|(name, _)| *name == file).unwrap_or_else(|| panic!("no file {file}")).1;
        assert!(test.starts_with(&format!("ets_{id}_")), "{id}: {test}");
        assert!(text.contains(&format!("#[test]\nfn {test}() {{")), "no test {reference}");
        named.insert(reference);
    }
    for (file, text) in FILES {
        for line in text.lines().filter(|line| line.starts_with("fn ets_")) {
            let test = line.trim_start_matches("fn ").split('(').next().unwrap_or_default();
            assert!(named.contains(&format!("{file}::{test}")), "{file}::{test} has no row in docs/ets.md");
        }
    }
}
