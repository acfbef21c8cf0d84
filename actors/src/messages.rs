//! All messages between actors, and what happens when a mailbox is full.
//!
//! | Message | From | To | Reply | When the mailbox is full |
//! |---|---|---|---|---|
//! | [`Datagram`] | listener, registry | device | – | dropped and counted; CoAP repeats |
//! | [`FirstContact`] | listener, device | registry | – | dropped and counted; CoAP repeats |
//! | [`Route`], [`Unroute`] | registry | listener | – | waits for room |
//! | [`Seal`] | device, registry | secure listener | – | dropped and counted; CoAP repeats |
//! | [`Renew`] | gateway | secure listener | what is wrong with the files | waits for room |
//! | [`Settle`] | gateway | secure listener | when all is stored | waits for room |
//! | [`Begin`] | registry | device | – | waits for room (it is always the first) |
//! | [`Registered`], [`Updated`], [`Moved`], [`Ended`] | device | registry | – | waits for room |
//! | [`Adopt`] | gateway | registry | when it knows all devices of the store | waits for room |
//! | [`Stopping`] → [`Leave`] | device → registry → device | | – | waits for room |
//! | [`DeviceDied`] → [`Crashed`] | device → listener → registry | | – | counted; the next datagram finds the device gone |
//! | [`Command`] | intake | registry | – | holds the broker back for 5 s, then answered `5.03` |
//! | [`ClearRetained`] | intake | registry | – | dropped; the retained command is delivered once more |
//! | [`Submit`] | registry | device | – | answered `5.03`; after a restart it waits for room |
//! | `Publication` | device, registry, intake | outbox → bridge | taken (and stored) or not, at once | by class, see `bridge/publisher.rs`; notifications are collected for 1 ms |
//! | [`Settled`] | bridge | device | – | dropped and counted; the device repeats its notification (only where the store takes nothing) |
//! | [`End`], [`Reload`], [`Rest`], [`Abandon`] | registry | device | – | waits for room |
//! | [`ReloadAll`], [`RestAll`], [`AbandonAll`] | gateway | registry | when all devices are told | waits for room |
//! | [`Drain`] | gateway | bridge | publications left | waits for room |
//! | [`Find`], [`List`] | HTTP | registry | link / page | waits for room |
//! | [`Inspect`] | HTTP | device | state | waits at most 2 s |
//!
//! Order: what one actor sends to another arrives in order. A device tells the registry of its registration before it publishes
//! `register`, and the bridge publishes in the order in which the outbox was filled, so a command in reaction to `register` finds its device.
#![expect(unused_imports, reason = "named for the links of the table")]

pub(crate) use crate::bridge::Drain;
pub(crate) use crate::device::{Abandon, Begin, Datagram, End, Inspect, Leave, Reload, Rest, Settled, Submit};
pub(crate) use crate::listener::{DeviceDied, Renew, Route, Seal, Settle, Unroute};
pub(crate) use crate::registry::{
    AbandonAll, Adopt, ClearRetained, Command, Crashed, Ended, Find, FirstContact, List, Moved, Registered, ReloadAll,
    RestAll, Stopping, Updated,
};
