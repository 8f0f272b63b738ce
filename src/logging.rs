//! Log lines on stderr: `-q` warnings, by default one line per stage and part, `-v` more; `RUST_LOG` wins.

use tracing_subscriber::EnvFilter;

use crate::cli::Cli;
use crate::command::Surroundings;

/// Starts the log of this process.
pub(crate) fn start(cli: &Cli, surroundings: &Surroundings) {
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => "warn",
        (false, 0) if surroundings.console.is_watched() => "warn",
        (false, 0) => "info",
        (false, 1) => "klaviyo_export=debug,info",
        (false, _) => "klaviyo_export=trace,debug",
    };
    let filter = surroundings.environment.get("RUST_LOG").unwrap_or(level);
    let colours =
        surroundings.console.is_watched() && surroundings.environment.get("NO_COLOR").is_none();
    let started = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(surroundings.console.clone())
        .with_ansi(colours)
        .with_target(false)
        // A stderr that nobody reads any more is no reason to end.
        .log_internal_errors(false)
        .try_init();
    // A log that a test has started already stays as it is.
    drop(started);
}
