//! Request bodies of the peer that come in blocks (Block1, RFC 7959 §2.5).
use crate::block::Block;
use crate::budget::Body;
use crate::incoming::target_key;
use crate::{Code, Config, Message, option};
use std::time::Instant;

/// Unfinished bodies per peer; beyond it the one that rested longest goes, and its next block is answered 4.08.
const ASSEMBLIES_MAX: usize = 4;

/// Target and Request-Tag tell transfers apart (RFC 9175 §3.3).
const KEY_OPTIONS: [u16; 3] = [option::URI_PATH, option::URI_QUERY, option::REQUEST_TAG];

/// One unfinished body.
#[derive(Debug)]
struct Assembly {
    key: Box<[u8]>,
    content_format: Option<u16>,
    body: Body,
    last_offset: usize,
    expires: Instant,
}

/// What a block leads to.
pub(crate) enum Step {
    /// 2.31, the next one please.
    More,
    /// The body is complete.
    Whole(Vec<u8>),
    /// This code; the transfer, if there was one, is over.
    Refuse(Code),
}

/// The unfinished bodies of one peer.
#[derive(Debug, Default)]
pub(crate) struct Assemblies(Vec<Assembly>);

impl Assemblies {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub(crate) fn expires(&self) -> Option<Instant> {
        self.0.iter().map(|assembly| assembly.expires).min()
    }
    pub(crate) fn expire(&mut self, now: Instant) {
        self.0.retain(|assembly| now < assembly.expires);
    }

    /// Takes the block of a request that carries Block1.
    pub(crate) fn take(&mut self, now: Instant, message: &Message, block: Block, config: &Config) -> Step {
        self.expire(now);
        let key = target_key(message, &KEY_OPTIONS);
        let found = self.0.iter().position(|assembly| assembly.key == key);
        let transfer = match found {
            Some(at) if block.number > 0 => Some(self.0.remove(at)),
            Some(at) => {
                drop(self.0.remove(at));
                None
            }
            None => None,
        };
        if block.is_reserved() || !block.fits(message.payload().len()) {
            return Step::Refuse(Code::BAD_REQUEST);
        }
        let mut assembly = match transfer {
            Some(assembly) if assembly.content_format == message.content_format() => assembly,
            None if block.number == 0 => Assembly {
                key,
                content_format: message.content_format(),
                body: config.bodies.open(),
                last_offset: 0,
                expires: now,
            },
            _ => return Step::Refuse(Code::REQUEST_ENTITY_INCOMPLETE),
        };
        if !assembly.repeats(block, message.payload()) {
            if let Err(code) = assembly.append(message, block, config) {
                return Step::Refuse(code);
            }
            if !block.more {
                // What was complete cannot be thrown away between two lines but by another thread.
                return assembly.body.finish().map_or(Step::Refuse(Code::SERVICE_UNAVAILABLE), Step::Whole);
            }
        }
        assembly.expires = now + config.blockwise.lifetime();
        if self.0.len() >= ASSEMBLIES_MAX {
            self.0.remove(0);
        }
        self.0.push(assembly);
        Step::More
    }
}

impl Assembly {
    /// The same block as the last one, under a new message id: the peer did not get our 2.31.
    fn repeats(&self, block: Block, payload: &[u8]) -> bool {
        self.body.len() > 0
            && block.more
            && block.offset() == self.last_offset
            && self.body.ends_with(self.last_offset, payload)
    }

    fn append(&mut self, message: &Message, block: Block, config: &Config) -> Result<(), Code> {
        if block.offset() != self.body.len() {
            return Err(Code::REQUEST_ENTITY_INCOMPLETE);
        }
        let grown = self.body.len() + message.payload().len();
        let announced = message.uint(option::SIZE1, 4).map_or(0, |size| size as usize);
        if grown.max(announced) > config.blockwise.max_body_size {
            return Err(Code::REQUEST_ENTITY_TOO_LARGE);
        }
        self.last_offset = self.body.len();
        self.body.append(message.payload()).map_err(|_| Code::SERVICE_UNAVAILABLE)
    }
}
