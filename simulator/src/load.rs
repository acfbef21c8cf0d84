//! Load: very many lean devices in one thread.
//!
//! A [`Fleet`] is not made of [`crate::Device`]s. Its members know their location, their observations and nothing else;
//! what they answer is fixed. So 50,000 of them idle in little memory, and one thread sends tens of thousands of
//! notifications a second. Every call is bounded by a count or a time.

mod fleet;
mod member;
mod network;
mod statistics;

pub use fleet::{Fleet, Flow, Plan, registration_storm};
pub use statistics::{Latencies, Statistics};
