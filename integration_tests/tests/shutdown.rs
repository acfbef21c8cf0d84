//! How the process ends and comes back: SIGTERM, SIGINT, a crash.
use integration_tests::World;
use integration_tests::datagram::Kind;
use integration_tests::{Broker, Gateway, PATIENCE, Settings};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

#[test]
fn term_and_int_end_it_with_0_within_seconds() {
    let mut world = World::start();
    for at in 0..20 {
        world.device(&format!("ep{at}"));
    }
    let begin = Instant::now();
    assert_eq!(world.gateway.terminate().code(), Some(0), "{}", world.gateway.log());
    assert!(begin.elapsed() < Duration::from_secs(6), "took {:?}", begin.elapsed());
    assert!(!world.gateway.log().contains("panicked"), "{}", world.gateway.log());
    world.gateway.launch();
    world.gateway.await_ready();
    assert_eq!(world.gateway.interrupt().code(), Some(0), "{}", world.gateway.log());
}

#[test]
fn term_ends_it_also_without_a_broker() {
    let mut world = World::start();
    world.broker.as_mut().unwrap().stop();
    world.gateway.await_log(&["event=broker_down"]);
    assert_eq!(world.gateway.terminate().code(), Some(0), "{}", world.gateway.log());
}

#[test]
fn what_was_answered_before_the_end_is_published() {
    let mut world = World::start();
    let device = world.device("ep1");
    let observe = world.observe(&device, 1, "/3/0/9", 0, "0");
    for sequence in 1..=50 {
        let mid = device.notify(Kind::Con, &observe, sequence, 0, sequence.to_string());
        device.expect_ack(mid);
    }
    assert_eq!(world.gateway.terminate().code(), Some(0));
    for sequence in 1..=50 {
        assert_eq!(world.application.message("ep1", "notify").json["seqNum"], sequence);
    }
}

#[test]
fn the_service_manager_is_told() {
    let broker = Broker::start();
    let mut gateway = Gateway::prepare(&broker.url(), &Settings::default());
    let path = gateway.folder().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = |word: &str| {
        let mut buffer = [0; 1024];
        for _ in 0..100 {
            let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("waiting for {word}: {error}"));
            if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == word) {
                return;
            }
        }
        panic!("{word} never came");
    };
    gateway.environment("NOTIFY_SOCKET", &path.display().to_string());
    gateway.environment("WATCHDOG_USEC", "600000");
    gateway.launch();
    heard("READY=1");
    heard("WATCHDOG=1");
    heard("WATCHDOG=1");
    gateway.hang_up();
    heard("RELOADING=1");
    heard("READY=1");
    assert_eq!(gateway.terminate().code(), Some(0), "{}", gateway.log());
    heard("STOPPING=1");
}
