//! Asks the person at the controlling terminal for a secret.
//!
//! Written on termios and not taken from a crate: those that there are (`rpassword`, `dialoguer`) read on after a signal
//! that the program catches, so that ctrl-C at the prompt would do nothing.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::base::interrupt::Interrupt;
use crate::base::secret::Secret;

/// How often the interrupt is looked at.
const SLICE: Duration = Duration::from_millis(100);
/// The longest line that a terminal passes on at once (Linux, `N_TTY_BUF_SIZE`).
const MAX_LINE_BYTES: usize = 4096;

/// The line that is typed after `prompt`, without echo. `None` when there is no terminal, at its end of file (ctrl-D), or
/// when a signal comes; the terminal echoes again in any case.
pub fn ask_secret(prompt: &str, interrupt: &Interrupt) -> Option<Secret> {
    let path = "/dev/tty";
    let mut terminal = OpenOptions::new().read(true).write(true).open(path).ok()?;
    let silence = Silence::of(&terminal)?;
    terminal.write_all(prompt.as_bytes()).ok()?;
    let line = read_line(&mut terminal, interrupt);
    drop(silence);
    // The line end that was not echoed.
    terminal.write_all(b"\n").ok()?;
    line
}

fn read_line(terminal: &mut File, interrupt: &Interrupt) -> Option<Secret> {
    let slice = Timespec::try_from(SLICE).ok();
    let mut line = Vec::new();
    while !interrupt.is_raised() {
        let mut sockets = [PollFd::new(terminal, PollFlags::IN)];
        if !matches!(poll(&mut sockets, slice.as_ref()), Ok(1..)) {
            continue;
        }
        let mut piece = [0; MAX_LINE_BYTES];
        let read = terminal.read(&mut piece).ok().filter(|read| *read > 0)?;
        line.extend_from_slice(&piece[..read]);
        if let Some(text) = line.strip_suffix(b"\n") {
            return String::from_utf8(text.to_vec()).ok().map(Secret::new);
        }
    }
    None
}

/// A terminal that does not echo as long as this lives.
struct Silence {
    terminal: File,
    before: Termios,
}

impl Silence {
    fn of(terminal: &File) -> Option<Self> {
        let before = tcgetattr(terminal).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        let silence = Self {
            terminal: terminal.try_clone().ok()?,
            before,
        };
        // What was typed before the prompt is no answer to it.
        tcsetattr(terminal, OptionalActions::Flush, &silent).ok()?;
        Some(silence)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.before);
    }
}
