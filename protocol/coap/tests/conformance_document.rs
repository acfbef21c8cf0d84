//! The conformance document names tests that exist, and every number of the checklist.
use std::path::Path;

#[allow(clippy::disallowed_methods, clippy::expect_used, reason = "a test reads its files")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a readable file")
}

/// Where the tests of the document are, from this crate's folder.
const FOLDERS: [&str; 5] =
    ["tests", "../dtls/tests", "../lwm2m/tests", "../../actors/handshake/tests", "../../integration_tests/tests"];

#[allow(clippy::disallowed_methods, clippy::expect_used, reason = "a test reads its files")]
fn sources(folder: &Path) -> String {
    std::fs::read_dir(folder)
        .expect("the tests")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| read(&path))
        .collect()
}

#[test]
fn the_conformance_document_is_complete_and_names_real_tests() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = read(&crate_folder.join("../../docs/coap-conformance.md"));
    let sources: String = FOLDERS.iter().map(|folder| sources(&crate_folder.join(folder))).collect();

    // Numbers, with ranges written as `C-001 … C-008`.
    let mut covered = [false; 152];
    let words: Vec<&str> =
        document.split([' ', ',', '|', '\n', ':', '.', ';', ')']).filter(|word| !word.is_empty()).collect();
    let number = |word: &str| word.strip_prefix("C-").and_then(|digits| digits.parse::<usize>().ok());
    for (at, word) in words.iter().enumerate() {
        let Some(first) = number(word) else { continue };
        let range_end =
            (words.get(at + 1) == Some(&"…")).then(|| words.get(at + 2).copied().and_then(number)).flatten();
        covered[first..=range_end.unwrap_or(first)].fill(true);
    }
    let missing: Vec<_> = (1..152).filter(|number| !covered[*number]).collect();
    assert!(missing.is_empty(), "not in the document: {missing:?}");

    // Test names: snake case of at least four words in backticks.
    let mut named = 0;
    for name in document.split('`').skip(1).step_by(2) {
        let name = name.trim_end_matches('…');
        if name.matches('_').count() >= 2
            && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit())
        {
            assert!(sources.contains(&format!("fn {name}")), "{name} is no test");
            named += 1;
        }
    }
    assert!(named > 120, "{named}");
}
