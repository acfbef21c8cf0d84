//! The one way to send to an actor: mailboxes are bounded, and what finds no room is counted.
use crate::metrics::{self, Counter};
use actix::dev::{MessageResponse, ToEnvelope};
use actix::fut::wrap_future;
use actix::prelude::{Actor, Addr, AsyncContext, Context, Handler, Message, SendError};

/// Capacity of a device's mailbox: a burst of notifications, or a batch of commands. Beyond it CoAP repeats.
pub(crate) const DEVICE: usize = 256;
/// Capacity of the registry's: first contacts during a registration storm.
pub(crate) const REGISTRY: usize = 16_384;
/// Capacity of a listener's: route changes.
pub(crate) const LISTENER: usize = 16_384;
/// Capacity of the bridge's: changes of the connection.
pub(crate) const BRIDGE: usize = 256;

/// An actor with a counter for what its mailbox refused.
pub(crate) trait Receiver: Actor {
    /// The counter.
    const REFUSED: &'static Counter;
}

impl Receiver for crate::device::Device {
    const REFUSED: &'static Counter = &metrics::REFUSED_DEVICE;
}
impl Receiver for crate::registry::Registry {
    const REFUSED: &'static Counter = &metrics::REFUSED_REGISTRY;
}
impl Receiver for crate::listener::Listener {
    const REFUSED: &'static Counter = &metrics::REFUSED_LISTENER;
}
impl Receiver for crate::bridge::Bridge {
    const REFUSED: &'static Counter = &metrics::REFUSED_BRIDGE;
}

/// Why a message was not taken; it comes back.
#[derive(Debug)]
pub(crate) enum Refused<M> {
    /// No room.
    Full(M),
    /// The actor is gone.
    Gone(M),
}

/// Sends if there is room.
pub(crate) fn offer<A, M>(to: &Addr<A>, message: M) -> Result<(), Refused<M>>
where
    A: Receiver + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    to.try_send(message).map_err(|error| match error {
        SendError::Full(message) => {
            A::REFUSED.increment();
            Refused::Full(message)
        }
        SendError::Closed(message) => Refused::Gone(message),
    })
}

/// Sends, waiting for room if need be: for the few messages between actors that nobody repeats. What waits is bounded by the number of
/// senders times the few such messages that each can have.
pub(crate) fn insist<S, A, M>(from: &mut Context<S>, to: &Addr<A>, message: M)
where
    S: Actor<Context = Context<S>>,
    A: Receiver + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send + MessageResponse<A, M>,
{
    if let Err(Refused::Full(message)) = offer(to, message) {
        let to = to.clone();
        from.spawn(wrap_future::<_, S>(async move {
            // Gone meanwhile: nobody is there to be told.
            let _ = to.send(message).await;
        }));
    }
}

/// Sends and waits until it was handled; `false`: the actor is gone.
pub(crate) async fn deliver<A, M>(to: &Addr<A>, message: M) -> bool
where
    A: Receiver + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    to.send(message).await.is_ok()
}
