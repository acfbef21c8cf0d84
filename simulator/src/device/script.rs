//! Scripted behaviour: what a device does with certain requests instead of answering well and at once.

use crate::format::Format;
use crate::message::{Code, Message, option};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A response without the parts that tie it to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Response code.
    pub code: Code,
    /// Options, unsorted.
    pub options: Vec<(u16, Vec<u8>)>,
    /// Body; block-wise transfer is applied later.
    pub payload: Vec<u8>,
}

impl Answer {
    /// Only a code.
    pub fn code(code: Code) -> Answer {
        Answer { code, options: Vec::new(), payload: Vec::new() }
    }

    /// 2.05 with a body of this format.
    pub fn content(format: Format, payload: impl Into<Vec<u8>>) -> Answer {
        Answer::numbered(format.number(), payload)
    }

    /// 2.05 with a body of this Content-Format number, known or not.
    pub fn numbered(content_format: u16, payload: impl Into<Vec<u8>>) -> Answer {
        let mut answer = Answer::code(Code::CONTENT).option_uint(option::CONTENT_FORMAT, u32::from(content_format));
        answer.payload = payload.into();
        answer
    }

    /// An error with a diagnostic payload (RFC 7252 §5.5.2).
    pub fn diagnostic(code: Code, text: &str) -> Answer {
        Answer { code, options: Vec::new(), payload: text.as_bytes().to_vec() }
    }

    /// The same with one more option.
    pub fn option(mut self, number: u16, value: impl Into<Vec<u8>>) -> Answer {
        self.options.push((number, value.into()));
        self
    }

    /// The same with one more option holding an unsigned integer.
    pub fn option_uint(self, number: u16, value: u32) -> Answer {
        self.option(number, crate::message::shortest_uint(value))
    }
}

/// Makes datagrams from a request.
pub type Datagrams = Arc<dyn Fn(&Message) -> Vec<Vec<u8>> + Send + Sync>;

/// How the answer travels.
#[derive(Clone)]
pub enum Delivery {
    /// In the acknowledgement, after this delay.
    Piggybacked(Duration),
    /// Empty ACK first, the response in its own message later.
    Separate {
        /// When the empty ACK leaves; `None`: never, the response itself has to do.
        acknowledge: Option<Duration>,
        /// When the response leaves.
        answer: Duration,
        /// Response as CON (repeated until acknowledged) or NON.
        confirmable: bool,
    },
    /// Nothing is sent, nothing is done.
    Silent,
    /// RST, nothing is done.
    Reset,
    /// Empty ACK, nothing is done, no response ever.
    AcknowledgedOnly,
    /// These datagrams are sent, whatever they are; nothing is done.
    Raw(Datagrams),
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Delivery::Piggybacked(_) => "Piggybacked",
            Delivery::Separate { .. } => "Separate",
            Delivery::Silent => "Silent",
            Delivery::Reset => "Reset",
            Delivery::AcknowledgedOnly => "AcknowledgedOnly",
            Delivery::Raw(_) => "Raw",
        })
    }
}

/// One scripted deviation: which requests, how often, what instead.
#[derive(Debug, Clone)]
pub struct Rule {
    method: Option<Code>,
    path: Option<String>,
    skip: u32,
    remaining: Option<u32>,
    pub(super) answer: Option<Answer>,
    pub(super) delivery: Delivery,
    pub(super) copies: usize,
}

impl Rule {
    /// For every request, forever, answering normally: narrow it and say what deviates.
    pub fn any() -> Rule {
        Rule {
            method: None,
            path: None,
            skip: 0,
            remaining: None,
            answer: None,
            delivery: Delivery::Piggybacked(Duration::ZERO),
            copies: 1,
        }
    }

    /// Only for requests to exactly this Uri-Path (alternate path included), such as `/3/0/0`.
    pub fn path(path: &str) -> Rule {
        let path = format!("/{}", path.trim_matches('/'));
        Rule { path: Some(path), ..Rule::any() }
    }

    /// Only for this method.
    pub fn method(mut self, method: Code) -> Rule {
        self.method = Some(method);
        self
    }

    /// Only `count` times; later requests are answered normally.
    pub fn times(mut self, count: u32) -> Rule {
        self.remaining = Some(count);
        self
    }

    /// Only once.
    pub fn once(self) -> Rule {
        self.times(1)
    }

    /// Lets the first `count` matching requests through.
    pub fn after(mut self, count: u32) -> Rule {
        self.skip = count;
        self
    }

    /// Gives this answer; the request does not reach the objects.
    pub fn answers(mut self, answer: Answer) -> Rule {
        self.answer = Some(answer);
        self
    }

    /// Gives this code without body; the request does not reach the objects.
    pub fn answers_code(self, code: Code) -> Rule {
        self.answers(Answer::code(code))
    }

    /// No reaction at all.
    pub fn silent(self) -> Rule {
        self.delivered(Delivery::Silent)
    }

    /// RST instead of an answer.
    pub fn resets(self) -> Rule {
        self.delivered(Delivery::Reset)
    }

    /// Empty ACK at once, CON response after `delay`.
    pub fn separate(self, delay: Duration) -> Rule {
        self.delivered(Delivery::Separate { acknowledge: Some(Duration::ZERO), answer: delay, confirmable: true })
    }

    /// The piggybacked answer leaves after `delay`.
    pub fn delayed(self, delay: Duration) -> Rule {
        self.delivered(Delivery::Piggybacked(delay))
    }

    /// Every datagram of the reaction is sent `copies` times.
    pub fn copies(mut self, copies: usize) -> Rule {
        self.copies = copies;
        self
    }

    /// Sends what `datagrams` makes of the request.
    pub fn raw(self, datagrams: impl Fn(&Message) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Rule {
        self.delivered(Delivery::Raw(Arc::new(datagrams)))
    }

    /// Any way of delivery.
    pub fn delivered(mut self, delivery: Delivery) -> Rule {
        self.delivery = delivery;
        self
    }

    /// Whether the rule applies to `request`, counting this use.
    pub(super) fn take(&mut self, request: &Message) -> bool {
        let fits = self.method.is_none_or(|method| method == request.code)
            && self.path.as_ref().is_none_or(|path| *path == request.path());
        if !fits || self.remaining == Some(0) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining -= 1;
        }
        true
    }
}
