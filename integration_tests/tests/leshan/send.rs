//! Send (LwM2M 1.1).
use crate::{Bench, bench, elements};
use integration_tests::Message;
use serde_json::{Value, json};

fn sent(bench: &Bench) -> Message {
    let topic = format!("lwm2m/{}/up/send", bench.device.endpoint());
    bench.world.application.expect("send", |message| message.topic == topic && message.kind() == "send")
}

#[test]
fn leshan_sends() {
    let Some(bench) = bench("Send (SenML JSON, CBOR)", "leshan-send", Value::Null) else { return };
    for format in ["SENML_JSON", "SENML_CBOR"] {
        bench
            .device
            .say("send", json!({"format": format, "paths": ["/3303/0/5700", "/33000/0/7", "/33000/0/4", "/3/0"]}));
        assert_eq!(bench.device.expect("sent")["code"], "2.04", "{format}");
        let data = elements(&sent(&bench).json["data"]);
        assert_eq!(
            (&data["/3303/0/5700"], &data["/33000/0/7"], &data["/33000/0/4"], &data["/3/0/0"]),
            (&json!(20.5), &json!(9_223_372_036_854_775_813_u64), &json!("AAH+/w=="), &json!("Leshan")),
            "{format}"
        );
    }
}

#[test]
fn leshan_sends_what_it_collected_with_its_time() {
    let Some(bench) = bench("Send with timestamps (SenML JSON, CBOR)", "leshan-history", Value::Null) else { return };
    for format in ["SENML_JSON", "SENML_CBOR"] {
        for value in [1.5, 2.5, 3.5] {
            bench.device.set("/3303/0/5700", value);
            bench.device.say("collect", json!({"paths": ["/3303/0/5700"]}));
        }
        bench.device.say("send-collected", json!({"format": format}));
        let message = sent(&bench);
        let content = message.data("content").as_array().expect("content").clone();
        let values: Vec<&Value> = content.iter().map(|element| &element["value"]).collect();
        assert_eq!(values, [&json!(1.5), &json!(2.5), &json!(3.5)], "{format}: oldest first");
        let times: Vec<f64> = content.iter().map(|element| element["time"].as_f64().expect("a time")).collect();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(
            times.is_sorted() && times.iter().all(|time| (now - 60.0..=now + 1.0).contains(time)),
            "{times:?} at {now}"
        );
    }
}
