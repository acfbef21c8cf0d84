//! The protocol crates stay pure: nothing asynchronous and nothing that opens a socket may slip into what they are built from.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::process::Command;

/// Names of all crates that `package` is built from.
fn crates_below(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--locked",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn protocol_crates_are_built_without_runtime_or_sockets() {
    for package in ["coap", "lwm2m", "contract"] {
        let crates = crates_below(package);
        assert!(crates.iter().any(|name| name == package), "{package} is the root of its own tree: {crates:?}");
        for foreign in ["tokio", "mio", "actix", "actix-rt", "socket2", "openssl", "paho-mqtt", "notify", "env_logger"]
        {
            assert!(!crates.iter().any(|name| name == foreign), "{package} must not be built from {foreign}");
        }
    }
}

#[test]
fn tree_of_an_impure_crate_shows_its_runtime() {
    let crates = crates_below("actors");
    assert!(crates.iter().any(|name| name == "tokio"), "the test above can see tokio where it is: {crates:?}");
}
