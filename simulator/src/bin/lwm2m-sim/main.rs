//! `lwm2m-sim`: simulated LwM2M devices on the command line.

mod behaviour;
mod load;
mod run;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Simulated LwM2M devices.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A few whole devices with living values, objects of your own and faults.
    Run(run::Run),
    /// Very many lean devices: registration storms, notifications at a rate, idle fleets.
    Load(load::Load),
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let outcome = match Arguments::parse().command {
        Command::Run(run) => run::main(&run),
        Command::Load(load) => load::main(&load),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lwm2m-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a duration: `500ms`, `2s`, `5m`, `1h`, or seconds without unit.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is not a duration such as 500ms, 2s, 5m"))?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(format!("`{unit}` is not one of ms, s, m, h")),
    };
    std::time::Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
