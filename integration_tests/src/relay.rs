//! A NAT between one device and the gateway.
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Passes datagrams both ways. To the gateway they come from an address that the relay chooses, and that [`Relay::rebind`] changes.
#[derive(Debug)]
pub struct Relay {
    inner: Arc<Inner>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Inner {
    device_side: UdpSocket,
    device: Mutex<Option<SocketAddr>>,
    gateway_side: Mutex<Arc<UdpSocket>>,
    gateway: SocketAddr,
    ended: AtomicBool,
}

/// How often the threads look whether they are still wanted.
const TICK: Duration = Duration::from_millis(50);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    socket.set_read_timeout(Some(TICK)).expect("a time-out can be set");
    socket
}

impl Relay {
    /// Stands in front of the gateway.
    pub fn before(gateway: SocketAddr) -> Relay {
        let device_side = socket();
        let address = device_side.local_addr().expect("a bound socket has an address");
        let inner = Arc::new(Inner {
            device_side,
            device: Mutex::new(None),
            gateway_side: Mutex::new(Arc::new(socket())),
            gateway,
            ended: AtomicBool::new(false),
        });
        let up = Arc::clone(&inner);
        std::thread::spawn(move || up.upwards());
        let down = Arc::clone(&inner);
        std::thread::spawn(move || down.downwards());
        Relay { inner, address }
    }

    /// Where the device sends to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the gateway sees another address, and what it sends to the old one is lost.
    pub fn rebind(&self) {
        *self.inner.gateway_side.lock().expect("nobody panics with the socket") = Arc::new(socket());
    }
}

impl Inner {
    fn upwards(&self) {
        let mut buffer = [0; 65_536];
        while !self.ended.load(Ordering::Relaxed) {
            if let Ok((length, from)) = self.device_side.recv_from(&mut buffer) {
                *self.device.lock().expect("nobody panics with the address") = Some(from);
                let _ = self.outside().send_to(&buffer[..length], self.gateway);
            }
        }
    }

    fn downwards(&self) {
        let mut buffer = [0; 65_536];
        while !self.ended.load(Ordering::Relaxed) {
            let outside = self.outside();
            if let Ok((length, from)) = outside.recv_from(&mut buffer)
                && from == self.gateway
                && let Some(device) = *self.device.lock().expect("nobody panics with the address")
            {
                let _ = self.device_side.send_to(&buffer[..length], device);
            }
        }
    }

    fn outside(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.gateway_side.lock().expect("nobody panics with the socket"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.inner.ended.store(true, Ordering::Relaxed);
    }
}
