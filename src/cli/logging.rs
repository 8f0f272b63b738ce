//! Log lines on stderr: `-q` warnings, by default one line per stage and part, `-v` more. `RUST_LOG` stands in where
//! neither flag is given.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::base::environment::Environment;
use crate::cli::console::Console;
use crate::cli::{Cli, LogFormat};

/// Starts the log of this process.
pub(crate) fn start(cli: &Cli, console: &Console, environment: &Environment) {
    let from_environment = environment.get("RUST_LOG");
    let filter = match (cli.quiet, cli.verbose) {
        (true, _) => "warn",
        (false, 0) => match from_environment {
            Some(filter) => filter,
            None if console.is_watched() && cli.log_format == LogFormat::Text => "warn",
            None => "info",
        },
        (false, 1) => "klaviyo_export=debug,info",
        (false, _) => "klaviyo_export=trace,debug",
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(console.clone())
        .with_target(false)
        // A stderr that nobody reads any more is no reason to end.
        .log_internal_errors(false);
    let started = match cli.log_format {
        LogFormat::Text => log.with_ansi(console.logs_in_colour()).finish().try_init(),
        LogFormat::Json => log.json().flatten_event(true).finish().try_init(),
    };
    // A log that a test has started already stays as it is.
    drop(started);
}
