//! Any sequence of datagrams and calls.
#![no_main]
#[path = "../drivers.rs"]
#[allow(dead_code)]
mod drivers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drivers::datagrams(data));
