//! The `klaviyo-export` program: reads the command line, calls the library, turns the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use klaviyo_export::cli::Cli;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => ExitCode::from(klaviyo_export::run(cli)),
        Err(error) => {
            // A reader of the help text that went away is no error.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}
