//! A door between the gateway and its broker: a TCP proxy that can be shut, stalled, and slammed.
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// What passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Passage {
    /// Everything.
    Open,
    /// New connections are closed at once.
    Shut,
    /// Connections stand, but no byte passes: the network is gone, or the broker hangs.
    Stalled,
    /// Only what comes from the broker passes: it sees no acknowledgement.
    Inward,
    /// Everything but what the gateway publishes: it connects and subscribes, and its publications are lost.
    Deaf,
}

#[derive(Debug)]
struct State {
    passage: AtomicU8,
    /// Connections of earlier epochs are closed.
    epoch: AtomicU64,
}

impl State {
    fn is(&self, passage: Passage) -> bool {
        self.passage.load(Ordering::SeqCst) == passage as u8
    }
}

/// The door; its threads end with the connections.
#[derive(Debug)]
pub struct Door {
    port: u16,
    state: Arc<State>,
}

impl Door {
    /// An open door in front of a port of the loopback interface.
    pub fn before(broker: u16) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be bound");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = Arc::new(State { passage: AtomicU8::new(Passage::Open as u8), epoch: AtomicU64::new(0) });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.is(Passage::Shut) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", broker)) else { continue };
                let (from, to) = (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
                pass(&shared, client, server, false);
                pass(&shared, to, from, true);
            }
        });
        Door { port, state }
    }

    /// `mqtt://…` of it.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// From now on.
    pub fn set(&self, passage: Passage) {
        self.state.passage.store(passage as u8, Ordering::SeqCst);
    }

    /// Closes all connections; what was held back is lost.
    pub fn slam(&self) {
        self.state.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

fn pass(state: &Arc<State>, mut from: TcpStream, mut to: TcpStream, inward: bool) {
    let state = Arc::clone(state);
    let epoch = state.epoch.load(Ordering::SeqCst);
    from.set_read_timeout(Some(Duration::from_millis(20))).expect("a time-out can be set");
    let held = move |state: &State| state.is(Passage::Stalled) || (state.is(Passage::Inward) && !inward);
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        let mut packets = Vec::new();
        while state.epoch.load(Ordering::SeqCst) == epoch {
            if held(&state) {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => packets.extend_from_slice(&buffer[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
            // The door may have moved while it waited for these.
            if held(&state) || state.epoch.load(Ordering::SeqCst) != epoch {
                continue;
            }
            let deaf = state.is(Passage::Deaf) && !inward;
            while let Some(length) = packet(&packets) {
                let packet: Vec<u8> = packets.drain(..length).collect();
                let publication = packet[0] >> 4 == 3;
                if !(deaf && publication) && to.write_all(&packet).is_err() {
                    break;
                }
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// The length of the first MQTT packet, if it is there as a whole.
fn packet(bytes: &[u8]) -> Option<usize> {
    let (mut length, mut shift) = (0, 0);
    for (at, byte) in bytes.iter().enumerate().skip(1) {
        length |= usize::from(byte & 127) << shift;
        shift += 7;
        if byte & 128 == 0 {
            let whole = at + 1 + length;
            return (bytes.len() >= whole).then_some(whole);
        }
    }
    None
}
