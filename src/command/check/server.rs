//! The checks of the server, each with what the one before gave; what needs none of that is looked at all the same.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::super::{Surroundings, unlock};
use super::deep;
use super::findings::{CheckName, CheckOutcome, Findings};
use crate::delivery::sftp::{
    Credentials, GreetedServer, HostKeyCheck, KeyFacts, ReachedServer, RemoteDirectory, SftpError,
    SftpSession, SftpSettings, SftpStatus, Transport, Trust, TrustedServer, Way, resolve,
};
use crate::job::Delivery;
use crate::run::error::Error;

/// How closely the server is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Nothing is written.
    Look,
    /// An empty file is put there and removed.
    Probe,
    /// The speed and the requests that it accepts are measured too.
    Deep,
}

/// The names of the files that a check puts on the server: nobody else has them, and no importer takes them for a CSV.
pub(super) struct ProbeFiles {
    /// The remote folder, without a slash at its end.
    pub(super) directory: String,
    /// The beginning of each name.
    pub(super) stem: String,
}

impl ProbeFiles {
    /// The remote folder, as a server takes it.
    pub(super) fn folder(&self) -> &str {
        match self.directory.as_str() {
            "" => "/",
            folder => folder,
        }
    }

    /// The path of the file for this purpose.
    pub(super) fn path(&self, purpose: &str) -> String {
        format!("{}/{}-{purpose}.tmp", self.directory, self.stem)
    }
}

/// From the key file to the remote folder, and to files in it. The speed in MB/s, where it was measured.
pub(super) fn server(
    mut delivery: Delivery,
    can_log_in: bool,
    depth: Depth,
    stem: String,
    surroundings: &Surroundings,
    findings: &mut Findings,
) -> Option<f64> {
    let files = ProbeFiles {
        directory: delivery.directory.clone(),
        stem,
    };
    let session = to_folder(
        &mut delivery,
        can_log_in,
        depth,
        &files,
        surroundings,
        findings,
    );
    let mut session = match session {
        Ok(session) => session,
        Err(because) => {
            findings.skip(CheckName::Probe, because);
            if depth == Depth::Deep {
                findings.skip_all(&CheckName::OF_DEEP, because);
            }
            return None;
        }
    };
    if depth == Depth::Look {
        findings.skip(
            CheckName::Probe,
            "not requested; --probe puts an empty file there and removes it",
        );
        return None;
    }
    let is_put = put_and_remove(&files.path("probe"), &mut session, findings);
    if depth == Depth::Probe {
        return None;
    }
    if !is_put {
        findings.skip_all(&CheckName::OF_DEEP, "the server must take files first");
        return None;
    }
    deep::server(&delivery, &files, session, surroundings, findings)
}

/// From the key file to a session whose folder is there, or the reason for which no file can be put there.
fn to_folder(
    delivery: &mut Delivery,
    can_log_in: bool,
    depth: Depth,
    files: &ProbeFiles,
    surroundings: &Surroundings,
    findings: &mut Findings,
) -> Result<SftpSession, &'static str> {
    let can_log_in = key(&mut delivery.sftp, can_log_in, surroundings, findings);
    let settings = &delivery.sftp;
    // Opening a key may take as long as a login may.
    let credentials = can_log_in.then(|| Credentials::load(settings));
    let begun = findings.checks.len();
    let trusted = trusted(
        settings,
        &delivery.from_ssh_config,
        depth,
        surroundings,
        findings,
    );
    // Those that need one which failed.
    for name in CheckName::OF_SERVER
        .into_iter()
        .take(4)
        .skip(findings.checks.len() - begun)
    {
        findings.skip(name, "the check above must succeed first");
    }
    let Some(mut trusted) = trusted else {
        let because = "the server must be reached and its key accepted first";
        findings.skip_all(
            &[CheckName::Methods, CheckName::Login, CheckName::Directory],
            because,
        );
        return Err(because);
    };
    let methods = trusted.methods().map_err(Error::from);
    let methods = findings.note(CheckName::Methods, methods, |methods| {
        format!("the server offers {methods}").into()
    });
    let session = match (methods, credentials) {
        (Some(_), Some(credentials)) => log_in(settings, trusted, credentials, findings),
        (None, _) => {
            findings.skip(CheckName::Login, "the check above must succeed first");
            None
        }
        (_, None) => {
            findings.skip(
                CheckName::Login,
                "the secrets and the key must be right first",
            );
            None
        }
    };
    let Some(mut session) = session else {
        let because = "the login must work first";
        findings.skip(CheckName::Directory, because);
        return Err(because);
    };
    if directory(settings, files.folder(), &mut session, findings) {
        Ok(session)
    } else {
        Err("the directory must be there first")
    }
}

/// Whether there is something to log in with.
pub(super) fn key(
    sftp: &mut SftpSettings,
    can_log_in: bool,
    surroundings: &Surroundings,
    findings: &mut Findings,
) -> bool {
    if !can_log_in {
        findings.skip(CheckName::Key, "the secrets must be set first");
        return false;
    }
    let instead = match (&sftp.authentication.agent, &sftp.authentication.password) {
        (Some(_), _) => "no key file is named; the ssh-agent is used",
        (None, _) => "no key file is named; the password is used",
    };
    let unlocked = unlock(sftp, surroundings);
    let unlocked = findings.note(CheckName::Key, unlocked, |facts| match facts {
        Some(facts) => describe_key(facts).into(),
        None => instead.to_owned().into(),
    });
    unlocked.is_some()
}

fn describe_key(facts: &KeyFacts) -> String {
    let mut text = facts.path.display().to_string();
    if let Some(key_type) = &facts.key_type {
        text.push_str(": ");
        text.push_str(key_type);
    }
    if let Some(fingerprint) = facts.fingerprint {
        text.push(' ');
        text.push_str(&fingerprint.to_string());
    }
    if facts.encrypted {
        text.push_str(", the passphrase is right");
    }
    text
}

/// From the name to a server whose host key is accepted.
fn trusted<'a>(
    settings: &'a SftpSettings,
    from_ssh_config: &[String],
    depth: Depth,
    surroundings: &Surroundings,
    findings: &mut Findings,
) -> Option<TrustedServer<'a>> {
    let resolved = resolve(settings).map_err(Error::from);
    let addresses = findings.note(CheckName::Address, resolved, |addresses| {
        let notes = from_ssh_config
            .iter()
            .map(|setting| format!("from ssh-config: {setting}"));
        CheckOutcome::ok(describe_addresses(settings, addresses), notes.collect())
    })?;
    let begun = Instant::now();
    let interrupt = surroundings.interrupt.without_grace();
    let reached = ReachedServer::dial(settings, &addresses, &interrupt).map_err(Error::from);
    let reached = findings.note(CheckName::Connection, reached, |reached| {
        let milliseconds = begun.elapsed().as_millis();
        match (&settings.way, &reached.hops[..]) {
            (Way::Direct, [address]) => format!("{address} answered in {milliseconds} ms").into(),
            (_, hops) => {
                let detail = format!(
                    "the way to {} was open in {milliseconds} ms",
                    settings.server()
                );
                let hops = hops.iter().map(|hop| format!("by way of {hop}"));
                CheckOutcome::ok(detail, hops.collect())
            }
        }
    })?;
    // It decides which type of key the server is asked for.
    let known = match HostKeyCheck::load(settings) {
        Ok(known) => known,
        Err(error) => {
            findings.skip(
                CheckName::Greeting,
                "the known_hosts files must be readable first",
            );
            findings.note(CheckName::HostKey, Err(error.into()), |(): &()| {
                String::new().into()
            });
            return None;
        }
    };
    let greeted = reached.greet(&known).map_err(Error::from);
    let greeted = findings.note(
        CheckName::Greeting,
        greeted,
        |GreetedServer { banner, cipher, .. }| {
            let by = match settings.transport {
                Transport::Russh => "",
                #[cfg(feature = "ssh2")]
                Transport::Ssh2 => ", by libssh2",
            };
            format!("{banner}, {cipher}{by}").into()
        },
    )?;
    let judged = greeted.trust(&known).map_err(Error::from);
    findings.note(CheckName::HostKey, judged, |trusted| {
        let key = &trusted.host_key;
        let why = match &key.trust {
            Trust::Known { file, line } => format!("known by {}:{line}", file.display()),
            Trust::Pinned => "pinned".to_owned(),
            Trust::Added { file } => format!("was unknown, now added to {}", file.display()),
        };
        let detail = format!("{} {}, {why}", key.key_type, key.fingerprint);
        let is_to_pin = depth == Depth::Deep && key.trust != Trust::Pinned;
        let pin = is_to_pin.then(|| {
            format!(
                "host-key = [\"{}\"] in [sftp] would pin it",
                key.fingerprint
            )
        });
        CheckOutcome::ok(detail, pin.into_iter().collect())
    })
}

/// The addresses, and which host they are of.
fn describe_addresses(settings: &SftpSettings, addresses: &[SocketAddr]) -> String {
    let host = match &settings.way {
        Way::Direct => &settings.host,
        Way::Program(_) => return format!("the program finds {}", settings.host),
        Way::Proxy(proxy) => &proxy.host,
        Way::Jump(jump) => return describe_addresses(jump, addresses),
    };
    let addresses: Vec<String> = addresses
        .iter()
        .map(|address| address.ip().to_string())
        .collect();
    format!("{host} is {}", addresses.join(", "))
}

fn log_in(
    settings: &SftpSettings,
    trusted: TrustedServer<'_>,
    credentials: Result<Credentials<'_>, SftpError>,
    findings: &mut Findings,
) -> Option<SftpSession> {
    let session = credentials
        .and_then(|credentials| trusted.log_in(&credentials))
        .map_err(Error::from);
    findings.note(CheckName::Login, session, |_| {
        format!("{} can log in", settings.username).into()
    })
}

/// Whether a file can be put there, as far as the server tells.
fn directory(
    settings: &SftpSettings,
    folder: &str,
    session: &mut SftpSession,
    findings: &mut Findings,
) -> bool {
    let looked = session.directory(folder).and_then(|found| match found {
        RemoteDirectory::Missing => Err(SftpError::OpenRefused {
            server: settings.server(),
            remote_path: folder.to_owned(),
            status: SftpStatus::NO_SUCH_FILE,
        }),
        found => Ok(found),
    });
    let looked =
        findings.note(
            CheckName::Directory,
            looked.map_err(Error::from),
            |found| match found {
                RemoteDirectory::Unclear(why) => CheckOutcome::unknown(
                    format!("{folder}: the server does not say whether it is there"),
                    vec![format!(
                        "its answer: {why}; it may accept files anyway: --probe tests it"
                    )],
                ),
                _ => CheckOutcome::warned(
                    format!("{folder} is there"),
                    not_for_profiles(folder).into_iter().collect(),
                ),
            },
        );
    looked.is_some()
}

/// Klaviyo's folder for files of events (facts: "two remote directories are visible after login").
const EVENTS: &str = "/events";

/// A warning about a folder whose files Klaviyo does not take for profiles.
fn not_for_profiles(folder: &str) -> Option<String> {
    let rest = folder.strip_prefix(EVENTS)?;
    (rest.is_empty() || rest.starts_with('/')).then(|| {
        "Klaviyo reads files in /events as events, not as profiles: write directory = \"/profiles\" in [sftp]"
            .to_owned()
    })
}

/// Open, close and remove, as an upload does it, without a byte in between. Whether the file was put there.
fn put_and_remove(path: &str, session: &mut SftpSession, findings: &mut Findings) -> bool {
    let put = session.put(path, &mut io::empty(), 0, &mut |_| {});
    let put = put.map(|()| removed(session, path)).map_err(Error::from);
    let put = findings.note(CheckName::Probe, put, |note| match note {
        None => format!("{path} was put there and removed").into(),
        Some(note) => CheckOutcome::warned(format!("{path} was put there"), vec![note.clone()]),
    });
    put.is_some()
}

/// Removes a file that a check has put there. A note where that failed.
pub(super) fn removed(session: &mut SftpSession, path: &str) -> Option<String> {
    let error = session.remove(path).err()?;
    Some(format!(
        "{path} could not be removed, and stays there: {error}"
    ))
}
