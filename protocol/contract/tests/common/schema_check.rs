//! The part of JSON Schema that the document uses; a keyword it does not know is a failure.
use serde_json::Value;

pub(crate) fn check(document: &Value, definition: &str, value: &Value) -> Result<(), String> {
    fits(document, &document["$defs"][definition], value)
}

fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    for (keyword, wanted) in schema.as_object().ok_or("a schema is an object")? {
        keyword_fits(document, schema, keyword, wanted, value)?;
    }
    Ok(())
}

fn keyword_fits(document: &Value, schema: &Value, keyword: &str, wanted: &Value, value: &Value) -> Result<(), String> {
    let wrong = || Err(format!("{keyword} {wanted} does not hold for {value}"));
    let each = |list: &Value| -> usize {
        list.as_array().unwrap().iter().filter(|option| fits(document, option, value).is_ok()).count()
    };
    let holds = match keyword {
        "description" | "examples" => true,
        "$ref" => {
            let pointer = wanted.as_str().and_then(|text| text.strip_prefix('#')).unwrap();
            return fits(document, document.pointer(pointer).unwrap(), value);
        }
        "type" => match wanted {
            Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap(), value)),
            name => is(name.as_str().unwrap(), value),
        },
        "const" => value == wanted,
        "enum" => wanted.as_array().unwrap().contains(value),
        "anyOf" => each(wanted) > 0,
        "oneOf" => each(wanted) == 1,
        "not" => fits(document, wanted, value).is_err(),
        "pattern" => {
            value.as_str().is_none_or(|text| regex::Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text))
        }
        "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
        "minItems" => value.as_array().is_none_or(|list| list.len() as u64 >= wanted.as_u64().unwrap()),
        "items" => {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            return list.iter().try_for_each(|item| fits(document, wanted, item));
        }
        "required" => match value.as_object() {
            Some(object) => wanted.as_array().unwrap().iter().all(|name| object.contains_key(name.as_str().unwrap())),
            None => true,
        },
        "properties" => {
            for (name, schema) in wanted.as_object().unwrap() {
                if let Some(member) = value.get(name) {
                    fits(document, schema, member).map_err(|why| format!("{name}: {why}"))?;
                }
            }
            true
        }
        "additionalProperties" => {
            let known = schema["properties"].as_object().unwrap();
            let more = value.as_object().into_iter().flatten().filter(|(name, _)| !known.contains_key(*name));
            for (name, member) in more {
                match wanted {
                    Value::Bool(allowed) if *allowed => {}
                    Value::Bool(_) => return Err(format!("{name} is not foreseen")),
                    schema => fits(document, schema, member).map_err(|why| format!("{name}: {why}"))?,
                }
            }
            true
        }
        other => panic!("keyword {other} is not known to this check"),
    };
    if holds { Ok(()) } else { wrong() }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("type {other} does not exist"),
    }
}
