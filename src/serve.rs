//! The life of the running gateway: signals, changed definitions, failures, and the orderly end.
use crate::assembly::{self, Assembly};
use crate::config::{Configuration, Environment, Finding, difference};
use crate::definitions::Watch;
use crate::exit::Exit;
use crate::logging::Logging;
use crate::signals::{self, Signals, Wish};
use actors::Identities;
use lwm2m::catalog::Catalog;
use std::path::Path;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Starts the gateway and serves until a signal ends it or something essential fails.
pub(crate) async fn until_signal(configuration: Configuration, environment: Environment, logging: &Logging) -> Exit {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            log::error!("signals cannot be received: {error}");
            return Exit::Internal;
        }
    };
    let (assembly, http) = match assembly::start(&configuration).await {
        Ok(started) => started,
        Err(error) => {
            log::error!("the gateway cannot start: {error}");
            return error.exit();
        }
    };
    let http = actix_rt::spawn(http);
    let version = env!("CARGO_PKG_VERSION");
    log::info!(version, coap:? = assembly.gateway.local_addresses(), http:% = assembly.http; "gateway started");
    signals::tell_ready();
    let watch = watch(&configuration);
    let Assembly { mut gateway, catalog, identities, .. } = assembly;
    let mut state = State { configuration, environment, catalog, watch, identities, logging };
    let handle = gateway.handle();
    tokio::pin!(http);
    let exit = loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::End => break Exit::Ok,
                Wish::Reload => {
                    signals::tell_reloading();
                    state.reload_all(&handle).await;
                    signals::tell_ready();
                }
            },
            () = changed(&mut state.watch) => state.reload_definitions(&handle).await,
            name = gateway.failed() => {
                log::error!(actor = name; "an essential actor ended; the gateway cannot go on");
                break Exit::Internal;
            }
            ended = &mut http => {
                log::error!("the HTTP server ended: {ended:?}");
                break Exit::Internal;
            }
        }
    };
    signals::tell_stopping();
    if exit == Exit::Internal {
        return exit;
    }
    log::info!("draining");
    tokio::select! {
        drained = gateway.drain(state.configuration.runtime.drain_timeout) => {
            if drained.unpublished > 0 {
                log::warn!(unpublished = drained.unpublished; "messages did not reach the broker in time");
            }
            log::info!("gateway ended");
            Exit::Ok
        }
        () = second_signal(&mut signals) => {
            log::warn!("second signal: ended without draining");
            Exit::Internal
        }
    }
}

async fn second_signal(signals: &mut Signals) {
    while signals.next().await != Wish::End {}
}

/// What a reload needs and changes.
struct State<'a> {
    configuration: Configuration,
    environment: Environment,
    catalog: Arc<Catalog>,
    watch: Option<Watch>,
    identities: Arc<Identities>,
    logging: &'a Logging,
}

impl State<'_> {
    /// SIGHUP: configuration, log level, policies, definitions. What cannot be used leaves the old state in force.
    async fn reload_all(&mut self, handle: &actors::Handle) {
        let (file, environment) = (self.configuration.file.clone(), self.environment.clone());
        let loaded = spawn_blocking(move || Configuration::load(&file, &environment)).await;
        let Ok((loaded, findings)) = loaded else {
            log::error!("the configuration could not be read; the old one stays in force");
            return;
        };
        for finding in &findings {
            log_finding(finding);
        }
        match loaded {
            None => log::error!("the configuration has errors; the old one stays in force"),
            Some(new) => {
                let (new, waiting) = difference::carry_over(&self.configuration, new);
                for name in waiting {
                    log::warn!(key = name; "changed, but takes effect only after a restart");
                }
                if new.lwm2m.xml_dir != self.configuration.lwm2m.xml_dir {
                    self.watch = watch(&new);
                }
                if let Err(error) = self.logging.set_level(&new.log.level) {
                    log::error!("the log level cannot be changed: {error}");
                }
                self.configuration = new;
                self.renew_materials(handle).await;
            }
        }
        self.reload_definitions(handle).await;
        log::info!("reloaded");
    }

    /// New credentials and certificates for the DTLS listeners.
    async fn renew_materials(&self, handle: &actors::Handle) {
        for (index, dtls) in self.configuration.listeners.dtls.iter().enumerate() {
            if let Err(error) = handle.renew(index, dtls.materials.clone()).await {
                log::error!(listener:% = dtls.bind; "the new credentials cannot be used, the old ones stay in force: {error}");
            }
        }
    }

    /// The folder of definitions changed.
    async fn reload_definitions(&mut self, handle: &actors::Handle) {
        let folder = self.configuration.lwm2m.xml_dir.clone();
        if let Ok(Some(catalog)) = spawn_blocking(move || assembly::catalog(&folder)).await {
            self.catalog = Arc::new(catalog);
        }
        handle.reload(assembly::policy(&self.configuration, &self.identities), self.catalog.clone()).await;
    }
}

fn log_finding(finding: &Finding) {
    let (place, key, reason) = (finding.place.as_str(), finding.key.as_str(), &finding.reason);
    if finding.is_error() {
        log::error!(file = place, key; "configuration: {reason}");
    } else {
        log::warn!(file = place, key; "configuration: {reason}");
    }
}

fn watch(configuration: &Configuration) -> Option<Watch> {
    let folder: &Path = &configuration.lwm2m.xml_dir;
    if !configuration.lwm2m.xml_watch || !folder.is_dir() {
        return None;
    }
    match Watch::start(folder) {
        Ok(watch) => Some(watch),
        Err(error) => {
            log::warn!(folder:% = folder.display(); "definitions are not watched, use SIGHUP after changes: {error}");
            None
        }
    }
}

/// The next change of the folder; never, when it is not watched.
async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}
