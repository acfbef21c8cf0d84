//! `[[listeners.udp]]` and `[[listeners.dtls]]`.
use super::credentials::{self, Loaded, Sources};
use super::section::Section;
use super::setting::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

/// Where devices reach the gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listeners {
    /// CoAP over UDP.
    pub(crate) udp: Vec<UdpListener>,
    /// CoAP over DTLS.
    pub(crate) dtls: Vec<DtlsListener>,
}

/// One `[[listeners.udp]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UdpListener {
    /// `bind`
    pub(crate) bind: SocketAddr,
    /// `receive_buffer` in bytes
    pub(crate) receive_buffer: usize,
    /// `mountpoint`, if it has its own
    pub(crate) mountpoint: Option<String>,
}

/// One `[[listeners.dtls]]`.
#[derive(Clone, Debug)]
pub(crate) struct DtlsListener {
    /// `bind`
    pub(crate) bind: SocketAddr,
    /// `receive_buffer` in bytes
    pub(crate) receive_buffer: usize,
    /// `mountpoint`, if it has its own
    pub(crate) mountpoint: Option<String>,
    /// Bounds of handshakes and associations.
    pub(crate) limits: handshake::Limits,
    /// The files that are read again while the listener runs.
    pub(crate) sources: Sources,
    /// What the files held.
    pub(crate) materials: handshake::Materials,
    /// Changes with their content.
    pub(crate) fingerprint: u64,
}

impl PartialEq for DtlsListener {
    /// What a reload cannot change; materials are renewed while the listener runs.
    fn eq(&self, other: &DtlsListener) -> bool {
        (self.bind, self.receive_buffer, &self.mountpoint, self.limits)
            == (other.bind, other.receive_buffer, &other.mountpoint, other.limits)
    }
}

impl Eq for DtlsListener {}

/// Receive buffer asked of the system when nothing is configured.
const RECEIVE_BUFFER: usize = 4 << 20;

impl Listeners {
    pub(super) fn read(mut section: Section<'_>) -> Listeners {
        let none = !section.has("udp") && !section.has("dtls");
        let mut udp: Vec<UdpListener> = section.sections("udp").into_iter().map(UdpListener::read).collect();
        let dtls = section.sections("dtls").into_iter().map(DtlsListener::read).collect();
        section.finish();
        if none {
            udp.push(UdpListener { bind: any(5683), receive_buffer: RECEIVE_BUFFER, mountpoint: None });
        }
        Listeners { udp, dtls }
    }

    /// Mountpoints of their own, by the listener's number: UDP first.
    pub(super) fn own_mountpoints(&self) -> Vec<(u16, String)> {
        let udp = self.udp.iter().map(|listener| &listener.mountpoint);
        let all = udp.chain(self.dtls.iter().map(|listener| &listener.mountpoint));
        (0..).zip(all).filter_map(|(number, mountpoint)| Some((number, mountpoint.clone()?))).collect()
    }
}

impl UdpListener {
    fn read(mut section: Section<'_>) -> UdpListener {
        let bind = section.get("bind", any(5683));
        let receive_buffer = section.get("receive_buffer", Bytes(RECEIVE_BUFFER)).0;
        let mountpoint = mountpoint(&mut section);
        section.finish();
        UdpListener { bind, receive_buffer, mountpoint }
    }
}

impl DtlsListener {
    fn read(mut section: Section<'_>) -> DtlsListener {
        let bind = section.get("bind", any(5684));
        let receive_buffer = section.get("receive_buffer", Bytes(RECEIVE_BUFFER)).0;
        let mountpoint = mountpoint(&mut section);
        let limits = limits(&mut section);
        let sources = Sources::read(&mut section);
        let Loaded { materials, findings, fingerprint } = sources.load();
        findings.into_iter().for_each(|finding| section.document().report(finding));
        for (key, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
            if section.holds(key) && !section.holds(other) {
                section.report(key, format!("needs {other}"));
            }
        }
        if section.holds("ca_file") && !section.holds("cert_file") {
            section.report("ca_file", "needs cert_file and key_file: device certificates require one of the server");
        }
        if !section.holds("credentials_file") && !section.holds("cert_file") {
            section.report("credentials_file", "or cert_file is needed: without them no device can connect");
        } else if !materials.credentials.is_empty() || materials.certificate.is_some() {
            credentials::try_out(&section, &materials);
        }
        section.finish();
        DtlsListener { bind, receive_buffer, mountpoint, limits, sources, materials, fingerprint }
    }
}

fn limits(section: &mut Section<'_>) -> handshake::Limits {
    let known = handshake::Limits::default();
    let handshakes_max = section.checked("handshakes_max", known.handshakes_max, |max| match max {
        1..=100_000 => Ok(()),
        _ => Err("must be between 1 and 100000".to_owned()),
    });
    let handshake_timeout = section.checked("handshake_timeout", known.handshake_timeout, at_least_a_second);
    let idle_timeout = section.checked("idle_timeout", known.idle_timeout, at_least_a_second);
    let node = section.get("node", known.node);
    // A quarter, so that one source cannot keep the others out.
    let handshakes_per_source = handshakes_max.div_ceil(4);
    handshake::Limits { handshakes_max, handshakes_per_source, handshake_timeout, idle_timeout, node, ..known }
}

fn at_least_a_second(time: &Duration) -> Result<(), String> {
    if time.as_secs() >= 1 { Ok(()) } else { Err("must be 1s at least".to_owned()) }
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], port))
}

fn mountpoint(section: &mut Section<'_>) -> Option<String> {
    let mountpoint = section.optional::<String>("mountpoint")?;
    if mountpoint.contains(['+', '#']) {
        section.report("mountpoint", "must not contain + or #");
    }
    Some(mountpoint)
}
