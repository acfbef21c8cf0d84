//! Tells applications of devices that were not let in, where lifecycle events are wanted.
use crate::bridge::publisher::Publisher;
use contract::message::dtls_refused;
use contract::topic::Topics;
use lwm2m::session::{Address, Now};
use std::sync::Arc;

/// Publishes the event `dtls_refused`. Who calls it limits how often: strangers can cause it.
#[derive(Clone, Debug)]
pub(crate) struct Herald {
    publisher: Publisher,
    /// `None`: no lifecycle events are wanted.
    topics: Option<Arc<Topics>>,
}

impl Herald {
    pub(crate) fn new(publisher: Publisher, topics: Arc<Topics>, wanted: bool) -> Herald {
        Herald { publisher, topics: wanted.then_some(topics) }
    }

    /// The device of this identity was refused; nothing is published where the name would make no safe topic.
    pub(crate) fn refused(&self, endpoint: &str, from: Address, cause: &str, now: Now) {
        let publication = self.topics.as_ref().and_then(|topics| dtls_refused(topics, endpoint, from, cause, now.unix));
        if let Some(publication) = publication {
            // A full outbox has its own word.
            let _ = self.publisher.publish(publication, None, false);
        }
    }
}
