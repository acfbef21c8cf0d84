//! The command line: one file per command.
mod check;
mod demo;
mod objects;
mod output;
mod run;
mod schema;

use crate::exit::Exit;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// LwM2M devices on one side, JSON over MQTT on the other.
#[derive(Debug, Parser)]
#[command(name = "lwm2m-gateway", version, propagate_version = false, disable_help_subcommand = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit status: 0 ended well, 1 findings in object definitions, 64 wrong command line, 70 could not start or go on, \
                          78 wrong configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway in the foreground. SIGTERM drains and ends it, SIGHUP reloads definitions, log level and policies.
    Run {
        /// The configuration, TOML.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration and the object definitions that it names; print everything that is wrong.
    Check {
        /// The configuration, TOML.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Work with object definitions.
    Objects {
        #[command(subcommand)]
        command: ObjectsCommand,
    },
    /// Print the JSON Schema of the MQTT messages: commands, and what comes back.
    Schema,
    /// Show the gateway at work: built-in broker, simulated devices, and the MQTT traffic in plain words.
    Demo {
        /// The configuration; its ports are replaced by the next free ones when they are taken.
        #[arg(long, value_name = "FILE", default_value = "conf/demo.toml")]
        config: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum ObjectsCommand {
    /// Read every definition file of a folder; print one line for each that has a problem, then a summary.
    Check {
        /// The folder.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// Understands the command line, does it, and says how it ended.
pub(crate) fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let exit = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => match arguments.command {
            Command::Run { config } => run::run(&config),
            Command::Check { config } => check::check(&config),
            Command::Objects { command: ObjectsCommand::Check { folder } } => objects::check(&folder),
            Command::Schema => schema::schema(),
            Command::Demo { config } => demo::demo(&config),
        },
        Err(error) => {
            // Without a terminal to print to there is nobody to tell.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }
        }
    };
    exit.into()
}
