//! The configuration: one TOML file, every key overridable by an environment variable `LWM2M_GATEWAY__SECTION__KEY`.
//!
//! [`Configuration::load`] reads all of it and reports everything that is wrong at once, each finding with file, key and
//! reason. What each key means stands in `conf/gateway.toml`, which a test holds against this module.
pub(crate) mod credentials;
pub(crate) mod difference;
pub(crate) mod finding;
mod listeners;
mod local;
mod lwm2m;
mod mqtt;
mod section;
mod setting;
mod source;
mod unit;

pub(crate) use finding::Finding;
pub(crate) use listeners::Listeners;
pub(crate) use local::{Http, Log, LogFormat, Runtime, Store};
pub(crate) use lwm2m::{Lwm2m, transmission};
pub(crate) use mqtt::{Broker, Mqtt, MqttVersion, Server};
pub(crate) use source::Environment;

use section::{Document, Section};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// The file it came from.
    pub(crate) file: PathBuf,
    /// `[mqtt]`
    pub(crate) mqtt: Mqtt,
    /// `[broker]`
    pub(crate) broker: Broker,
    /// `[lwm2m]`
    pub(crate) lwm2m: Lwm2m,
    /// `[coap]`
    pub(crate) coap: coap::Transmission,
    /// `[[listeners.udp]]` and `[[listeners.dtls]]`
    pub(crate) listeners: Listeners,
    /// `[store]`
    pub(crate) store: Store,
    /// `[http]`
    pub(crate) http: Http,
    /// `[log]`
    pub(crate) log: Log,
    /// `[runtime]`
    pub(crate) runtime: Runtime,
    /// Full name of every key that was asked for.
    #[cfg(test)]
    asked: Vec<String>,
}

impl Configuration {
    /// Reads and checks the file. Without an error among the findings there is a configuration; warnings come with it.
    pub(crate) fn load(file: &Path, environment: &Environment) -> (Option<Configuration>, Vec<Finding>) {
        let table = match source::read(file, Some(environment)) {
            Ok(table) => table,
            Err(finding) => return (None, vec![finding]),
        };
        let document = Document::new(file);
        let mut root = Section::root(&document, table);
        let mut coap = root.section("coap");
        let mut configuration = Configuration {
            file: file.to_owned(),
            mqtt: Mqtt::read(root.section("mqtt")),
            broker: Broker::read(root.section("broker")),
            lwm2m: Lwm2m::read(root.section("lwm2m")),
            coap: transmission(&mut coap),
            listeners: Listeners::read(root.section("listeners")),
            store: Store::read(root.section("store")),
            http: Http::read(root.section("http")),
            log: Log::read(root.section("log")),
            runtime: Runtime::read(root.section("runtime")),
            #[cfg(test)]
            asked: Vec::new(),
        };
        coap.finish();
        root.finish();
        configuration.mount_listeners(&document);
        configuration.cross_check(&document);
        #[cfg(test)]
        let configuration = Configuration { asked: document.asked.take(), ..configuration };
        let findings = document.into_findings();
        let usable = !findings.iter().any(Finding::is_error);
        (usable.then_some(configuration), findings)
    }

    /// Mountpoints of listeners join the topics, if they fit them.
    fn mount_listeners(&mut self, document: &Document) {
        let alone_is_good = self.lwm2m.topics.validate().is_ok();
        self.lwm2m.topics.own_mountpoints = self.listeners.own_mountpoints();
        let report = |reason| document.report(Finding::error(&document.file, "listeners.mountpoint", reason));
        let own = &self.lwm2m.topics.own_mountpoints;
        // A wildcard has been reported where it stands.
        if alone_is_good
            && !own.iter().any(|(_, mountpoint)| mountpoint.contains(['+', '#']))
            && let Err(reason) = self.lwm2m.topics.validate()
        {
            report(reason);
        }
        for (_, mountpoint) in own {
            if !lwm2m::names_device(mountpoint) && !lwm2m::names_device(&self.lwm2m.topics.command.topic) {
                report(format!("{mountpoint:?} names no device (${{endpoint_name}}): its devices would be one"));
            }
        }
    }

    /// What no section can see alone: two servers on one address.
    fn cross_check(&self, document: &Document) {
        let mut tcp: Vec<(&str, SocketAddr)> = vec![("http.bind", self.http.bind)];
        if self.mqtt.server == Server::Embedded {
            tcp.push(("broker.bind", self.broker.bind));
            tcp.extend(self.broker.bind_v5.map(|bind| ("broker.bind_v5", bind)));
        }
        let udp = self.listeners.udp.iter().enumerate().map(|(i, l)| (format!("listeners.udp[{i}].bind"), l.bind));
        let dtls = self.listeners.dtls.iter().enumerate().map(|(i, l)| (format!("listeners.dtls[{i}].bind"), l.bind));
        let udp: Vec<(String, SocketAddr)> = udp.chain(dtls).collect();
        let tcp: Vec<_> = tcp.into_iter().map(|(key, bind)| (key.to_owned(), bind)).collect();
        for servers in [tcp, udp] {
            for (index, (key, bind)) in servers.iter().enumerate() {
                // Port 0 lets the system choose, so two of them do not meet.
                let same = servers[..index].iter().find(|(_, other)| other == bind && bind.port() != 0);
                if let Some((other, _)) = same {
                    document.report(Finding::error(&document.file, key, format!("{bind} is taken by {other} already")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
