//! The life of the running gateway: signals, changed definitions, failures, and the orderly end.
use crate::assembly::{self, Assembly};
use crate::config::{Configuration, Environment, Finding, difference};
use crate::exit::Exit;
use crate::logging::Logging;
use crate::signals::{self, Signals, Wish};
use crate::watch::Watch;
use actors::Identities;
use lwm2m::catalog::Catalog;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
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
    let (watch, credentials_watch) = (watch(&configuration), watch_credentials(&configuration));
    let Assembly { mut gateway, catalog, identities, .. } = assembly;
    let mut state = State { configuration, environment, catalog, watch, credentials_watch, identities, logging };
    let handle = gateway.handle();
    if let Some(period) = signals::watchdog_period() {
        actix_rt::spawn(give_signs_of_life(gateway.handle(), period));
    }
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
            () = changed(&mut state.credentials_watch) => state.reload_credentials(&handle).await,
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
            if drained.stored > 0 {
                log::info!(stored = drained.stored; "messages that did not reach the broker in time are sent after the next start");
            }
            if drained.unpublished > 0 {
                log::error!(unpublished = drained.unpublished; "messages neither reached the broker in time nor could be stored");
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

/// Feeds the watchdog of the service manager as long as all threads of the actors answer, to the very end of the process.
async fn give_signs_of_life(handle: actors::Handle, period: Duration) {
    let mut ticks = tokio::time::interval(period / 3);
    loop {
        ticks.tick().await;
        if handle.health().is_draining() || handle.is_responsive(period / 3).await {
            signals::tell_alive();
        } else {
            log::error!("a thread of the gateway does not answer; the watchdog is not fed");
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
    credentials_watch: Option<Watch>,
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
                self.credentials_watch = watch_credentials(&self.configuration);
                for index in 0..self.configuration.listeners.dtls.len() {
                    self.renew_materials(handle, index).await;
                }
            }
        }
        self.reload_definitions(handle).await;
        log::info!("reloaded");
    }

    /// Credentials or certificates for a DTLS listener that may be new.
    async fn renew_materials(&self, handle: &actors::Handle, index: usize) {
        let Some(dtls) = self.configuration.listeners.dtls.get(index) else { return };
        let (devices, listener) = (dtls.materials.credentials.len(), dtls.bind);
        match handle.renew(index, dtls.materials.clone()).await {
            Ok(()) => log::info!(listener:%, devices; "credentials in force"),
            Err(error) => {
                log::error!(listener:%; "the new credentials cannot be used, the old ones stay in force: {error}");
            }
        }
    }

    /// A file of credentials or certificates changed.
    async fn reload_credentials(&mut self, handle: &actors::Handle) {
        for index in 0..self.configuration.listeners.dtls.len() {
            let dtls = &self.configuration.listeners.dtls[index];
            let (sources, before, listener) = (dtls.sources.clone(), dtls.fingerprint, dtls.bind);
            let Ok(loaded) = spawn_blocking(move || sources.load()).await else { continue };
            if loaded.fingerprint == before {
                continue;
            }
            loaded.findings.iter().for_each(log_finding);
            if loaded.findings.iter().any(Finding::is_error) {
                log::error!(listener:%; "the new credentials have errors; the old ones stay in force");
                continue;
            }
            let dtls = &mut self.configuration.listeners.dtls[index];
            (dtls.materials, dtls.fingerprint) = (loaded.materials, loaded.fingerprint);
            self.renew_materials(handle, index).await;
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
    match Watch::folder(folder) {
        Ok(watch) => Some(watch),
        Err(error) => {
            log::warn!(folder:% = folder.display(); "definitions are not watched, use SIGHUP after changes: {error}");
            None
        }
    }
}

fn watch_credentials(configuration: &Configuration) -> Option<Watch> {
    let mut files = configuration.listeners.dtls.iter().flat_map(|dtls| dtls.sources.files()).peekable();
    files.peek()?;
    Watch::files(files)
        .inspect_err(|error| log::warn!("credentials are not watched, use SIGHUP after changes: {error}"))
        .ok()
}

/// The next change; never, when it is not watched.
async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}
