//! `[lwm2m]` and `[coap]`.
use super::section::Section;
use super::setting::{Bytes, type_of};
use ::lwm2m::session::policy::AutoObserve;
use config::{Value, ValueKind};
use contract::topic::{Topics, Translator};
use std::path::PathBuf;
use std::time::Duration;

/// `[lwm2m]`.
#[derive(Clone, Debug)]
pub(crate) struct Lwm2m {
    /// `xml_dir`, resolved.
    pub(crate) xml_dir: PathBuf,
    /// `xml_watch`
    pub(crate) xml_watch: bool,
    /// `mountpoint` and `translators`
    pub(crate) topics: Topics,
    /// `lifetime_min`
    pub(crate) lifetime_min: Duration,
    /// `lifetime_max`
    pub(crate) lifetime_max: Duration,
    /// `qmode_time_window`
    pub(crate) qmode_time_window: Duration,
    /// `auto_observe`
    pub(crate) auto_observe: AutoObserve,
    /// `update_msg_publish_condition = "always"`
    pub(crate) update_always: bool,
    /// `unknown_objects = "raw"`
    pub(crate) raw_unknown_objects: bool,
    /// `lifecycle_events`
    pub(crate) lifecycle_events: bool,
    /// `queue_max`
    pub(crate) queue_max: usize,
    /// `address_change`
    pub(crate) address_change: bool,
    /// `blockwise`
    pub(crate) blockwise: coap::Blockwise,
    /// `blockwise.max_total_size`
    pub(crate) bodies: coap::Budget,
}

impl Lwm2m {
    pub(super) fn read(mut section: Section<'_>) -> Lwm2m {
        let named = section.has("xml_dir");
        let xml_dir = section.document().resolve(&section.get("xml_dir", PathBuf::from("objects")));
        if !xml_dir.is_dir() {
            let reason = format!("{} is not a folder", xml_dir.display());
            if named {
                section.report("xml_dir", reason);
            } else {
                section.warn("xml_dir", format!("{reason}: every object is unknown"));
            }
        }
        let lifetime_min = section.get("lifetime_min", Duration::from_secs(1));
        let lifetime_max = section.get("lifetime_max", Duration::from_secs(86_400));
        if lifetime_min > lifetime_max {
            section.report("lifetime_min", "must not be longer than lifetime_max");
        }
        if lifetime_max.is_zero() {
            section.report("lifetime_max", "must be longer than nothing");
        }
        let (blockwise, bodies) = blockwise(section.section("blockwise"));
        let settings = Lwm2m {
            xml_dir,
            xml_watch: section.get("xml_watch", true),
            topics: topics(&mut section),
            lifetime_min,
            lifetime_max,
            qmode_time_window: section.checked("qmode_time_window", Duration::from_secs(22), |window| {
                if window.is_zero() { Err("must be longer than nothing".into()) } else { Ok(()) }
            }),
            auto_observe: auto_observe(&mut section),
            update_always: section.choice(
                "update_msg_publish_condition",
                false,
                &[("contains_object_list", false), ("always", true)],
            ),
            raw_unknown_objects: section.choice("unknown_objects", false, &[("reject", false), ("raw", true)]),
            lifecycle_events: section.get("lifecycle_events", false),
            queue_max: section.checked("queue_max", 100, |max| {
                if (1..=65_536).contains(max) { Ok(()) } else { Err(format!("must be between 1 and 65536, not {max}")) }
            }),
            address_change: section.get("address_change", true),
            blockwise,
            bodies,
        };
        section.finish();
        settings
    }
}

/// `[coap]`.
pub(crate) fn transmission(section: &mut Section<'_>) -> coap::Transmission {
    let default = coap::Transmission::default();
    let positive = |time: &Duration| {
        if time.is_zero() { Err("must be longer than nothing".to_owned()) } else { Ok(()) }
    };
    coap::Transmission {
        ack_timeout: section.checked("ack_timeout", default.ack_timeout, positive),
        ack_random_factor: section.checked("ack_random_factor", default.ack_random_factor, |factor| {
            if (1.0..=10.0).contains(factor) {
                Ok(())
            } else {
                Err(format!("must be between 1.0 and 10.0, not {factor}"))
            }
        }),
        max_retransmit: section.checked("max_retransmit", default.max_retransmit, |count| {
            if *count <= 20 { Ok(()) } else { Err(format!("must be between 0 and 20, not {count}")) }
        }),
        response_timeout: section.checked("response_timeout", default.response_timeout, positive),
    }
}

fn topics(section: &mut Section<'_>) -> Topics {
    let mountpoint = section.checked("mountpoint", "lwm2m/${endpoint_name}/".to_owned(), |topic| {
        if topic.contains(['+', '#']) { Err("must not contain + or #".into()) } else { Ok(()) }
    });
    let mut translators = section.section("translators");
    let mut translator = |key: &'static str, topic: &str| {
        let mut section = translators.section(key);
        let topic = section.checked("topic", topic.to_owned(), |topic| publishable(key, topic));
        let qos = section
            .checked("qos", 0_u8, |qos| if *qos <= 2 { Ok(()) } else { Err(format!("must be 0, 1 or 2, not {qos}")) });
        section.finish();
        Translator { topic, qos }
    };
    let topics = Topics {
        mountpoint,
        own_mountpoints: Vec::new(),
        command: translator("command", "dn/#"),
        response: translator("response", "up/resp"),
        notify: translator("notify", "up/notify"),
        register: translator("register", "up/resp"),
        update: translator("update", "up/resp"),
        send: translator("send", "up/send"),
        event: translator("event", "up/event"),
    };
    translators.finish();
    // what only shows in the combination, where each key by itself was good
    let each_is_good = !topics.mountpoint.contains(['+', '#'])
        && publishable("command", &topics.command.topic).is_ok()
        && [&topics.response, &topics.notify, &topics.register, &topics.update, &topics.send, &topics.event]
            .iter()
            .all(|translator| publishable("", &translator.topic).is_ok() && translator.qos <= 2);
    if each_is_good && let Err(reason) = topics.validate() {
        section.report("translators", reason);
    }
    if !names_device(&topics.mountpoint) && !names_device(&topics.command.topic) {
        section.warn("mountpoint", "names no device (${endpoint_name}): commands cannot be told apart by their topic");
    }
    topics
}

/// The template tells devices apart.
pub(super) fn names_device(topic: &str) -> bool {
    ["${endpoint_name}", "${clientid}", "%e"].iter().any(|name| topic.contains(name))
}

/// A topic that is published to has no wildcard; the command topic may end in `#`.
fn publishable(key: &str, topic: &str) -> Result<(), String> {
    if topic.is_empty() {
        return Err("must not be empty".into());
    }
    let body = match topic.strip_suffix('#') {
        Some(body) if key == "command" && (body.is_empty() || body.ends_with('/')) => body,
        _ => topic,
    };
    if body.contains(['+', '#']) {
        return Err(match key {
            "command" => format!("{topic:?} must not contain + or #, except /# at its end"),
            _ => format!("{topic:?} must not contain + or #: messages are published to it"),
        });
    }
    Ok(())
}

/// `auto_observe`: true, false, or a list of paths.
fn auto_observe(section: &mut Section<'_>) -> AutoObserve {
    const KEY: &str = "auto_observe";
    let paths: Vec<String> = match section.value(KEY).map(|value| value.kind) {
        None | Some(ValueKind::Boolean(false)) => return AutoObserve::Off,
        Some(ValueKind::Boolean(true)) => return AutoObserve::All,
        // The environment has only text.
        Some(ValueKind::String(text)) => match text.trim() {
            "false" | "" => return AutoObserve::Off,
            "true" => return AutoObserve::All,
            list if list.starts_with('/') => list.split(',').map(|path| path.trim().to_owned()).collect(),
            other => {
                section.report(KEY, format!("must be true, false or a list of paths, not {other:?}"));
                return AutoObserve::Off;
            }
        },
        Some(ValueKind::Array(items)) => items.iter().filter_map(|item| path_text(section, item)).collect(),
        Some(kind) => {
            let found = type_of(&Value::new(None, kind));
            section.report(KEY, format!("must be true, false or a list of paths, not {found}"));
            return AutoObserve::Off;
        }
    };
    for path in &paths {
        if let Err(reason) = is_path(path) {
            section.report(KEY, format!("{path:?}: {reason}"));
        }
    }
    if paths.is_empty() { AutoObserve::Off } else { AutoObserve::Paths(paths) }
}

fn path_text(section: &Section<'_>, item: &Value) -> Option<String> {
    match &item.kind {
        ValueKind::String(text) => Some(text.clone()),
        _ => {
            section.report("auto_observe", format!("a path must be a string, not {}", type_of(item)));
            None
        }
    }
}

/// One to four numbers below 65535 with slashes between (LwM2M 1.2 §7.3: 65535 is reserved).
fn is_path(path: &str) -> Result<(), &'static str> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    if segments.len() > 4 {
        return Err("has more than four levels");
    }
    let is_id = |segment: &&str| {
        segment.bytes().all(|b| b.is_ascii_digit()) && matches!(segment.parse::<u16>(), Ok(id) if id != u16::MAX)
    };
    if segments.iter().all(is_id) { Ok(()) } else { Err("is not a path like \"/3/0/9\"") }
}

fn blockwise(mut section: Section<'_>) -> (coap::Blockwise, coap::Budget) {
    let default = coap::Blockwise::default();
    let enable = section.get("enable", default.enable);
    let max_block_size = section.checked("max_block_size", default.max_block_size, |size| {
        if size.is_power_of_two() && (16..=1024).contains(size) {
            Ok(())
        } else {
            Err(format!("must be 16, 32, 64, 128, 256, 512 or 1024, not {size}"))
        }
    });
    let max_body_size = section.get("max_body_size", Bytes(default.max_body_size)).0;
    if max_body_size < usize::from(max_block_size) {
        section.report("max_body_size", "must not be smaller than one block");
    }
    let max_total_size = section.get("max_total_size", Bytes(coap::Budget::default().limit())).0;
    if max_total_size < max_body_size {
        section.report("max_total_size", "must not be smaller than max_body_size");
    }
    let exchange_lifetime = section.checked("exchange_lifetime", default.exchange_lifetime, |time| {
        if time.is_zero() { Err("must be longer than nothing".into()) } else { Ok(()) }
    });
    let fresh_tokens = section.get("fresh_tokens", default.fresh_tokens);
    section.finish();
    let blockwise = coap::Blockwise { enable, max_block_size, max_body_size, exchange_lifetime, fresh_tokens };
    (blockwise, coap::Budget::new(max_total_size))
}
