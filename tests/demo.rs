//! The demonstration, as `make run` starts it.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Ended when dropped, also by a failing test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _has_ended = self.0.kill();
        let _has_ended = self.0.wait();
    }
}

fn free_tcp() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}

#[test]
fn demo_shows_the_whole_loop_moves_from_taken_ports_and_ends_by_ctrl_c() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("demo");
    let _was_not_there = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("can be made");
    let printed = folder.join("stdout");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken_address = taken.local_addr().expect("bound");
    let child = Command::new(env!("CARGO_BIN_EXE_lwm2m-gateway"))
        .args(["demo", "--config"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/demo.toml"))
        .current_dir(&folder)
        .env("LWM2M_GATEWAY__BROKER__BIND", taken_address.to_string())
        .env("LWM2M_GATEWAY__HTTP__BIND", free_tcp().to_string())
        .env("LWM2M_GATEWAY__LISTENERS__UDP__0__BIND", "127.0.0.1:0")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(fs::File::create(&printed).expect("can be made"))
        .spawn()
        .expect("the executable runs");
    let mut running = Running(child);
    let text = || fs::read_to_string(&printed).expect("is there");
    let end = Instant::now() + Duration::from_secs(30);
    while !(text().contains("Ctrl-C ends everything") && text().contains(": tells ")) {
        assert!(Instant::now() < end, "not the whole script:\n{}", text());
        assert!(running.0.try_wait().expect("can be waited for").is_none(), "it ended:\n{}", text());
        sleep(Duration::from_millis(50));
    }
    let text_so_far = text();
    for words in [
        &format!("port {} is taken by another program", taken_address.port()),
        "demo-meter: registered for 60 s",
        "demo-thermometer: read: 2.05 content, /3303/0/5700 = ",
        "demo-meter: write: 2.04 changed",
        "demo-thermometer: execute: 2.04 changed",
        "demo-tracker: observe: 2.05 content",
        "mosquitto_pub -h 127.0.0.1 -p ",
    ] {
        assert!(text_so_far.contains(words), "{words}:\n{text_so_far}");
    }
    let sent = Command::new("kill").args(["-s", "INT", &running.0.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    let end = Instant::now() + Duration::from_secs(15);
    let status = loop {
        if let Some(status) = running.0.try_wait().expect("can be waited for") {
            break status;
        }
        assert!(Instant::now() < end, "it does not end:\n{}", text());
        sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0), "{}", text());
    let left: Vec<_> =
        fs::read_dir(&folder).expect("is there").filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    assert_eq!(left, ["stdout"], "the demo writes nothing into the working directory");
}
