//! SIGINT and SIGTERM, passed on to the [`Interrupt`] of the run.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::base::interrupt::Interrupt;

/// Watches for the rest of the process's life. Without a watcher the system's default holds: the signal kills.
pub(crate) fn watch(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    match Signals::new([SIGINT, SIGTERM]) {
        Ok(mut signals) => {
            std::thread::spawn(move || {
                for signal in &mut signals {
                    tracing::warn!(
                        "signal {signal}: stopping; the current part may finish within 10 s"
                    );
                    interrupt.raise(signal);
                }
            });
        }
        Err(error) => tracing::warn!("cannot watch for signals: {error}"),
    }
}
