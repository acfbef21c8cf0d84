//! What one value costs: decoding, typing, encoding.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark reads the project's own files"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use lwm2m::catalog::{Catalog, DeviceTypes};
use lwm2m::format::{self, ContentFormat, Types};
use lwm2m::link::{Version, parse_object_list};
use lwm2m::{Node, Path, Value};
use std::hint::black_box;

const NOW: f64 = 1_763_825_000.0;

fn catalog() -> Catalog {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../objects");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let xml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "xml"));
    let files: Vec<(String, Vec<u8>)> =
        xml.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect();
    Catalog::load(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))).0
}

/// Ten resources of the Device object as devices answer them.
fn ten() -> Vec<Node> {
    let values = [
        ("/3/0/0", Value::String("Open Mobile Alliance".into())),
        ("/3/0/1", Value::String("Lightweight M2M Client".into())),
        ("/3/0/2", Value::String("345000123".into())),
        ("/3/0/3", Value::String("1.0".into())),
        ("/3/0/6/0", Value::Integer(1)),
        ("/3/0/6/1", Value::Integer(5)),
        ("/3/0/9", Value::Integer(100)),
        ("/3/0/10", Value::Integer(15)),
        ("/3/0/13", Value::Time(1_367_491_215)),
        ("/3/0/14", Value::String("+02:00".into())),
    ];
    values.into_iter().map(|(path, value)| Node::new(Path::parse(path).unwrap(), value)).collect()
}

fn formats(criterion: &mut Criterion) {
    let catalog = catalog();
    let versions = [(3, Version::new(1, 1)), (3303, Version::new(1, 1))];
    let types = DeviceTypes { catalog: &catalog, enabler: Version::new(1, 1), versions: &versions };
    let instance = Path::parse("/3/0").unwrap();
    let nodes = ten();
    let all = [
        ("TLV", ContentFormat::Tlv),
        ("SenML CBOR", ContentFormat::SenmlCbor),
        ("SenML JSON", ContentFormat::SenmlJson),
        ("LwM2M CBOR", ContentFormat::Lwm2mCbor),
        ("old JSON", ContentFormat::Json),
    ];
    for (name, format) in all {
        let body = format::encode(format, instance, &nodes).unwrap();
        assert_eq!(format::decode(format, &body, instance, &types, NOW).unwrap(), nodes);
        criterion.bench_function(&format!("decode ten resources, {name}"), |bencher| {
            bencher.iter(|| format::decode(format, black_box(&body), instance, &types, NOW))
        });
        criterion.bench_function(&format!("encode ten resources, {name}"), |bencher| {
            bencher.iter(|| format::encode(format, instance, black_box(&nodes)))
        });
    }

    let temperature = Path::parse("/3303/0/5700").unwrap();
    let one = [0xE4, 0x16, 0x44, 0x41, 0xA0, 0x28, 0xF6];
    criterion.bench_function("decode one 32-bit float, TLV", |bencher| {
        bencher.iter(|| format::decode(ContentFormat::Tlv, black_box(&one), temperature, &types, NOW))
    });
    criterion.bench_function("decode one float, text", |bencher| {
        bencher.iter(|| format::decode(ContentFormat::Text, black_box(b"20.02"), temperature, &types, NOW))
    });

    criterion.bench_function("type of a resource, version registered", |bencher| {
        bencher.iter(|| types.resource_type(black_box(3303), black_box(5700)))
    });
    criterion.bench_function("type of a resource, version implied", |bencher| {
        bencher.iter(|| types.resource_type(black_box(5), black_box(3)))
    });
    let payload =
        b"</>;rt=\"oma.lwm2m\";ct=\"60 110 112 11542\",</1>;ver=1.1,</1/0>,</3>;ver=1.1,</3/0>,</4/0>,</5/0>,</3303/0>";
    criterion.bench_function("read an object list", |bencher| bencher.iter(|| parse_object_list(black_box(payload))));
}

criterion_group!(benches, formats);
criterion_main!(benches);
