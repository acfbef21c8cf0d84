//! `objects check DIR`.
use super::output::{complain, say};
use crate::definitions::{self, Definitions};
use crate::exit::Exit;
use lwm2m::catalog::Finding;
use std::collections::BTreeMap;
use std::path::Path;

/// One line per file with a problem, then the summary.
pub(super) fn check(folder: &Path) -> Exit {
    let definitions = match definitions::load(folder) {
        Ok(definitions) => definitions,
        Err(error) => {
            complain(format_args!("error: {}: {error}", folder.display()));
            return Exit::Findings;
        }
    };
    if report(folder, &definitions) == 0 { Exit::Ok } else { Exit::Findings }
}

/// Prints one line for each file with a finding, then the summary; returns how many files cannot be used.
pub(super) fn report(folder: &Path, definitions: &Definitions) -> usize {
    let mut files: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &definitions.findings {
        files.entry(&finding.file).or_default().push(finding);
    }
    let mut bad = 0;
    for (file, findings) in &files {
        let fatal = findings.iter().any(|finding| finding.fatal);
        bad += usize::from(fatal);
        let word = if fatal { "error" } else { "warning" };
        let words: Vec<String> =
            findings.iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect();
        say(format_args!("{word}: {}:{}", folder.join(file).display(), words.join("; line ")));
    }
    let doubtful = files.len() - bad;
    say(format_args!("{} ok, {doubtful} warnings, {bad} errors", definitions.files - files.len()));
    bad
}
