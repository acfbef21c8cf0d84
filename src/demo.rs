//! The demonstration: built-in broker, gateway and simulated devices in one process, the MQTT traffic in plain words, and a short
//! script that reads, writes, executes and observes, as an application would.
mod application;
mod devices;
mod ports;
mod screen;
mod script;
mod words;

use crate::assembly::{self, Assembly};
use crate::config::{Configuration, Server};
use crate::exit::Exit;
use crate::signals::{Signals, Wish};
use application::Application;
use screen::Screen;
use std::net::SocketAddr;

/// Runs until Ctrl-C.
pub(crate) async fn run(mut configuration: Configuration) -> Exit {
    let screen = Screen::of_terminal();
    if configuration.mqtt.server != Server::Embedded {
        screen.trouble("the demo needs mqtt.server = \"embedded\"");
        return Exit::Configuration;
    }
    // The built-in broker forgets everything at the end, and so do the devices: what the gateway keeps goes with them.
    let place = configuration.store.path.clone();
    let made =
        std::fs::create_dir_all(&place).and_then(|()| tempfile::Builder::new().prefix("demo-").tempdir_in(&place));
    let folder = match made {
        Ok(folder) => folder,
        Err(error) => {
            screen.trouble(&format!("no temporary folder in {}: {error}", place.display()));
            return Exit::Internal;
        }
    };
    configuration.store.path = folder.path().to_owned();
    if let Err(trouble) = ports::settle(&mut configuration, &screen) {
        screen.trouble(&trouble);
        return Exit::Internal;
    }
    match Box::pin(play(&configuration, &screen)).await {
        Ok(()) => Exit::Ok,
        Err(trouble) => {
            screen.trouble(&trouble);
            Exit::Internal
        }
    }
}

async fn play(configuration: &Configuration, screen: &Screen) -> Result<(), String> {
    let mut signals = Signals::listen().map_err(|error| format!("signals cannot be received: {error}"))?;
    let (assembly, http) = assembly::start(configuration).await.map_err(|error| error.to_string())?;
    let http = actix_rt::spawn(http);
    let Assembly { mut gateway, http: http_address, .. } = assembly;
    let coap = gateway.local_addresses().first().copied().ok_or("no UDP listener")?;
    screen.welcome(configuration.broker.bind, coap, http_address);

    let outcome = {
        let show = async {
            let mut application = Application::connect(configuration.broker.bind, screen).await?;
            let devices = devices::start(loopback(coap)).await?;
            script::play(&mut application, screen).await?;
            screen.what_next(configuration.broker.bind, coap);
            application.watch_for_ever().await;
            drop(devices);
            Ok(())
        };
        tokio::select! {
            outcome = show => outcome,
            () = end_wished(&mut signals) => Ok(()),
            name = gateway.failed() => Err(format!("{name} ended unexpectedly")),
            ended = http => Err(format!("the HTTP server ended: {ended:?}")),
        }
    };
    screen.line("");
    screen.line("Ending.");
    gateway.drain(configuration.runtime.drain_timeout).await;
    outcome
}

async fn end_wished(signals: &mut Signals) {
    while signals.next().await != Wish::End {}
}

/// Where a device on this machine reaches a listener.
fn loopback(mut bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() {
        bound.set_ip(if bound.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    bound
}
