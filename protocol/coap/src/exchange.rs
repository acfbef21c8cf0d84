//! One exchange that this side began: the request, the message in flight, and what a response makes of it.
use crate::block::{self, Block};
use crate::download::Download;
use crate::peer::{ExchangeId, Failure, Urgency};
use crate::random::Token;
use crate::reliability::Retransmission;
use crate::upload::Upload;
use crate::{Code, Config, Kind, Message, Method, Request, Response, option};
use std::time::Instant;

/// Longest Echo value (RFC 9175 §2.2.1).
const ECHO_MAX: usize = 40;

/// An exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) id: ExchangeId,
    pub(crate) purpose: Purpose,
    pub(crate) urgency: Urgency,
    pub(crate) phase: Phase,
    /// Of the message in flight.
    pub(crate) token: Token,
    pub(crate) request: Request,
    /// The empty ACK was reported.
    pub(crate) acknowledged: bool,
    echo: Option<Box<[u8]>>,
    pub(crate) upload: Option<Upload>,
    pub(crate) download: Option<Box<Download>>,
}

/// On whose behalf an exchange runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// The caller's.
    Command,
    /// To fetch the rest of a notification of this observation (RFC 7959 §3.4).
    Notification(ExchangeId),
}

/// Where the current message of an exchange is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// To be sent as soon as NSTART and the message ids allow.
    Queued(Instant),
    /// Sent and retransmitted.
    Unacknowledged(Retransmission),
    /// An empty ACK came: the response may take until then.
    Acknowledged(Instant),
}

/// What a response means for its exchange.
pub(crate) enum Verdict {
    /// Nothing: it belongs to a block that is already done.
    Stray,
    /// Another message is to be sent; so much of the body is done, of so much in all.
    Continue(Option<(usize, Option<usize>)>),
    /// The response is complete.
    Complete(Response),
    /// It cannot be used.
    Fail(Failure),
}

impl Exchange {
    pub(crate) fn new(
        now: Instant,
        id: ExchangeId,
        urgency: Urgency,
        token: Token,
        request: Request,
        config: &Config,
    ) -> Exchange {
        let upload = Upload::needed(&request, config);
        Exchange {
            id,
            purpose: Purpose::Command,
            urgency,
            phase: Phase::Queued(now),
            token,
            request,
            acknowledged: false,
            echo: None,
            upload,
            download: None,
        }
    }

    /// The message to send now.
    pub(crate) fn message(&self, id: u16, config: &Config) -> Message {
        let mut message = Message::new(Kind::Confirmable, self.request.method.code(), id, self.token.as_slice());
        self.request.write_target(&mut message);
        if let Some(echo) = &self.echo {
            message.add_option(option::ECHO, &**echo);
        }
        if let Some(download) = &self.download {
            download.write_request(&mut message);
            // The body of a FETCH says what is fetched, block after block (RFC 8132 §2).
            if self.request.method == Method::Fetch && self.upload.is_none() {
                self.request.write_content_format(&mut message);
                message.set_payload(self.request.payload.as_slice());
            }
            return message;
        }
        self.request.write_content_format(&mut message);
        if let Some(observe) = self.request.observe {
            message.add_uint(option::OBSERVE, observe);
        }
        let exponent = config.blockwise.exponent();
        let last = self.upload.as_ref().is_none_or(|upload| upload.is_last(&self.request.payload));
        if config.blockwise.enable && self.request.method.is_safe() && exponent < 6 && last {
            message.add_uint(option::BLOCK2, Block { number: 0, more: false, exponent }.to_uint());
        }
        match &self.upload {
            Some(upload) => upload.write_block(&self.request.payload, &mut message),
            None => message.set_payload(self.request.payload.as_slice()),
        }
        message
    }

    /// Takes a response that belongs to the message in flight. `piggybacked`: it came in the ACK of that very message.
    pub(crate) fn accept(&mut self, message: Message, piggybacked: bool, tag: u32, config: &Config) -> Verdict {
        if let Some(number) = option::unrecognised(&message, false) {
            return Verdict::Fail(Failure::CriticalOption(number));
        }
        if message.code() == Code::UNAUTHORIZED && self.echo.is_none() {
            let echo = message.value(option::ECHO).filter(|echo| (1..=ECHO_MAX).contains(&echo.len()));
            if let Some(echo) = echo {
                self.echo = Some(echo.into());
                return Verdict::Continue(None);
            }
        }
        if let Some(download) = &mut self.download {
            let restartable = self.request.method.is_safe() && self.upload.is_none();
            return download.accept(message, piggybacked, restartable, config);
        }
        if message.code() == Code::REQUEST_ENTITY_TOO_LARGE && self.restart_smaller(&message, tag, config) {
            return Verdict::Continue(None);
        }
        if let Some(upload) = &mut self.upload
            && let Some(verdict) = upload.accept(&message, piggybacked, &self.request.payload)
        {
            return verdict;
        }
        let (verdict, download) = Download::first(message, config);
        self.download = download;
        verdict
    }

    /// 4.13 with a smaller size: once, all over again with that size (RFC 7959 §2.9.3).
    fn restart_smaller(&mut self, message: &Message, tag: u32, config: &Config) -> bool {
        let hint = message.block1().filter(|block| !block.is_reserved() && config.blockwise.enable);
        let Some(hint) = hint.filter(|hint| hint.size() < self.request.payload.len()) else {
            return false;
        };
        let used = self.upload.as_ref().map_or(block::size(6) + 1, |upload| block::size(upload.exponent()));
        if hint.size() >= used || self.upload.as_ref().is_some_and(Upload::is_restarted) {
            return false;
        }
        self.upload = Some(Upload::restarted(hint.exponent, tag));
        true
    }

    /// A response with Observe establishes an observation.
    pub(crate) fn asks_to_observe(&self) -> bool {
        self.request.observe == Some(0) && self.purpose == Purpose::Command
    }
    pub(crate) fn is_acknowledged(&self) -> bool {
        matches!(self.phase, Phase::Acknowledged(_))
    }
    pub(crate) fn is_queued(&self) -> bool {
        matches!(self.phase, Phase::Queued(_))
    }
    /// The message with this id is in flight.
    pub(crate) fn is_unacknowledged(&self, id: u16) -> bool {
        matches!(&self.phase, Phase::Unacknowledged(retransmission) if retransmission.id == id)
    }
    /// Ordered requests must wait for it.
    pub(crate) fn occupies_the_line(&self) -> bool {
        self.urgency == Urgency::Ordered && matches!(self.phase, Phase::Unacknowledged(_))
    }
}
