//! The conformance vectors: valid bodies decode to their nodes, exact ones are also encoded to the same bytes, malformed ones are
//! refused with an error that names the place.
mod vector;

use lwm2m::format::{self, ContentFormat};
use lwm2m::{Node, Value};
use vector::{Contract, NOW, Vector, contract_wins, vectors};

/// Values that a definition would type are compared by their meaning where none is known: bytes stay untyped.
fn agree(expected: &Node, got: &Node) -> bool {
    let times = match (expected.time, got.time) {
        (None, None) => true,
        (Some(a), Some(b)) => (a - b).abs() < 1e-6,
        _ => false,
    };
    let values = match (&expected.value, &got.value) {
        (Value::Opaque(bytes), Value::Untyped(raw)) => bytes == raw,
        (Value::String(text), Value::Untyped(raw)) => text.as_bytes() == raw,
        (Value::String(text), Value::CoreLink(link)) => text == link,
        (a, b) => a == b,
    };
    expected.path == got.path && times && values
}

fn check(vector: &Vector) -> Result<(), String> {
    let decoded = format::decode(vector.format, &vector.body, vector.path, vector, NOW);
    match (contract_wins(&vector.id), &vector.nodes, decoded) {
        (Some(Contract::Refuses), _, Err(error)) | (None, None, Err(error)) => {
            let named = !error.reason.is_empty() && !error.place.is_empty();
            named.then_some(()).ok_or_else(|| format!("error without reason or place: {error:?}"))
        }
        (Some(Contract::Accepts(expected)), _, Ok(got)) => {
            let got: Vec<String> = got.iter().map(|node| format!("{} {:?}", node.path, node.value)).collect();
            (got == expected).then_some(()).ok_or_else(|| format!("contract wants {expected:?}, got {got:?}"))
        }
        (None, Some(expected), Ok(got)) => {
            let same = expected.len() == got.len() && expected.iter().zip(&got).all(|(a, b)| agree(a, b));
            same.then_some(()).ok_or_else(|| format!("expected {expected:?}, got {got:?}"))
        }
        (_, expected, got) => Err(format!("expected {expected:?}, got {got:?}")),
    }
}

fn run(format: &[ContentFormat]) {
    let all = vectors();
    let chosen: Vec<&Vector> = all.iter().filter(|vector| format.contains(&vector.format)).collect();
    assert!(!chosen.is_empty());
    let failures: Vec<String> =
        chosen.iter().filter_map(|v| check(v).err().map(|error| format!("{} ({}): {error}", v.id, v.note))).collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), chosen.len(), failures.join("\n"));
}

#[test]
fn text_and_opaque_vectors() {
    run(&[ContentFormat::Text, ContentFormat::Opaque]);
}

#[test]
fn tlv_vectors() {
    run(&[ContentFormat::Tlv]);
}

#[test]
fn json_vectors() {
    run(&[ContentFormat::Json]);
}

#[test]
fn senml_vectors() {
    run(&[ContentFormat::SenmlJson, ContentFormat::SenmlCbor]);
}

#[test]
fn cbor_vectors() {
    run(&[ContentFormat::Cbor, ContentFormat::Lwm2mCbor]);
}

#[test]
fn exact_vectors_are_encoded_to_their_bytes() {
    let mut failures = Vec::new();
    let mut count = 0;
    for vector in vectors().iter().filter(|vector| vector.exact) {
        let nodes = vector.nodes.as_ref().unwrap();
        count += 1;
        match format::encode(vector.format, vector.path, nodes) {
            Ok(bytes) if bytes == vector.body => {}
            other => failures.push(format!("{}: {other:02x?}", vector.id)),
        }
    }
    assert!(count > 100, "{count}");
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_encoded_decodes_to_the_same_nodes() {
    let mut failures = Vec::new();
    for vector in vectors() {
        let Some(nodes) = &vector.nodes else { continue };
        if vector.not_reversible() {
            continue;
        }
        let again =
            format::encode(vector.format, vector.path, nodes).map_err(|error| error.to_string()).and_then(|body| {
                format::decode(vector.format, &body, vector.path, &vector, NOW).map_err(|e| e.to_string())
            });
        match again {
            Ok(again) if again.len() == nodes.len() && again.iter().zip(nodes).all(|(a, b)| agree(b, a)) => {}
            other => failures.push(format!("{}: {nodes:?} became {other:?}", vector.id)),
        }
    }
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}
