//! `lwm2m-gateway`: LwM2M devices on one side, JSON over MQTT on the other. This crate only wires: command line,
//! configuration, log, signals, and the one file that starts the actors.
#![forbid(unsafe_code)]

mod assembly;
mod broker;
mod cli;
mod config;
mod definitions;
mod demo;
mod exit;
mod logging;
mod serve;
mod signals;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os())
}
