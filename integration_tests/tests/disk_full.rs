//! The disk of the store is full: not ready, nothing taken that cannot be kept, and all well again when there is room.
use integration_tests::datagram::Kind;
use integration_tests::settings::QOS_1;
use integration_tests::{PATIENCE, QUIET, Settings, World, eventually};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A small file system of the test's own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount one.
    fn mount(size: &str) -> Option<SmallDisk> {
        let folder =
            std::env::temp_dir().join(format!("small-disk-{}-{:08x}", std::process::id(), rand::random::<u32>()));
        std::fs::create_dir(&folder).expect("a folder");
        let disk = SmallDisk(folder);
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(&disk.0)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(disk)
    }

    fn fill(&self) -> PathBuf {
        let file = self.0.join("filler");
        let mut piece = vec![7; 1 << 20];
        let mut all = std::fs::File::create(&file).expect("a file");
        while std::io::Write::write_all(&mut all, &piece).is_ok() {}
        piece.truncate(4096);
        while std::io::Write::write_all(&mut all, &piece).is_ok() {}
        file
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn world_on(folder: &Path) -> World {
    let mut settings = Settings::default();
    settings.all(QOS_1).set("store.path", format!("{:?}", folder.join("data").display().to_string()));
    World::with_settings(&settings)
}

#[test]
fn a_full_disk_refuses_commands_keeps_what_there_is_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount("400m") else {
        eprintln!("not tested: this user may not mount a file system");
        return;
    };
    let mut world = world_on(&disk.0);
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "0");
    let filler = disk.fill();
    assert!(eventually(PATIENCE, || !world.gateway.is_ready()), "ready with a full disk");
    let (status, body) = world.gateway.get("/health/ready").unwrap();
    assert_eq!(status, 503);
    assert!(body.contains("\"store\":false"), "{body}");

    // Refused, and acknowledged to the broker: it does not come again.
    world.application.command_qos_1("ep1", &json!({"reqID": 2, "msgType": "read", "data": {"path": "/3/0/0"}}));
    let message = world.application.answer("ep1");
    assert_eq!((&message.json["reqID"], message.data("code")), (&json!(2), &json!("5.03")), "{}", message.json);
    device.expect_quiet();
    // While the broker is there, it keeps what the disk cannot.
    let mid = device.notify(Kind::Con, &observe, 5, 0, "5");
    device.expect_ack(mid);
    assert_eq!(world.application.message("ep1", "notify").json["seqNum"], 5);
    // Without it nobody does: the device has to.
    world.broker.as_mut().unwrap().stop();
    world.gateway.await_log(&["event=broker_down"]);
    let mid = device.notify(Kind::Con, &observe, 6, 0, "6");
    device.expect_quiet();
    world.broker.as_mut().unwrap().resume();
    world.application.reconnect();
    world.application.subscribe("#");
    let six = world.application.take(Duration::from_secs(40), |message| message.json["seqNum"] == 6);
    assert!(six.is_some(), "{}", world.gateway.log());
    device.expect_ack(mid);

    std::fs::remove_file(filler).unwrap();
    assert!(eventually(PATIENCE, || world.gateway.is_ready()), "{}", world.gateway.log());
    world.gateway.await_log(&["INFO", "event=store_recovered"]);
    let errors = world.gateway.log().lines().filter(|line| line.contains("event=store_unavailable")).count();
    assert_eq!(errors, 1, "{}", world.gateway.log());
    world.application.command_qos_1("ep1", &json!({"reqID": 3, "msgType": "read", "data": {"path": "/3/0/0"}}));
    let request = device.expect_request();
    device.answer(&request, "2.05", &[], "v");
    assert_eq!(world.application.answer("ep1").json["reqID"], 3);
    world.application.expect_none(QUIET, "a second outcome", |message| message.json["reqID"] == 2);
    assert!(world.gateway.is_alive());
}
