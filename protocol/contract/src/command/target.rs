//! The `path` or `basePath` of a command: path, and a query behind `?`.
use super::{BadCommand, quoted};
use crate::json;
use lwm2m::Path;
use lwm2m::session::Target;
use serde_json::value::RawValue;
use std::ops::RangeInclusive;

/// The longest Uri-Query of CoAP (RFC 7252 §5.10).
pub(super) const LONGEST_QUERY: usize = 255;

/// Reads a target; `levels` are the depths that make sense for the operation.
pub(super) fn read(member: &str, raw: Option<&RawValue>, levels: RangeInclusive<usize>) -> Result<Target, BadCommand> {
    let raw = raw.ok_or_else(|| BadCommand::new(member, "missing"))?;
    let text = text(member, raw)?;
    let (path, suffix) = text.split_once('?').unwrap_or((&text, ""));
    let path = path_of(member, path)?;
    if !levels.contains(&path.depth()) {
        let (least, most) = levels.into_inner();
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        return Err(BadCommand::new(member, format!("{} has {} segments, not {wanted}", quoted(&text), path.depth())));
    }
    let query: Vec<String> = suffix.split('&').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    if let Some(long) = query.iter().find(|part| part.len() > LONGEST_QUERY) {
        return Err(BadCommand::new(member, format!("query {} is longer than {LONGEST_QUERY} bytes", quoted(long))));
    }
    Ok(Target { path, query })
}

/// The text of a member that must be a string.
pub(super) fn text<'a>(member: &str, raw: &'a RawValue) -> Result<std::borrow::Cow<'a, str>, BadCommand> {
    json::text(raw).ok_or_else(|| BadCommand::new(member, format!("{} where a string belongs", json::kind(raw))))
}

/// A path, empty only if it is written `/`.
pub(super) fn path_of(member: &str, text: &str) -> Result<Path, BadCommand> {
    match Path::parse(text) {
        Ok(_) if text.is_empty() => Err(BadCommand::new(member, "empty")),
        Ok(path) => Ok(path),
        Err(_) => Err(BadCommand::new(member, format!("{} is not a path of 1 to 4 numbers up to 65535", quoted(text)))),
    }
}
