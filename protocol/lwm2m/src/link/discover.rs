//! The answer to a Discover: links with the notification attributes in force (TS Core §6.4.2, §7.3).
use super::{Link, LinkError, Version, parse_links, target_path, within_alternate};
use crate::Path;

/// Reads the answer to a Discover of `base` (the root for a Bootstrap-Discover). `alternate` are the segments of the device's
/// alternate path. Links that are no LwM2M paths are left out.
///
/// # Errors
/// A link outside `base` or deeper than four levels, or an attribute whose value its definition does not allow.
pub fn parse_discover<'a>(
    payload: &'a [u8],
    base: Path,
    alternate: &[String],
) -> Result<Vec<(Path, Link<'a>)>, LinkError> {
    let mut found = Vec::new();
    for link in parse_links(payload)? {
        let target = within_alternate(link.target, alternate).unwrap_or(link.target);
        let Some(path) = target_path(target).map_err(|reason| link.error(reason))? else { continue };
        if !path.is_within(&base) {
            return Err(link.error("link is outside the discovered path"));
        }
        for (name, value) in &link.attributes {
            check(name, value.as_deref()).map_err(|reason| link.error(reason))?;
        }
        found.push((path, link));
    }
    Ok(found)
}

/// Whether the value of a notification attribute is one that its definition allows.
fn check(name: &str, value: Option<&str>) -> Result<(), &'static str> {
    let within = |low: u32, high: u32| {
        let value = value.ok_or("attribute needs a value")?;
        let number: u32 = value.parse().map_err(|_| "attribute value is not a whole number in range")?;
        if (low..=high).contains(&number) { Ok(()) } else { Err("attribute value is out of range") }
    };
    match name {
        "pmin" | "pmax" | "epmin" | "epmax" | "hqmax" => within(0, u32::MAX),
        "edge" | "con" => within(0, 1),
        "dim" => within(0, 255),
        "ssid" => within(1, 65534),
        "gt" | "lt" | "st" => match value.map(str::parse::<f64>) {
            Some(Ok(number)) if number.is_finite() && (name != "st" || number >= 0.0) => Ok(()),
            _ => Err("attribute value is not a number in range"),
        },
        "ver" => value.and_then(Version::parse).map(|_| ()).ok_or("ver is not major.minor"),
        _ => Ok(()),
    }
}
