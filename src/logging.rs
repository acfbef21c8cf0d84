//! The log: the `log` facade in front, `env_logger` behind it, one line per record as text or as JSON.
//!
//! The level can be changed while the gateway runs, which `env_logger` alone cannot do; so the logger that is installed is
//! a thin one that holds the current `env_logger` and can exchange it.
mod json;
mod record;
mod text;

use crate::config::{Log, LogFormat};
use env_logger::{Builder, Logger, Target};
use log::{LevelFilter, Metadata, Record};
use std::fs::{File, OpenOptions};
use std::io;
use std::sync::{PoisonError, RwLock};

/// The part of a filter that always comes first: libraries that would speak about every packet. A more specific directive of
/// the operator wins over it.
const QUIET: &str = "rumqttd=off,fjall=warn,lsm_tree=warn,tracing=off,paho_mqtt=warn,paho_mqtt_c=warn,actix_server=warn,actix_http=warn";

struct Exchangeable {
    current: RwLock<Option<Logger>>,
}

static LOGGER: Exchangeable = Exchangeable { current: RwLock::new(None) };

impl log::Log for Exchangeable {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().is_some_and(|logger| logger.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(logger) = current.as_ref() {
            logger.log(record);
        }
    }

    fn flush(&self) {}
}

/// The running log: keeps what a change of the level needs.
#[derive(Debug)]
pub(crate) struct Logging {
    format: LogFormat,
    file: Option<File>,
}

impl Logging {
    /// Begins to log. `RUST_LOG`, where set, wins over the configured level.
    ///
    /// # Errors
    /// The log file cannot be opened.
    pub(crate) fn start(settings: &Log) -> io::Result<Logging> {
        let file =
            settings.file.as_ref().map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        let logging = Logging { format: settings.format, file };
        // Only the first logger of a process can be installed; ours stays the same through every change of level.
        let _already_installed = log::set_logger(&LOGGER);
        logging.set_level(&settings.level)?;
        Ok(logging)
    }

    /// Changes the level for everything that follows.
    ///
    /// # Errors
    /// The log file cannot be duplicated for the new logger.
    pub(crate) fn set_level(&self, level: &str) -> io::Result<()> {
        let mut builder = Builder::new();
        builder.parse_filters(&effective_filter(level, std::env::var("RUST_LOG").ok().as_deref()));
        match self.format {
            LogFormat::Text => builder.format(text::write),
            LogFormat::Json => builder.format(json::write),
        };
        if let Some(file) = &self.file {
            builder.target(Target::Pipe(Box::new(file.try_clone()?)));
        }
        let logger = builder.build();
        let maximum: LevelFilter = logger.filter();
        *LOGGER.current.write().unwrap_or_else(PoisonError::into_inner) = Some(logger);
        log::set_max_level(maximum);
        Ok(())
    }
}

/// The filter in force: quiet libraries, then the configured level or, where it is set and not empty, `RUST_LOG`.
fn effective_filter(level: &str, rust_log: Option<&str>) -> String {
    let chosen = rust_log.filter(|text| !text.trim().is_empty()).unwrap_or(level);
    format!("{QUIET},{chosen}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_wins_over_the_configured_level() {
        assert!(effective_filter("info", None).ends_with(",info"));
        assert!(effective_filter("info", Some("debug")).ends_with(",debug"));
        assert!(effective_filter("info", Some(" ")).ends_with(",info"));
    }

    #[test]
    fn operator_can_make_a_quiet_library_speak() {
        let filter = env_filter::Builder::new().parse(&effective_filter("info,rumqttd=debug", None)).build();
        let metadata = |target| Metadata::builder().target(target).level(log::Level::Debug).build();
        assert!(filter.enabled(&metadata("rumqttd::router")));
        assert!(!filter.enabled(&metadata("actors")));
    }
}
