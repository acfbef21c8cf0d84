//! `[store]`, `[http]`, `[log]`, `[runtime]`: what concerns only this machine.
use super::section::Section;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use store::Durability;

/// `[store]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Store {
    /// `path`, resolved.
    pub(crate) path: PathBuf,
    /// `durability`
    pub(crate) durability: Durability,
    /// `key_file`, resolved; `dtls.key` in the folder when there is none
    pub(crate) key_file: PathBuf,
}

/// `[http]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Http {
    /// `bind`
    pub(crate) bind: SocketAddr,
}

/// `[log]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Log {
    /// `level`: a filter of env_logger.
    pub(crate) level: String,
    /// `format`
    pub(crate) format: LogFormat,
    /// `file`, resolved; stderr when absent.
    pub(crate) file: Option<PathBuf>,
}

/// `log.format`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogFormat {
    /// One line of `key=value`.
    Text,
    /// One JSON object per line.
    Json,
}

/// `[runtime]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Runtime {
    /// `drain_timeout`
    pub(crate) drain_timeout: Duration,
    /// `shards`: threads that devices are spread over, 0 = one per core.
    pub(crate) shards: usize,
}

impl Store {
    pub(super) fn read(mut section: Section<'_>) -> Store {
        let path = section.document().resolve(&section.get("path", PathBuf::from("data")));
        if path.exists() && !path.is_dir() {
            section.report("path", format!("{} is not a folder", path.display()));
        }
        let words = [("group", Durability::Group), ("each", Durability::Each)];
        let durability = section.choice("durability", Durability::Group, &words);
        let key_file = section.optional::<PathBuf>("key_file").map(|file| section.document().resolve(&file));
        let key_file = key_file.unwrap_or_else(|| path.join("dtls.key"));
        section.finish();
        Store { path, durability, key_file }
    }
}

impl Http {
    pub(super) fn read(mut section: Section<'_>) -> Http {
        let bind = section.get("bind", SocketAddr::from(([127, 0, 0, 1], 8080)));
        section.finish();
        Http { bind }
    }
}

impl Log {
    pub(super) fn read(mut section: Section<'_>) -> Log {
        let level = section.checked("level", "info".to_owned(), |level| check_level(level));
        let format = section.choice("format", LogFormat::Text, &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
        let file = section.optional::<PathBuf>("file").map(|file| section.document().resolve(&file));
        if let Some(folder) = file.as_deref().and_then(|file| file.parent())
            && !folder.as_os_str().is_empty()
            && !folder.is_dir()
        {
            section.report("file", format!("{} is not a folder", folder.display()));
        }
        section.finish();
        Log { level, format, file }
    }
}

impl Runtime {
    pub(super) fn read(mut section: Section<'_>) -> Runtime {
        let drain_timeout = section.get("drain_timeout", Duration::from_secs(30));
        let shards = section.checked("shards", 0_usize, |shards| {
            if *shards <= 256 { Ok(()) } else { Err(format!("must be between 0 and 256, not {shards}")) }
        });
        section.finish();
        Runtime { drain_timeout, shards }
    }
}

/// A filter of env_logger, with one rule more: a bare word must be a level. env_logger would take a misspelt one as the name of a
/// module and be silent about everything else.
fn check_level(filter: &str) -> Result<(), String> {
    let directives =
        filter.split('/').next().unwrap_or(filter).split(',').map(str::trim).filter(|text| !text.is_empty());
    for directive in directives {
        if !directive.contains('=') && directive.parse::<log::LevelFilter>().is_err() {
            return Err(format!(
                "{directive:?} is not a level: use error, warn, info, debug, trace or off, and module=level for one module"
            ));
        }
    }
    env_filter::Builder::new().try_parse(filter).map(drop).map_err(|error| error.to_string())
}
