//! The folder of the store: who may use it, and what happens when it cannot be used.
use integration_tests::gateway::{run, text};
use integration_tests::{Broker, Gateway, Settings, World};
use std::collections::BTreeMap;
use std::path::Path;

/// All files below a folder, with their content.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(content(&path)),
            false => drop(files.insert(path.display().to_string(), std::fs::read(&path).unwrap())),
        }
    }
    files
}

/// Starts it and waits until it has ended by itself.
fn status_of_a_start(gateway: &mut Gateway) -> Option<i32> {
    gateway.launch();
    gateway.await_end().code()
}

#[test]
fn a_folder_of_other_files_is_refused_and_left_alone() {
    let mut gateway = Gateway::prepare("mqtt://127.0.0.1:9", &Settings::default());
    let folder = gateway.folder().join("data");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("diary.txt"), "dear diary").unwrap();
    let before = content(&folder);
    assert_eq!(status_of_a_start(&mut gateway), Some(78));
    assert!(gateway.log().contains("store.path"), "{}", gateway.log());
    assert_eq!(content(&folder), before);
    let output = run(&["check", "--config", &gateway.config().display().to_string()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output).contains("store.path"), "{}", text(&output));
    assert_eq!(content(&folder), before);
}

#[test]
fn check_makes_no_folder() {
    let gateway = Gateway::prepare("mqtt://127.0.0.1:9", &Settings::default());
    let output = run(&["check", "--config", &gateway.config().display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(!gateway.folder().join("data").exists());
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let world = World::start();
    let mut settings = Settings::default();
    let folder = world.gateway.folder().join("data");
    settings.set("store.path", format!("{:?}", folder.display().to_string()));
    let mut second = Gateway::prepare("mqtt://127.0.0.1:9", &settings);
    assert_eq!(status_of_a_start(&mut second), Some(70));
    assert!(second.log().contains("in use by another process"), "{}", second.log());
    world.assert_works("ep1");
    let output = run(&["check", "--config", &world.gateway.config().display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "a running gateway's own folder is no error: {}", text(&output));
}

#[test]
fn a_damaged_store_is_refused_and_left_alone() {
    let broker = Broker::start();
    let mut gateway = Gateway::start(&broker.url(), &Settings::default());
    assert_eq!(gateway.terminate().code(), Some(0), "{}", gateway.log());
    let folder = gateway.folder().join("data");
    // The version marker of the files, as if another program had written it.
    std::fs::write(folder.join("version"), b"something else entirely").unwrap();
    let before = content(&folder);
    assert_eq!(status_of_a_start(&mut gateway), Some(78));
    assert_eq!(content(&folder), before);
}
