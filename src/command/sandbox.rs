//! `sandbox`: the built-in SFTP server and the Klaviyo API beside it, alone, to point jobs and programs at.

use std::path::PathBuf;
use std::time::Duration;

use super::Surroundings;
use crate::cli::SandboxArgs;
use crate::cli::command_line::CommandLine;
use crate::run::error::Error;
use klaviyo_export_sandbox::api::{Api, ApiCall, ApiSettings};
use klaviyo_export_sandbox::{Event, Faults, Sandbox, SandboxSettings};

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
        api: ApiSettings {
            port: args.api_port,
            ..ApiSettings::default()
        },
    };
    let sandbox = Sandbox::start(settings).map_err(|error| Error::Sandbox(error.into()))?;
    surroundings.console.result(&job_section(&sandbox));
    surroundings.console.result(&api_section(sandbox.api()));
    surroundings.console.note(&format!(
        "serving SFTP on {} and the API on {}; what is uploaded appears in {}; end it with ctrl-c",
        sandbox.address(),
        sandbox.api().base_url(),
        sandbox.profiles().display()
    ));
    surroundings
        .console
        .note(&format!("next: {}", send_command(&sandbox)));
    let mut told = (0, 0);
    let mut serving = true;
    while serving {
        // What came in just before the signal is told as well.
        serving = surroundings.interrupt.sleep(LOOK);
        told = tell_news(&sandbox, surroundings, told.0, told.1);
    }
    Ok(())
}

/// Says what came in since the events and calls with these numbers; gives the next numbers.
fn tell_news(sandbox: &Sandbox, surroundings: &Surroundings, event: u64, call: u64) -> (u64, u64) {
    let console = &surroundings.console;
    let (events, next_event) = sandbox.journal_since(event);
    for event in events {
        match event {
            Event::Closed { path, bytes } => {
                console.note(&format!("received {path}, {bytes} bytes"));
            }
            Event::PartialStored { path, bytes } => {
                console.note(&format!("received the beginning of {path}, {bytes} bytes"));
            }
            _ => {}
        }
    }
    let (calls, next_call) = sandbox.api().journal_since(call);
    for ApiCall {
        method,
        path,
        status,
        ..
    } in calls
    {
        let status = status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
        let path = path.escape_debug();
        console.note(&format!("answered {method} {path} with {status}"));
    }
    (next_event, next_call)
}

/// How `send` reaches both halves of `sandbox`.
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
        "--list",
        "VIP",
        "--create-list",
        "--api-key-file",
        &sandbox.api().key_file().to_string_lossy(),
        "--api-url",
        sandbox.api().base_url(),
    ])
}

/// The section of a job file that reaches `sandbox`.
fn job_section(sandbox: &Sandbox) -> String {
    format!(
        "[sftp]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"{}\"\nprivate-key = \"{}\"\nknown-hosts = [\"{}\"]\n",
        sandbox.address().port(),
        sandbox.username(),
        sandbox.private_key().display(),
        sandbox.known_hosts().display(),
    )
}

/// The section of a job file that reaches its API.
fn api_section(api: &Api) -> String {
    format!(
        "[klaviyo]\nbase-url = \"{}\"\napi-key-file = \"{}\"\n",
        api.base_url(),
        api.key_file().display(),
    )
}

/// `path` as seen from everywhere: the job file that is printed may be used in another folder.
fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
