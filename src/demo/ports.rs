//! Free ports: the configured ones, or the next ones above them, said aloud.
use super::screen::Screen;
use crate::config::Configuration;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// How far above the configured port one is looked for.
const REACH: u16 = 100;

/// Replaces taken ports in the configuration.
///
/// # Errors
/// None is free, or the address is not of this machine; in words.
pub(super) fn settle(configuration: &mut Configuration, screen: &Screen) -> Result<(), String> {
    let tcp = |address| TcpListener::bind(address).map(drop);
    let udp = |address| UdpSocket::bind(address).map(drop);
    let broker = &mut configuration.broker;
    move_to_free("MQTT broker", &mut broker.bind, &[], tcp, screen)?;
    let mut taken = vec![broker.bind];
    if let Some(bind) = &mut broker.bind_v5 {
        move_to_free("MQTT 5 broker", bind, &taken, tcp, screen)?;
        taken.push(*bind);
    }
    move_to_free("HTTP", &mut configuration.http.bind, &taken, tcp, screen)?;
    let mut taken = Vec::new();
    for listener in &mut configuration.listeners.udp {
        move_to_free("CoAP", &mut listener.bind, &taken, udp, screen)?;
        taken.push(listener.bind);
    }
    Ok(())
}

fn move_to_free(
    name: &str,
    bind: &mut SocketAddr,
    taken: &[SocketAddr],
    probe: impl Fn(SocketAddr) -> io::Result<()>,
    screen: &Screen,
) -> Result<(), String> {
    let wanted = *bind;
    for offset in 0..=REACH {
        let Some(port) = wanted.port().checked_add(offset) else { break };
        bind.set_port(port);
        if taken.contains(bind) {
            continue;
        }
        match probe(*bind) {
            Ok(()) => {
                if offset > 0 {
                    screen.line(&format!(
                        "{name}: port {} is taken by another program, so {port} is used.",
                        wanted.port()
                    ));
                }
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(format!("{name}: {bind} cannot be used: {error}")),
        }
    }
    Err(format!("{name}: all ports from {} to {} are taken", wanted.port(), bind.port()))
}
