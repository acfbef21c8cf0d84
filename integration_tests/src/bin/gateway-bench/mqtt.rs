//! A lean MQTT 3.1.1 application: it counts, and it costs little beside what is measured.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// What has been received so far.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) notifications: AtomicU64,
    pub(crate) registrations: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) other: AtomicU64,
}

/// A connection to the broker; a thread of its own reads.
pub(crate) struct Mqtt {
    stream: TcpStream,
    received: Arc<Received>,
    answers: Receiver<(u64, Instant)>,
    buffer: Vec<u8>,
}

impl Mqtt {
    pub(crate) fn connect(port: u16) -> Mqtt {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        stream.set_nodelay(true).expect("a TCP socket has this option");
        // CONNECT: protocol MQTT, level 4, clean session, keep-alive off, client id "bench".
        stream.write_all(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench").expect("the broker takes CONNECT");
        let mut acknowledged = [0; 4];
        stream.read_exact(&mut acknowledged).expect("the broker answers CONNECT");
        assert_eq!(acknowledged, [0x20, 2, 0, 0], "the broker refuses the bench");
        let received = Arc::new(Received::default());
        let (sender, answers) = channel();
        let (reading, counted) = (stream.try_clone().expect("a second handle"), received.clone());
        std::thread::spawn(move || read(reading, &counted, &sender));
        Mqtt { stream, received, answers, buffer: Vec::new() }
    }

    pub(crate) fn subscribe(&mut self, filter: &str) {
        let mut body = vec![0, 1];
        text(&mut body, filter);
        body.push(0);
        self.packet(0x82, &body);
        self.flush();
        // The SUBACK is read by the reading thread; what follows is much slower than it.
        std::thread::sleep(Duration::from_millis(200));
    }

    /// Queues a publication with QoS 0; [`Mqtt::flush`] sends.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8]) {
        let mut body = Vec::with_capacity(topic.len() + payload.len() + 2);
        text(&mut body, topic);
        body.extend_from_slice(payload);
        self.packet(0x30, &body);
    }

    pub(crate) fn flush(&mut self) {
        self.stream.write_all(&self.buffer).expect("the broker takes publications");
        self.buffer.clear();
    }

    pub(crate) fn received(&self) -> &Received {
        &self.received
    }

    /// The `reqID` and the arrival of the next answer to a command; `None` after `patience`.
    pub(crate) fn answer(&self, patience: Duration) -> Option<(u64, Instant)> {
        self.answers.recv_timeout(patience).ok()
    }

    fn packet(&mut self, kind: u8, body: &[u8]) {
        self.buffer.push(kind);
        let mut length = body.len();
        while length > 127 {
            self.buffer.push((length & 127) as u8 | 128);
            length >>= 7;
        }
        self.buffer.push(length as u8);
        self.buffer.extend_from_slice(body);
    }
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(&(text.len() as u16).to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}

fn read(stream: TcpStream, received: &Received, answers: &Sender<(u64, Instant)>) {
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    let mut body = Vec::new();
    // The end of the stream is the end of the run.
    while let Ok(kind) = byte(&mut reader) {
        let (mut length, mut shift) = (0usize, 0);
        while let Ok(part) = byte(&mut reader) {
            length |= usize::from(part & 127) << shift;
            shift += 7;
            if part < 128 {
                break;
            }
        }
        body.resize(length, 0);
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        if kind >> 4 == 3 {
            sort(&body, received, answers);
        }
    }
}

fn byte(reader: &mut impl Read) -> std::io::Result<u8> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn sort(body: &[u8], received: &Received, answers: &Sender<(u64, Instant)>) {
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let (topic, payload) = body[2..].split_at(length);
    if topic.ends_with(b"/up/notify") {
        // An error would be cheaper than what is to be measured.
        assert!(find(payload, b"\"code\":\"2.05\"").is_some(), "{}", String::from_utf8_lossy(payload));
        received.notifications.fetch_add(1, Ordering::Relaxed);
    } else if topic.ends_with(b"/up/resp") {
        if find(payload, b"\"msgType\":\"register\"").is_some() {
            received.registrations.fetch_add(1, Ordering::Relaxed);
        } else if let Some(at) = find(payload, b"\"reqID\":") {
            let digits = payload[at + 8..].iter().take_while(|c| c.is_ascii_digit());
            let id = digits.fold(0u64, |id, digit| id * 10 + u64::from(digit - b'0'));
            let failed = find(payload, b"\"code\":\"2.").is_none();
            if failed && received.errors.fetch_add(1, Ordering::Relaxed) == 0 {
                eprintln!("the first answer with an error: {}", String::from_utf8_lossy(payload));
            }
            let _ = answers.send((id, Instant::now()));
        }
    } else {
        received.other.fetch_add(1, Ordering::Relaxed);
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
