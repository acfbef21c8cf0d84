//! `run --config FILE`.
use super::output::complain;
use crate::config::{Configuration, Environment, Finding};
use crate::exit::Exit;
use crate::logging::Logging;
use crate::serve;
use std::path::Path;

/// Runs the gateway until a signal ends it.
pub(super) fn run(file: &Path) -> Exit {
    let environment = Environment::of_process();
    let (configuration, findings) = Configuration::load(file, &environment);
    findings.iter().for_each(complain);
    let configuration = match configuration {
        Some(configuration) if !findings.iter().any(Finding::is_error) => configuration,
        _ => return Exit::Configuration,
    };
    let logging = match Logging::start(&configuration.log) {
        Ok(logging) => logging,
        Err(error) => {
            complain(Finding::error(file.display().to_string(), "log.file", format!("cannot be opened: {error}")));
            return Exit::Configuration;
        }
    };
    actix_rt::System::new().block_on(serve::until_signal(configuration, environment, &logging))
}
