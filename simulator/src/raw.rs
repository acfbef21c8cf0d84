//! Hand-made datagrams.

use crate::hex;
use crate::message::Message;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;

/// A socket that sends and receives whatever it is told.
#[derive(Debug)]
pub struct RawClient {
    socket: UdpSocket,
    gateway: SocketAddr,
}

/// Why nothing was received.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// Nothing came within the patience.
    #[error("nothing received within {0:?}")]
    Silence(Duration),
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// What came is not a CoAP message.
    #[error("received something else than a CoAP message: {0}")]
    NotCoap(String),
    /// The hand-made text is not hexadecimal.
    #[error("not hexadecimal: {0}")]
    NotHex(String),
}

impl RawClient {
    /// A socket on 127.0.0.1 towards `gateway`.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub async fn connect(gateway: SocketAddr) -> io::Result<RawClient> {
        RawClient::bind(IpAddr::V4(Ipv4Addr::LOCALHOST), gateway).await
    }

    /// A socket on any local address towards `gateway`.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub async fn bind(local: IpAddr, gateway: SocketAddr) -> io::Result<RawClient> {
        Ok(RawClient { socket: UdpSocket::bind((local, 0)).await?, gateway })
    }

    /// The address that the gateway sees.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn send(&self, bytes: &[u8]) -> Result<(), RawError> {
        self.socket.send_to(bytes, self.gateway).await?;
        Ok(())
    }

    /// Sends hex digits; blanks are skipped.
    ///
    /// # Errors
    /// When the text is not hexadecimal or the socket fails.
    pub async fn send_hex(&self, text: &str) -> Result<(), RawError> {
        let bytes = hex::decode(text).ok_or_else(|| RawError::NotHex(text.to_owned()))?;
        self.send(&bytes).await
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn send_message(&self, message: &Message) -> Result<(), RawError> {
        self.send(&message.encode()).await
    }

    /// The next datagram.
    ///
    /// # Errors
    /// [`RawError::Silence`] when none comes within `patience`.
    pub async fn receive(&self, patience: Duration) -> Result<Vec<u8>, RawError> {
        let mut buffer = vec![0; 65_536];
        let (length, _) = tokio::time::timeout(patience, self.socket.recv_from(&mut buffer))
            .await
            .map_err(|_| RawError::Silence(patience))??;
        buffer.truncate(length);
        Ok(buffer)
    }

    /// The next datagram as a message.
    ///
    /// # Errors
    /// [`RawError::Silence`] when none comes within `patience`, [`RawError::NotCoap`] for other bytes.
    pub async fn receive_message(&self, patience: Duration) -> Result<Message, RawError> {
        let bytes = self.receive(patience).await?;
        Message::decode(&bytes).map_err(|error| RawError::NotCoap(format!("{error}: {}", hex::encode(&bytes))))
    }

    /// Sends a message and waits for the first datagram that comes back.
    ///
    /// # Errors
    /// As [`RawClient::receive_message`].
    pub async fn ask(&self, message: &Message, patience: Duration) -> Result<Message, RawError> {
        self.send_message(message).await?;
        self.receive_message(patience).await
    }
}
