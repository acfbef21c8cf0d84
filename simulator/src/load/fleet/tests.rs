//! A fleet against a gateway played by a thread of the test.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Accepts everything, observes `/3303/0/5700` of whoever registers, acknowledges notifications.
struct Gateway {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    notified: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    fn new(deaf_for: usize) -> Gateway {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, notified) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (stop.clone(), notified.clone());
        let thread = std::thread::spawn(move || {
            let (mut buffer, mut deaf, mut id) = ([0; 2048], deaf_for, 0u16);
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
                if deaf > 0 {
                    deaf -= 1;
                    continue;
                }
                let message = Message::decode(&buffer[..length]).unwrap();
                let ack =
                    |code| Message::new(Kind::Acknowledgement, code, message.message_id).with_token(&message.token);
                let answer = match message.code {
                    Code::POST if message.path() == "/rd" => {
                        id += 1;
                        let observe = Message::new(Kind::Confirmable, Code::GET, id)
                            .with_token(&id.to_be_bytes())
                            .with_uint(option::OBSERVE, 0)
                            .with_path("/3303/0/5700");
                        let created = ack(Code::CREATED).with_option(option::LOCATION_PATH, "rd");
                        socket.send_to(&created.encode(), peer).unwrap();
                        observe
                    }
                    Code::POST => ack(Code::CHANGED),
                    Code::DELETE => ack(Code::DELETED),
                    _ if message.kind == Kind::Acknowledgement => continue,
                    _ => {
                        assert_eq!(message.payload, one_float());
                        counted.fetch_add(1, Ordering::Relaxed);
                        if message.kind == Kind::NonConfirmable {
                            continue;
                        }
                        Message::empty_ack(message.message_id)
                    }
                };
                socket.send_to(&answer.encode(), peer).unwrap();
            }
        });
        Gateway { address, stop, notified, thread: Some(thread) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const FLOW: Flow = Flow { rate: None, window: 50, at_most: Duration::from_secs(20) };

#[test]
fn a_fleet_registers_notifies_updates_and_leaves() {
    let gateway = Gateway::new(0);
    let mut fleet = Fleet::new(Plan::thermometers(gateway.address), 300).unwrap();
    fleet.register(FLOW).unwrap();
    assert_eq!((fleet.registered(), fleet.statistics().retransmissions), (300, 0));
    fleet.serve(Duration::from_secs(5), |fleet| fleet.observations() == 300).unwrap();
    assert_eq!(fleet.notify(0, true, 1000, FLOW, |_| true).unwrap(), 1000);
    assert_eq!(fleet.statistics().acknowledged, 1000);
    let paced = Flow { rate: Some(1000.0), ..FLOW };
    let start = Instant::now();
    assert_eq!(fleet.notify(0, false, 200, paced, |_| true).unwrap(), 200);
    assert!(start.elapsed() >= Duration::from_millis(190));
    fleet.update(FLOW).unwrap();
    fleet.deregister(FLOW).unwrap();
    let statistics = fleet.take_statistics();
    assert_eq!((statistics.updated, statistics.deregistered, statistics.retransmissions), (300, 300, 0));
    assert_eq!((fleet.registered(), fleet.observations()), (0, 0));
    assert_eq!(gateway.notified.load(Ordering::Relaxed), 1200);
}

#[test]
fn lost_registrations_are_repeated_and_counted() {
    let gateway = Gateway::new(3);
    let plan = Plan { ack_timeout: Duration::from_millis(50), ..Plan::thermometers(gateway.address) };
    let mut fleet = Fleet::new(plan, 10).unwrap();
    fleet.register(FLOW).unwrap();
    assert_eq!((fleet.registered(), fleet.statistics().retransmissions), (10, 3));
}

#[test]
fn a_silent_gateway_ends_the_run() {
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let plan = Plan {
        ack_timeout: Duration::from_millis(10),
        max_retransmit: 2,
        ..Plan::thermometers(deaf.local_addr().unwrap())
    };
    let mut fleet = Fleet::new(plan, 5).unwrap();
    fleet.register(FLOW).unwrap();
    assert_eq!((fleet.registered(), fleet.statistics().unanswered, fleet.statistics().retransmissions), (0, 5, 10));
}

#[test]
fn the_storm_is_paced() {
    let gateway = Gateway::new(0);
    let start = Instant::now();
    let (_, statistics) = registration_storm(gateway.address, 200, Duration::from_millis(400)).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(390));
    assert_eq!((statistics.registered, statistics.retransmissions), (200, 0));
}
