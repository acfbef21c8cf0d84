//! `demo`.
use super::output::complain;
use crate::config::{Configuration, Environment, Finding};
use crate::demo;
use crate::exit::Exit;
use crate::logging::Logging;
use std::path::Path;

/// Shows the gateway at work until Ctrl-C.
pub(super) fn demo(file: &Path) -> Exit {
    let (configuration, findings) = Configuration::load(file, &Environment::of_process());
    findings.iter().for_each(complain);
    let Some(configuration) = configuration else { return Exit::Configuration };
    if let Err(error) = Logging::start(&configuration.log) {
        complain(Finding::error(file.display().to_string(), "log.file", format!("cannot be opened: {error}")));
        return Exit::Configuration;
    }
    actix_rt::System::new().block_on(demo::run(configuration))
}
