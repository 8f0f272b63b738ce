//! `sandbox`: the built-in SFTP server alone, to point jobs at.

use std::path::PathBuf;
use std::time::Duration;

use super::Surroundings;
use crate::cli::SandboxArgs;
use crate::command_line::CommandLine;
use crate::error::Error;
use crate::sandbox::{Event, Faults, Sandbox, SandboxSettings};

/// The user name that sandboxes take, of the form of Klaviyo's.
pub const USERNAME: &str = "SandBx_Usr001";

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Serves until a signal comes, and says on stderr what arrives.
pub fn sandbox(args: &SandboxArgs, surroundings: &Surroundings) -> Result<(), Error> {
    let settings = SandboxSettings {
        root: absolute(&args.directory),
        port: args.port,
        username: USERNAME.to_owned(),
        faults: Faults::none(),
    };
    let sandbox = Sandbox::start(settings)?;
    surroundings.console.result(&job_section(&sandbox));
    surroundings.console.note(&format!(
        "serving on {}; what is uploaded appears in {}; end it with ctrl-c",
        sandbox.address(),
        sandbox.profiles().display()
    ));
    surroundings
        .console
        .note(&format!("next: {}", send_command(&sandbox)));
    let mut told = 0;
    let mut serving = true;
    while serving {
        // What came in just before the signal is told as well.
        serving = surroundings.interrupt.sleep(LOOK);
        let (events, next) = sandbox.journal_since(told);
        for event in events {
            match event {
                Event::Closed { path, bytes } => surroundings
                    .console
                    .note(&format!("received {path}, {bytes} bytes")),
                Event::PartialStored { path, bytes } => {
                    surroundings
                        .console
                        .note(&format!("received the beginning of {path}, {bytes} bytes"));
                }
                _ => {}
            }
        }
        told = next;
    }
    Ok(())
}

/// How `send` reaches `sandbox`.
fn send_command(sandbox: &Sandbox) -> CommandLine {
    let to = format!(
        "sftp://{}@{}/profiles",
        sandbox.username(),
        sandbox.address()
    );
    CommandLine::new([
        "send",
        "FILE",
        "--to",
        &to,
        "--identity",
        &sandbox.private_key().to_string_lossy(),
        "--known-hosts",
        &sandbox.known_hosts().to_string_lossy(),
    ])
}

/// What to put into a job file to reach `sandbox`.
fn job_section(sandbox: &Sandbox) -> String {
    format!(
        "[sftp]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"{}\"\nprivate-key = \"{}\"\nknown-hosts = [\"{}\"]\n",
        sandbox.address().port(),
        sandbox.username(),
        sandbox.private_key().display(),
        sandbox.known_hosts().display(),
    )
}

/// `path` as seen from everywhere: the job file that is printed may be used in another folder.
fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
