//! Puts what the last run of `make interop` brought into the table of `docs/interop.md`.
#![forbid(unsafe_code)]
use integration_tests::interop;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

const BEGIN: &str = "<!-- results: written by `make interop` -->\n";
const END: &str = "<!-- end of results -->\n";

fn main() -> ExitCode {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/interop.md");
    let rows = match std::fs::read_to_string(interop::results()) {
        Ok(rows) => rows,
        Err(error) => {
            eprintln!("no results in {}: {error}", interop::results().display());
            return ExitCode::FAILURE;
        }
    };
    let Ok(text) = std::fs::read_to_string(&document) else {
        eprintln!("{} is not there", document.display());
        return ExitCode::FAILURE;
    };
    let (Some((before, _)), Some((_, after))) = (text.split_once(BEGIN), text.split_once(END)) else {
        eprintln!("{} has no place for the results", document.display());
        return ExitCode::FAILURE;
    };
    let (table, failed) = table(&rows);
    if let Err(error) = std::fs::write(&document, format!("{before}{BEGIN}\n{table}\n{END}{after}")) {
        eprintln!("{}: {error}", document.display());
        return ExitCode::FAILURE;
    }
    println!("docs/interop.md: {} rows, {failed} not passed", table.lines().count() - 2);
    ExitCode::SUCCESS
}

/// The table, and how many rows did not pass.
fn table(rows: &str) -> (String, usize) {
    let mut results: BTreeMap<(String, String), (String, String)> = BTreeMap::new();
    for row in rows.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let member = |name: &str| row[name].as_str().unwrap_or_default().replace('|', "\\|");
        results.insert((member("client"), member("scenario")), (member("result"), member("note")));
    }
    let mut table = "| With | Scenario | Result | Remark |\n|---|---|---|---|\n".to_owned();
    let mut failed = 0;
    for ((client, scenario), (result, note)) in results {
        failed += usize::from(result != "passed");
        table += &format!("| {client} | {scenario} | {result} | {note} |\n");
    }
    (table, failed)
}
