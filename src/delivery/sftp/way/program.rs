//! The way through a program's standard input and output, such as `ssh -W`.
//!
//! Both ends of the program are one socket, so that its end is noticed and its cut works as for a TCP connection. It is started
//! without a shell, in a process group of its own: Ctrl-C at the terminal lets the part in hand finish. The group is killed
//! when the session ends.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Carrier, Keeper, SftpError, SftpSettings, Stream, new_runtime};
use crate::delivery::sftp::error::printable;

/// How much of its standard error is kept: the last bytes.
const MOST_WORDS: usize = 4096;
/// The time for the end of its standard error, once its standard output has ended.
const GRACE: Duration = Duration::from_millis(500);
/// The distance of two looks at a program that has closed its output.
const SLICE: Duration = Duration::from_millis(10);

/// A fault of the program before anything was heard of a server.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It cannot be started.
    #[error("it cannot be started")]
    Start(#[source] io::Error),
    /// The socket to it cannot be made.
    #[error("no socket can be made for it")]
    Socket(#[source] io::Error),
}

/// A running program, killed on drop.
pub(in crate::delivery::sftp) struct Program {
    name: String,
    child: Mutex<Child>,
    /// Its standard error, once that has ended.
    words: Receiver<Vec<u8>>,
}

/// `argument` with `%h`, `%p` and `%r` replaced; `None` where it has another `%`.
pub fn expand(argument: &str, host: &str, port: u16, username: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = argument.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match rest.next()? {
            'h' => text.push_str(host),
            'p' => text.push_str(&port.to_string()),
            'r' => text.push_str(username),
            '%' => text.push('%'),
            _ => return None,
        }
    }
    Some(text)
}

/// Starts the program.
pub(super) fn open(command: &[String], settings: &SftpSettings) -> Result<Carrier, SftpError> {
    let name = command.first().cloned().unwrap_or_default();
    start(command, settings).map_err(|source| SftpError::ProxyCommand {
        program: printable(&name),
        server: settings.server(),
        source,
    })
}

fn start(command: &[String], settings: &SftpSettings) -> Result<Carrier, ProgramError> {
    let nothing = || ProgramError::Start(io::ErrorKind::InvalidInput.into());
    let expanded = command
        .iter()
        .map(|argument| expand(argument, &settings.host, settings.port, &settings.username));
    let expanded: Vec<String> = expanded.collect::<Option<_>>().ok_or_else(nothing)?;
    let (name, arguments) = expanded.split_first().ok_or_else(nothing)?;
    let (ours, theirs) = UnixStream::pair().map_err(ProgramError::Socket)?;
    let input = OwnedFd::from(theirs.try_clone().map_err(ProgramError::Socket)?);
    // The command holds the program's end until it is dropped: the end of the program would not be noticed.
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(input)
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(ProgramError::Start)?;
    let (tell, words) = bounded(1);
    if let Some(pipe) = child.stderr.take() {
        thread::spawn(move || {
            let _ = tell.send(last_bytes(pipe));
        });
    }
    let program = Program {
        name: printable(name),
        child: Mutex::new(child),
        words,
    };
    let runtime = new_runtime().map_err(ProgramError::Socket)?;
    let second = ours.try_clone().map_err(ProgramError::Socket)?;
    ours.set_nonblocking(true).map_err(ProgramError::Socket)?;
    let stream = {
        let _entered = runtime.enter();
        tokio::net::UnixStream::from_std(ours).map_err(ProgramError::Socket)?
    };
    let hop = format!(
        "program {}",
        printable(&shlex::try_join(command.iter().map(String::as_str)).unwrap_or_default())
    );
    Ok(Carrier {
        stream: Stream::Program(stream),
        socket: second.into(),
        runtime,
        keeper: Keeper::Program(program),
        hops: vec![hop],
    })
}

/// Reads to the end, and keeps the last bytes. The pipe is always emptied: a full one would stop the program.
fn last_bytes(mut pipe: impl io::Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut chunk = [0; MOST_WORDS];
    while let Ok(read @ 1..) = pipe.by_ref().read(&mut chunk) {
        kept.extend_from_slice(&chunk[..read]);
        let surplus = kept.len().saturating_sub(MOST_WORDS);
        kept.drain(..surplus);
    }
    kept
}

impl Program {
    /// The last line of its standard error and its exit status, if it has ended.
    pub(super) fn last_words(&self) -> Option<String> {
        let until = Instant::now() + GRACE;
        let words = self.words.recv_deadline(until).unwrap_or_default();
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // A process closes its files a moment before it can be waited for.
        let status = loop {
            match child.try_wait().ok()? {
                Some(status) => break status,
                None if Instant::now() >= until => return None,
                None => drop(crossbeam_channel::after(SLICE).recv()),
            }
        };
        let words = String::from_utf8_lossy(&words);
        let last = words.lines().map(str::trim).rfind(|line| !line.is_empty());
        let last = last.map_or_else(|| "it said nothing".to_owned(), printable);
        Some(format!("{} ended with {status}: {last}", self.name))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // One that was waited for has no process id any more that is its own.
        if let Ok(None) = child.try_wait() {
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_port_and_user_are_filled_in() {
        let filled = |argument| expand(argument, "h", 22, "ana");
        assert_eq!(filled("%h:%p").as_deref(), Some("h:22"));
        assert_eq!(filled("%r@100%%").as_deref(), Some("ana@100%"));
        for unknown in ["%C", "%", "a%d"] {
            assert_eq!(filled(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_last_bytes_of_many_are_kept() {
        let text = [vec![b'a'; 3 * MOST_WORDS], b"end".to_vec()].concat();
        let kept = last_bytes(&text[..]);
        assert!(kept.len() == MOST_WORDS && kept.ends_with(b"end"));
    }
}
