//! The command line as a user meets it: words and exit statuses.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn gateway(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lwm2m-gateway"));
    command.args(arguments).env_remove("RUST_LOG").output().expect("the executable runs")
}

fn status(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A fresh folder below cargo's folder for tests.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _was_not_there = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("can be made");
    path
}

#[test]
fn version_and_help_go_to_standard_output() {
    let version = gateway(&["--version"]);
    assert_eq!(
        (status(&version), words(&version.stdout)),
        (0, format!("lwm2m-gateway {}\n", env!("CARGO_PKG_VERSION")))
    );
    let help = gateway(&["--help"]);
    assert_eq!(status(&help), 0);
    for command in ["run", "check", "objects"] {
        assert!(words(&help.stdout).contains(command), "{command}");
    }
}

#[test]
fn wrong_command_lines_end_with_64() {
    for arguments in
        [&[][..], &["walk"], &["run"], &["check"], &["check", "--config"], &["objects", "check"], &["--loud"]]
    {
        let output = gateway(arguments);
        assert_eq!(status(&output), 64, "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn check_and_run_refuse_a_wrong_configuration_with_78() {
    let folder = folder("wrong-configuration");
    let file = folder.join("gateway.toml");
    fs::write(&file, "[mqtt]\nversion = 7\n[http]\nport = 1\n").expect("can be written");
    let file = file.to_str().expect("UTF-8");
    let check = gateway(&["check", "--config", file]);
    let run = gateway(&["run", "--config", file]);
    assert_eq!((status(&check), status(&run)), (78, 78));
    for told in [words(&check.stdout), words(&run.stderr)] {
        assert!(told.contains("mqtt.version: must be 5 or 4"), "{told}");
        assert!(told.contains("http.port: unknown key"), "{told}");
    }
    let missing = gateway(&["run", "--config", "/nonexistent.toml"]);
    assert_eq!(status(&missing), 78);
    assert!(words(&missing.stderr).contains("/nonexistent.toml"));
}

#[test]
fn unusable_dtls_credentials_are_findings_that_do_not_tell_keys() {
    let folder = folder("dtls");
    fs::create_dir(folder.join("objects")).expect("can be made");
    let file = folder.join("gateway.toml");
    fs::write(folder.join("credentials.toml"), "[[device]]\nidentity = \"a\"\npsk = \"c0ffee-no-hex\"\n")
        .expect("can be written");
    fs::write(&file, "[[listeners.dtls]]\nbind = \"127.0.0.1:0\"\ncredentials_file = \"credentials.toml\"\n")
        .expect("can be written");
    let check = gateway(&["check", "--config", file.to_str().expect("UTF-8")]);
    let told = words(&check.stdout);
    assert_eq!(status(&check), 78, "{told}");
    assert!(told.contains("credentials.toml") && !told.contains("c0ffee"), "{told}");
}

#[test]
fn objects_check_tells_one_line_for_each_bad_file_and_a_summary() {
    let folder = folder("objects-check");
    fs::write(folder.join("a.xml"), "<LWM2M>\n<Object>\n</LWM2M>").expect("can be written");
    fs::write(folder.join("b.xml"), "not xml at all").expect("can be written");
    let output = gateway(&["objects", "check", folder.to_str().expect("UTF-8")]);
    let told = words(&output.stdout);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((status(&output), lines.len()), (1, 3), "{told}");
    assert!(lines[0].starts_with("error: ") && lines[0].contains("a.xml:"), "{told}");
    assert!(lines[1].starts_with("error: ") && lines[1].contains("b.xml:"), "{told}");
    assert_eq!(lines[2], "0 ok, 0 warnings, 2 errors");

    fs::remove_file(folder.join("a.xml")).expect("is there");
    fs::remove_file(folder.join("b.xml")).expect("is there");
    let output = gateway(&["objects", "check", folder.to_str().expect("UTF-8")]);
    assert_eq!((status(&output), words(&output.stdout)), (0, "0 ok, 0 warnings, 0 errors\n".to_owned()));
    assert_eq!(status(&gateway(&["objects", "check", "/nonexistent"])), 1);
}

#[test]
fn schema_prints_a_json_schema_of_both_directions() {
    let output = gateway(&["schema"]);
    assert_eq!(status(&output), 0);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(schema["$schema"].is_string(), "{schema}");
    for name in ["read", "write-attr", "coap_timeout"] {
        assert!(schema.to_string().contains(name), "{name}");
    }
}
