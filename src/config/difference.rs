//! What a reload cannot change while the gateway runs.
use super::Configuration;

/// The configuration that is in force after a reload: the new one, but with the old value of everything that takes effect only
/// after a restart. The names of those that differ come with it, in the order of the file.
pub(crate) fn carry_over(old: &Configuration, mut new: Configuration) -> (Configuration, Vec<&'static str>) {
    let mut waiting = Vec::new();
    macro_rules! keep {
        ($name:literal, $($field:ident).+) => {
            if new.$($field).+ != old.$($field).+ {
                waiting.push($name);
                new.$($field).+ = old.$($field).+.clone();
            }
        };
    }
    keep!("mqtt", mqtt);
    keep!("broker", broker);
    keep!("lwm2m.xml_watch", lwm2m.xml_watch);
    keep!("lwm2m.mountpoint or lwm2m.translators", lwm2m.topics);
    keep!("lwm2m.update_msg_publish_condition", lwm2m.update_always);
    keep!("lwm2m.unknown_objects", lwm2m.raw_unknown_objects);
    keep!("lwm2m.lifecycle_events", lwm2m.lifecycle_events);
    // Bodies that are under way keep counting.
    old.lwm2m.bodies.set_limit(new.lwm2m.bodies.limit());
    new.lwm2m.bodies = old.lwm2m.bodies.clone();
    let renewed = new.listeners.dtls.clone();
    keep!("listeners", listeners);
    // What the files of a listener hold is renewed even when other settings wait for a restart.
    for listener in &mut new.listeners.dtls {
        if let Some(now) = renewed.iter().find(|renewed| renewed.bind == listener.bind) {
            listener.sources = now.sources.clone();
            (listener.materials, listener.fingerprint) = (now.materials.clone(), now.fingerprint);
        }
    }
    keep!("store", store);
    keep!("http", http);
    keep!("log.format", log.format);
    keep!("log.file", log.file);
    keep!("runtime.shards", runtime.shards);
    (new, waiting)
}
