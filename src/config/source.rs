//! Where values come from: the file, and over it the environment.
use super::finding::Finding;
use config::{Config, ConfigError, File, FileFormat, Map, Source, Value};
use std::path::Path;

/// Prefix of environment variables that override keys.
pub(crate) const PREFIX: &str = "LWM2M_GATEWAY__";

/// Origin of values that came from the environment begins with this.
pub(crate) const ENVIRONMENT: &str = "environment variable ";

/// The environment as a source: `LWM2M_GATEWAY__MQTT__CLIENT_ID` is `mqtt.client_id`, a number is an index
/// (`LWM2M_GATEWAY__LISTENERS__UDP__0__BIND`).
#[derive(Clone, Debug)]
pub(crate) struct Environment(Vec<(String, String)>);

impl Environment {
    /// The variables of this process that concern the gateway.
    pub(crate) fn of_process() -> Environment {
        Environment::new(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// Those of the given variables that concern the gateway.
    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Environment {
        let mut ours: Vec<_> = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        ours.sort();
        Environment(ours)
    }
}

impl Source for Environment {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self
            .0
            .iter()
            .map(|(name, text)| {
                let origin = format!("{ENVIRONMENT}{name}");
                (key_of(&name[PREFIX.len()..]), Value::new(Some(&origin), text.clone()))
            })
            .collect())
    }
}

/// `LISTENERS__UDP__0__BIND` → `listeners.udp[0].bind`.
fn key_of(name: &str) -> String {
    let mut key = String::new();
    for part in name.split("__") {
        match part.parse::<u8>() {
            Ok(index) => key.push_str(&format!("[{index}]")),
            Err(_) => {
                if !key.is_empty() {
                    key.push('.');
                }
                key.push_str(&part.to_ascii_lowercase());
            }
        }
    }
    key
}

/// Reads one TOML file, and over it the environment where one is given.
pub(crate) fn read(file: &Path, environment: Option<&Environment>) -> Result<Map<String, Value>, Finding> {
    let place = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Finding::error(&place, "", format!("cannot be read: {error}")))?;
    let mut builder = Config::builder().add_source(File::from_str(&text, FileFormat::Toml));
    if let Some(environment) = environment {
        builder = builder.add_source(environment.clone());
    }
    builder
        .build()
        .and_then(|config| config.cache.into_table())
        .map_err(|error| Finding::error(&place, "", format!("is not TOML: {}", without_excerpt(&error))))
}

/// The parser's message without the excerpt of the file, which may hold a password.
fn without_excerpt(error: &ConfigError) -> String {
    let text = match error {
        ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let is_excerpt =
        |line: &&str| line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim().starts_with('|');
    let words: Vec<&str> =
        text.lines().filter(|line| !is_excerpt(line)).map(str::trim).filter(|l| !l.is_empty()).collect();
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_names_become_keys() {
        assert_eq!(key_of("MQTT__CLIENT_ID"), "mqtt.client_id");
        assert_eq!(key_of("LISTENERS__UDP__0__BIND"), "listeners.udp[0].bind");
        assert_eq!(key_of("LWM2M__TRANSLATORS__COMMAND__QOS"), "lwm2m.translators.command.qos");
    }
}
