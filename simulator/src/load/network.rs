//! How the devices of a fleet reach the gateway.
//!
//! Towards a gateway on the loopback network, eight sockets serve any number of devices: every device has a source
//! address of its own, 127.1.0.0 upwards, given with each datagram (`IP_PKTINFO`). Anywhere else a device is told apart
//! by its port, so each has a socket.

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Sockets that the devices share on the loopback network.
const SHARED: usize = 8;
/// First source address on the loopback network, 127.1.0.0.
const FIRST: u32 = 0x7f01_0000;
/// Devices on the loopback network, at most: up to 127.255.255.255.
const LOOPBACK_DEVICES: usize = 0x00ff_0000;
/// Open files left to the rest of the process.
const OTHER_FILES: u64 = 1024;
/// Receive buffer of a socket, as far as the kernel allows.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Room for one received datagram; the kernel may join several small ones.
const DATAGRAM: usize = 65_536;

struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
}

/// The sockets of a fleet.
pub(super) struct Network {
    gateway: SocketAddr,
    shared: bool,
    poll: Poll,
    events: Events,
    ports: Vec<Port>,
    buffer: Vec<u8>,
}

/// Datagrams received together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    datagrams: Vec<(usize, usize, usize)>,
}

impl Batch {
    /// Device and bytes of each datagram.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.datagrams.iter().map(|&(device, start, end)| (device, &self.bytes[start..end]))
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.datagrams.clear();
    }

    fn push(&mut self, device: usize, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.datagrams.push((device, start, self.bytes.len()));
    }
}

impl Network {
    pub(super) fn new(gateway: SocketAddr) -> io::Result<Network> {
        let shared = matches!(gateway.ip(), IpAddr::V4(ip) if ip.is_loopback());
        let (poll, events) = (Poll::new()?, Events::with_capacity(1024));
        let mut network = Network { gateway, shared, poll, events, ports: Vec::new(), buffer: Vec::new() };
        if shared {
            (0..SHARED).try_for_each(|_| network.add_port())?;
        }
        Ok(network)
    }

    /// Provides for `devices` devices in all.
    pub(super) fn grow(&mut self, devices: usize) -> io::Result<()> {
        let allowed = affordable(self.gateway, devices);
        if allowed < devices {
            return Err(io::Error::other(format!(
                "only {allowed} of {devices} devices are possible: each needs an open file (`ulimit -n`)"
            )));
        }
        while !self.shared && self.ports.len() < devices {
            self.add_port()?;
        }
        Ok(())
    }

    fn add_port(&mut self) -> io::Result<()> {
        let any = match self.gateway.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let mut socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        let state = UdpSocketState::new((&socket).into())?;
        if self.shared {
            state.set_recv_buffer_size((&socket).into(), RECEIVE_BUFFER)?;
        }
        self.poll.registry().register(&mut socket, Token(self.ports.len()), Interest::READABLE)?;
        self.ports.push(Port { socket, state });
        Ok(())
    }

    pub(super) fn send(&self, device: usize, bytes: &[u8]) -> io::Result<()> {
        let (port, src_ip) =
            if self.shared { (device % SHARED, Some(IpAddr::V4(source(device)))) } else { (device, None) };
        let port = &self.ports[port];
        let transmit = Transmit { destination: self.gateway, ecn: None, contents: bytes, segment_size: None, src_ip };
        port.state.try_send((&port.socket).into(), &transmit)
    }

    /// Waits at most `patience` and fills `batch` with all that has come.
    pub(super) fn receive(&mut self, patience: Duration, batch: &mut Batch) -> io::Result<()> {
        batch.clear();
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.buffer.resize(DATAGRAM * BATCH_SIZE, 0);
        for event in &self.events {
            let index = event.token().0;
            let port = &self.ports[index];
            let mut metas = [RecvMeta::default(); BATCH_SIZE];
            loop {
                let mut slices = self.buffer.chunks_mut(DATAGRAM).map(IoSliceMut::new).collect::<Vec<_>>();
                // Any error means that nothing more can be read now.
                let Ok(count) = port.state.recv((&port.socket).into(), &mut slices, &mut metas) else { break };
                for (slice, meta) in slices.iter().zip(&metas).take(count) {
                    let device = if self.shared { meta.dst_ip.and_then(device) } else { Some(index) };
                    let Some(device) = device else { continue };
                    slice[..meta.len].chunks(meta.stride.max(1)).for_each(|bytes| batch.push(device, bytes));
                }
            }
        }
        Ok(())
    }
}

/// How many of `devices` devices are possible towards `gateway`, after raising the limit of open files as far as
/// needed and allowed.
pub(super) fn affordable(gateway: SocketAddr, devices: usize) -> usize {
    if matches!(gateway.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
        return devices.min(LOOPBACK_DEVICES);
    }
    let limit = rlimit::increase_nofile_limit(devices as u64 + OTHER_FILES).unwrap_or_default();
    devices.min(usize::try_from(limit.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX))
}

fn source(device: usize) -> Ipv4Addr {
    Ipv4Addr::from(FIRST + device as u32)
}

fn device(destination: IpAddr) -> Option<usize> {
    match destination {
        IpAddr::V4(ip) => u32::from(ip).checked_sub(FIRST).map(|device| device as usize),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_has_a_loopback_address_of_its_own() {
        assert_eq!(source(0), Ipv4Addr::new(127, 1, 0, 0));
        assert_eq!(source(50_000), Ipv4Addr::new(127, 1, 195, 80));
        assert!(source(LOOPBACK_DEVICES - 1).is_loopback());
        for number in [0, 255, 65_536, LOOPBACK_DEVICES - 1] {
            assert_eq!(device(source(number).into()), Some(number));
        }
        assert_eq!(device(Ipv4Addr::LOCALHOST.into()), None);
    }

    #[test]
    fn what_is_sent_to_a_device_arrives_as_its_own() {
        let gateway = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut network = Network::new(gateway.local_addr().unwrap()).unwrap();
        network.grow(50_000).unwrap();
        let (mut peers, mut buffer) = (Vec::new(), [0; 16]);
        for device in [0usize, 7, 49_999] {
            network.send(device, &[device as u8]).unwrap();
            let (length, peer) = gateway.recv_from(&mut buffer).unwrap();
            assert_eq!((length, peer.ip()), (1, IpAddr::V4(source(device))));
            peers.push((device, peer));
        }
        for (device, peer) in &peers {
            gateway.send_to(&[*device as u8, 2], peer).unwrap();
        }
        let (mut batch, mut seen) = (Batch::default(), Vec::new());
        while seen.len() < peers.len() {
            network.receive(Duration::from_secs(1), &mut batch).unwrap();
            seen.extend(batch.iter().map(|(device, bytes)| (device, bytes.to_vec())));
        }
        seen.sort();
        assert_eq!(seen, [(0, vec![0, 2]), (7, vec![7, 2]), (49_999, vec![49_999usize as u8, 2])]);
    }
}
