//! Notification attributes of write-attr (contract 4.5; LwM2M 1.2 adds five).
use super::decimal::Decimal;
use super::{BadCommand, quoted};
use crate::json::{self, Members};
use lwm2m::session::Attribute;
use serde_json::value::RawValue;

/// The attributes, in the order in which they are sent.
pub(crate) const NAMES: [&str; 10] = ["pmin", "pmax", "gt", "lt", "st", "epmin", "epmax", "edge", "con", "hqmax"];

/// More digits than any attribute needs; keeps `1e200` from becoming a line of zeros.
const LONGEST: usize = 60;

/// The attributes in `data`. `null` is no attribute; an empty string removes one (`?pmin`).
pub(super) fn read(data: &Members<'_>) -> Result<Vec<Attribute>, BadCommand> {
    let mut attributes = Vec::new();
    for name in NAMES {
        if let Some(raw) = data.get(name) {
            let value = value(raw).map_err(|why| BadCommand::new(name, why))?;
            attributes.push(Attribute { name, value });
        }
    }
    check_order(&attributes)?;
    Ok(attributes)
}

fn value(raw: &RawValue) -> Result<Option<String>, String> {
    match raw.get() {
        "true" => return Ok(Some("1".into())),
        "false" => return Ok(Some("0".into())),
        _ => {}
    }
    let text = match json::kind(raw) {
        "a string" => json::text(raw).ok_or("a string that is not Unicode")?,
        "a number" => raw.get().into(),
        other => return Err(format!("{other} where a number belongs")),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let number = Decimal::parse(&text).ok_or_else(|| format!("{} is not a decimal number", quoted(&text)))?;
    let plain = number.plain(LONGEST).ok_or_else(|| format!("{} is out of range", quoted(&text)))?;
    Ok(Some(plain))
}

/// What the specification demands of attributes that come together (TS Core §5.1.2): a device would refuse them.
fn check_order(attributes: &[Attribute]) -> Result<(), BadCommand> {
    let get = |name: &str| -> Option<f64> {
        attributes.iter().find(|a| a.name == name).and_then(|a| a.value.as_deref()).and_then(|value| value.parse().ok())
    };
    if let (Some(pmin), Some(pmax)) = (get("pmin"), get("pmax"))
        && pmax != 0.0
        && pmin > pmax
    {
        return Err(BadCommand::new("pmax", "less than pmin"));
    }
    if let (Some(epmin), Some(epmax)) = (get("epmin"), get("epmax"))
        && epmin >= epmax
    {
        return Err(BadCommand::new("epmax", "not more than epmin"));
    }
    if let (Some(lt), Some(gt), Some(st)) = (get("lt"), get("gt"), get("st"))
        && lt + 2.0 * st >= gt
    {
        return Err(BadCommand::new("gt", "not more than lt + 2 st"));
    }
    Ok(())
}
