//! Objects described in a file.
//!
//! One JSON object; each member is a path and what is there. Plain values give readable resources:
//!
//! ```json
//! {
//!   "/3/0/0": "Acme",
//!   "/3/0/4": { "execute": true },
//!   "/3/0/6": { "type": "Integer", "values": { "0": 1, "1": 5 } },
//!   "/3/0/14": { "value": "+01:00", "writable": true },
//!   "/5/0/0": { "type": "Opaque", "value": "AAEC", "writable": true },
//!   "/3303/0/5700": { "type": "Float", "wave": "sine", "low": 18, "high": 24, "seconds": 60, "decimals": 1 },
//!   "/6": { "creatable": { "0": { "type": "Float", "value": 0.0, "writable": true } } },
//!   "/3": { "version": "1.1" }
//! }
//! ```

use crate::objects::{Objects, Resource};
use crate::path::Path;
use crate::value::{DataType, Value};
use crate::waveform::Waveform;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};
use std::time::Duration;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct ObjectsFileError {
    /// Path of the member, or `file`.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

/// Reads the text of an objects file.
///
/// # Errors
/// [`ObjectsFileError`] naming the first member that cannot be understood.
pub fn parse_objects(text: &str) -> Result<Objects, ObjectsFileError> {
    let file = |reason: String| ObjectsFileError { place: "file".to_owned(), reason };
    let json: Json = serde_json::from_str(text).map_err(|error| file(error.to_string()))?;
    let members = json.as_object().ok_or_else(|| file("not a JSON object".to_owned()))?;
    let mut objects = Objects::new();
    for (name, content) in members {
        let place = |reason: String| ObjectsFileError { place: name.clone(), reason };
        let path: Path = name.parse().map_err(|_| place("not a path".to_owned()))?;
        match *path.ids() {
            [object] => object_member(&mut objects, object, content).map_err(place)?,
            [object, instance, id] => objects.insert([object, instance, id], resource(content).map_err(place)?),
            _ => return Err(place("neither an object nor a resource".to_owned())),
        }
    }
    Ok(objects)
}

fn object_member(objects: &mut Objects, object: u16, content: &Json) -> Result<(), String> {
    objects.declare(object);
    for (key, value) in content.as_object().ok_or("not a JSON object")? {
        match (key.as_str(), value) {
            ("version", Json::String(version)) => objects.set_version(object, version),
            ("creatable", Json::Object(resources)) => {
                let mut template = Vec::new();
                for (id, content) in resources {
                    let number = id.parse().map_err(|_| format!("`{id}` is not a resource id"))?;
                    template.push((number, resource(content).map_err(|reason| format!("resource {id}: {reason}"))?));
                }
                objects.set_template(object, template);
            }
            _ => return Err(format!("`{key}` is not known here (version, creatable)")),
        }
    }
    Ok(())
}

fn resource(content: &Json) -> Result<Resource, String> {
    let Json::Object(members) = content else { return Ok(Resource::value(value(content, None)?)) };
    let known =
        ["type", "value", "values", "execute", "writable", "readable", "wave", "low", "high", "seconds", "decimals"];
    if let Some(unknown) = members.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("`{unknown}` is not known here ({})", known.join(", ")));
    }
    let flag = |name: &str| members.get(name).map(|value| value == &Json::Bool(true));
    if flag("execute") == Some(true) {
        return Ok(Resource::executable());
    }
    let data_type = match members.get("type") {
        None => None,
        Some(name) => Some(data_type(name).ok_or_else(|| format!("{name} is not a data type"))?),
    };
    let mut resource = if members.contains_key("wave") {
        living(members, data_type.unwrap_or(DataType::Float))?
    } else if let Some(Json::Object(values)) = members.get("values") {
        let data_type = data_type.ok_or("`values` needs `type`")?;
        let mut instances = Vec::new();
        for (id, content) in values {
            let number: u16 = id.parse().map_err(|_| format!("`{id}` is not a resource instance id"))?;
            instances.push((number, value(content, Some(data_type))?));
        }
        Resource::multiple(data_type, instances)
    } else {
        Resource::value(value(members.get("value").ok_or("neither value, values, wave nor execute")?, data_type)?)
    };
    if flag("writable") == Some(true) {
        resource = if flag("readable") == Some(false) { resource.write_only() } else { resource.writable() };
    }
    Ok(resource)
}

fn living(members: &Map<String, Json>, data_type: DataType) -> Result<Resource, String> {
    let number = |name: &str| members.get(name).and_then(Json::as_f64).ok_or(format!("`wave` needs a number `{name}`"));
    let (low, high) = (number("low")?, number("high")?);
    let period = Duration::try_from_secs_f64(number("seconds")?).map_err(|error| error.to_string())?;
    let wave = match members.get("wave").and_then(Json::as_str) {
        Some("sine") => Waveform::Sine { low, high, period },
        Some("drain") => Waveform::Drain { high, low, period },
        Some("ramp") => Waveform::Ramp { low, high, period },
        _ => return Err("`wave` is one of sine, drain, ramp".to_owned()),
    };
    let decimals = members.get("decimals").and_then(Json::as_i64).unwrap_or(2).clamp(0, 12) as i32;
    match data_type {
        DataType::Float => Ok(Resource::living(data_type, move |t| Value::Float(wave.rounded(t, decimals)))),
        DataType::Integer => Ok(Resource::living(data_type, move |t| Value::Integer(wave.rounded(t, 0) as i64))),
        _ => Err("`wave` is for Float and Integer".to_owned()),
    }
}

fn data_type(name: &Json) -> Option<DataType> {
    Some(match name.as_str()? {
        "String" => DataType::String,
        "Integer" => DataType::Integer,
        "Unsigned" => DataType::Unsigned,
        "Float" => DataType::Float,
        "Boolean" => DataType::Boolean,
        "Opaque" => DataType::Opaque,
        "Time" => DataType::Time,
        "Objlnk" => DataType::Objlnk,
        "Corelnk" => DataType::Corelnk,
        _ => return None,
    })
}

fn value(json: &Json, data_type: Option<DataType>) -> Result<Value, String> {
    let converted = match (data_type, json) {
        (None | Some(DataType::String), Json::String(text)) => Some(Value::String(text.clone())),
        (None | Some(DataType::Boolean), Json::Bool(truth)) => Some(Value::Boolean(*truth)),
        (None, Json::Number(number)) => {
            number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Float))
        }
        (Some(DataType::Integer), Json::Number(number)) => number.as_i64().map(Value::Integer),
        (Some(DataType::Unsigned), Json::Number(number)) => number.as_u64().map(Value::Unsigned),
        (Some(DataType::Time), Json::Number(number)) => number.as_i64().map(Value::Time),
        (Some(DataType::Float), Json::Number(number)) => number.as_f64().map(Value::Float),
        (Some(DataType::Corelnk), Json::String(text)) => Some(Value::Corelnk(text.clone())),
        (Some(DataType::Opaque), Json::String(text)) => STANDARD.decode(text).ok().map(Value::Opaque),
        (Some(DataType::Objlnk), Json::String(text)) => text
            .split_once(':')
            .and_then(|(object, instance)| Some(Value::Objlnk(object.parse().ok()?, instance.parse().ok()?))),
        _ => None,
    };
    converted.ok_or_else(|| format!("{json} does not fit the data type"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Node;

    #[test]
    fn the_example_of_the_documentation_is_understood() {
        let example = include_str!("objects_file.rs")
            .lines()
            .skip_while(|line| !line.contains("```json"))
            .skip(1)
            .take_while(|line| !line.contains("```"))
            .map(|line| line.trim_start_matches("//!"))
            .collect::<Vec<_>>()
            .join("\n");
        let objects = parse_objects(&example).unwrap();
        assert_eq!(objects.links("/").join(","), "</3>;ver=1.1,</3/0>,</5/0>,</6>,</3303/0>");
        let read = |path: &str| objects.read(&path.parse().unwrap(), Duration::from_secs(15)).unwrap();
        assert_eq!(read("/3303/0/5700"), [Node::new([3303, 0, 5700], 24.0)]);
        assert_eq!(read("/3/0/6").len(), 2);
        assert_eq!(read("/5/0/0"), [Node::new([5, 0, 0], vec![0u8, 1, 2])]);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, place) in [
            ("[]", "file"),
            (r#"{"/3/0": 1}"#, "/3/0"),
            (r#"{"/3/0/x": 1}"#, "/3/0/x"),
            (r#"{"/3/0/9": {"type": "Integer", "value": "full"}}"#, "/3/0/9"),
            (r#"{"/3/0/9": {"typ": "Integer"}}"#, "/3/0/9"),
            (r#"{"/3/0/9": {"wave": "square", "low": 1, "high": 2, "seconds": 3}}"#, "/3/0/9"),
            (r#"{"/3": {"ver": "1.1"}}"#, "/3"),
        ] {
            assert_eq!(parse_objects(text).map(|_| ()).map_err(|error| error.place), Err(place.to_owned()));
        }
    }
}
