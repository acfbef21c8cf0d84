//! What came out of each scenario with software of other people, for the table in `docs/interop.md`.
use serde_json::{Value, json};
use std::fs::{OpenOptions, create_dir_all};
use std::io::Write;
use std::path::{Path, PathBuf};

/// One row of the table; writes itself down as passed, or as failed if the test panics before its end.
#[derive(Debug)]
pub struct Scenario {
    client: String,
    name: String,
    note: Option<String>,
}

/// Begins a row: `client` with its version, `name` in words.
pub fn scenario(client: impl Into<String>, name: impl Into<String>) -> Scenario {
    Scenario { client: client.into(), name: name.into(), note: None }
}

impl Scenario {
    /// Adds a remark to the row.
    pub fn note(&mut self, words: impl Into<String>) {
        self.note = Some(words.into());
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        let result = if std::thread::panicking() { "failed" } else { "passed" };
        write(&json!({"client": self.client, "scenario": self.name, "result": result, "note": self.note}));
    }
}

/// Whether a client that is not there is a failure: `make interop` has installed all of them before.
pub fn all_are_wanted() -> bool {
    std::env::var_os("LWM2M_INTEROP").is_some_and(|value| value == "all")
}

/// Says in words that a client is not there. The tests of the others go on.
pub fn skip(client: &str, reason: &str) {
    assert!(!all_are_wanted(), "{client}: {reason}");
    // Straight to the stream: what goes through `eprintln!` is hidden with the output of tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED: the tests with {client}: {reason}");
    write(&json!({"client": client, "scenario": "all", "result": "skipped", "note": reason}));
}

/// Where the rows are: one JSON object per line.
pub fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop/results.jsonl")
}

fn write(row: &Value) {
    let path = results();
    let _ = create_dir_all(path.parent().expect("a file lies in a folder"));
    // One write per line: rows of tests that run at the same time stay whole.
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
        let _ = file.write_all(format!("{row}\n").as_bytes());
    }
}
