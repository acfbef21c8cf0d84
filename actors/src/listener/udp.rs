//! One UDP socket: batches in (`recvmmsg`), datagrams out from the address that the peer spoke to.
use super::Transport;
use crate::event::{Event, ListenerBound, SocketError};
use crate::{UdpListener, metrics};
use actix::prelude::Stream;
use lwm2m::session::Address;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Room for one datagram, or for several that the kernel merged (GRO).
const BUFFER: usize = 1 << 16;

/// A bound socket, not yet read from; may be made outside of any runtime.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: std::net::UdpSocket,
    pub(crate) address: SocketAddr,
}

/// Binds.
pub(crate) fn bind(settings: &UdpListener) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(settings.bind), Type::DGRAM, Some(Protocol::UDP))?;
    if settings.bind.is_ipv6() {
        // `[::]` serves IPv4 as well.
        socket.set_only_v6(!settings.bind.ip().is_unspecified())?;
    }
    // More than `net.core.rmem_max` is silently cut by the kernel.
    socket.set_recv_buffer_size(settings.receive_buffer)?;
    socket.set_nonblocking(true)?;
    socket.bind(&settings.bind.into())?;
    let socket: std::net::UdpSocket = socket.into();
    let address = socket.local_addr()?;
    // Linux reports twice what was asked for, its own overhead included.
    let receive_buffer = Socket::from(socket.try_clone()?).recv_buffer_size()? / 2;
    ListenerBound { address, receive_buffer, wanted: settings.receive_buffer }.emit();
    Ok(Bound { socket, address })
}

/// The sending side; used by devices on every shard.
#[derive(Debug)]
pub(crate) struct UdpTransport {
    socket: std::net::UdpSocket,
    state: Arc<UdpSocketState>,
    address: SocketAddr,
}

/// The receiving side: a stream of batches.
pub(crate) struct Batches {
    socket: UdpSocket,
    state: Arc<UdpSocketState>,
    address: SocketAddr,
    buffers: Vec<u8>,
    meta: Vec<RecvMeta>,
}

/// A datagram as it came.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) from: SocketAddr,
    /// Address of ours that it was sent to.
    pub(crate) to: Option<IpAddr>,
    pub(crate) bytes: Vec<u8>,
}

impl Bound {
    /// The sending side, and what the receiving side is made of within its runtime.
    pub(crate) fn split(self) -> io::Result<(UdpTransport, impl FnOnce() -> io::Result<Batches> + Send)> {
        let state = Arc::new(UdpSocketState::new(UdpSockRef::from(&self.socket))?);
        let (receiver, shared, address) = (self.socket.try_clone()?, state.clone(), self.address);
        let transport = UdpTransport { socket: self.socket, state, address };
        let batches = move || {
            Ok(Batches {
                socket: UdpSocket::from_std(receiver)?,
                state: shared,
                address,
                buffers: vec![0; BUFFER * BATCH_SIZE],
                meta: vec![RecvMeta::default(); BATCH_SIZE],
            })
        };
        Ok((transport, batches))
    }
}

impl Transport for UdpTransport {
    fn transmit(&self, to: Address, local: Option<IpAddr>, datagram: &[u8]) {
        self.send(to.socket, local, datagram);
    }
}

impl UdpTransport {
    /// The socket is bound to a wildcard: each peer may speak to another address of ours.
    pub(super) fn has_several_addresses(&self) -> bool {
        self.address.ip().is_unspecified()
    }

    pub(super) fn send(&self, to: SocketAddr, local: Option<IpAddr>, datagram: &[u8]) {
        // Addresses are kept in their IPv4 form; a dual-stack socket wants them mapped.
        let (destination, src_ip) = match (self.address.is_ipv6(), to) {
            (true, SocketAddr::V4(v4)) => {
                let mapped = SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port());
                (mapped, local)
            }
            _ => (to, local),
        };
        // With a bound address the kernel knows the source; naming it costs a control message.
        let src_ip = if self.address.ip().is_unspecified() { src_ip } else { None };
        let transmit = Transmit { destination, ecn: None, contents: datagram, segment_size: None, src_ip };
        match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
            Ok(()) => {
                metrics::DATAGRAMS_SENT.increment();
                metrics::DATAGRAM_BYTES_SENT.add(datagram.len() as u64);
            }
            // CoAP repeats what is lost here as it does what the network loses.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => metrics::DROPPED_SEND_BLOCKED.increment(),
            Err(error) => {
                metrics::DROPPED_SEND_FAILED.increment();
                SocketError { address: self.address, error: &error }.emit();
            }
        }
    }
}

impl Batches {
    fn receive(&mut self) -> io::Result<Vec<Arrival>> {
        let mut slices: Vec<IoSliceMut<'_>> = self.buffers.chunks_mut(BUFFER).map(IoSliceMut::new).collect();
        let (socket, state, meta) = (&self.socket, &self.state, &mut self.meta);
        let count = socket.try_io(Interest::READABLE, || state.recv(UdpSockRef::from(socket), &mut slices, meta))?;
        let mut arrivals = Vec::with_capacity(count);
        for (slice, meta) in slices.iter().zip(&self.meta).take(count) {
            let from = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            if meta.len == 0 {
                metrics::DROPPED_EMPTY.increment();
                continue;
            }
            for datagram in slice[..meta.len].chunks(meta.stride.max(1)) {
                metrics::DATAGRAM_BYTES_RECEIVED.add(datagram.len() as u64);
                arrivals.push(Arrival { from, to: meta.dst_ip, bytes: datagram.to_vec() });
            }
        }
        metrics::DATAGRAMS_RECEIVED.add(arrivals.len() as u64);
        Ok(arrivals)
    }
}

impl Stream for Batches {
    type Item = Vec<Arrival>;

    /// Never ends: errors of a UDP socket (ICMP answers of the network) say nothing about the next datagram.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Err(error) = ready!(this.socket.poll_recv_ready(cx)) {
                SocketError { address: this.address, error: &error }.emit();
                continue;
            }
            match this.receive() {
                Ok(arrivals) if arrivals.is_empty() => {}
                Ok(arrivals) => return Poll::Ready(Some(arrivals)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => SocketError { address: this.address, error: &error }.emit(),
            }
        }
    }
}
