//! What OpenSSL reads from and writes to instead of a socket. One write is one datagram.
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

/// Datagrams waiting on both sides.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    pub(crate) inbound: VecDeque<Vec<u8>>,
    pub(crate) outbound: Vec<Vec<u8>>,
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.inbound.pop_front().ok_or(ErrorKind::WouldBlock)?;
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }
}

impl Write for Datagrams {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbound.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
