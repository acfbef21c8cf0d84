//! `check --config FILE`.
use super::objects;
use super::output::say;
use crate::config::{Configuration, Environment};
use crate::definitions;
use crate::exit::Exit;
use std::path::Path;
use store::Store;

/// Prints every finding about the configuration and the definitions that it names.
pub(super) fn check(file: &Path) -> Exit {
    let (configuration, findings) = Configuration::load(file, &Environment::of_process());
    let mut errors = findings.iter().filter(|finding| finding.is_error()).count();
    findings.iter().for_each(say);
    if let Some(configuration) = &configuration {
        let folder = &configuration.lwm2m.xml_dir;
        match definitions::load(folder) {
            Ok(definitions) => errors += objects::report(folder, &definitions),
            // The configuration has said already, as a warning, that the folder is not there.
            Err(_) if !folder.exists() => {}
            Err(error) => {
                say(format_args!("error: {}: {error}", folder.display()));
                errors += 1;
            }
        }
    }
    if let Some(Err(error)) = configuration.as_ref().map(|configuration| Store::check(&configuration.store.path)) {
        say(format_args!("error: store.path: {error}"));
        errors += 1;
    }
    if errors == 0 {
        say(format_args!("{}: ok", file.display()));
        return Exit::Ok;
    }
    say(format_args!("{}: {errors} {}", file.display(), if errors == 1 { "error" } else { "errors" }));
    Exit::Configuration
}
