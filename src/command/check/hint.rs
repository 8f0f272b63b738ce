//! The subcommand about a check that failed.

use super::findings::CheckName;
use crate::cli::command_line::CommandLine;
use crate::delivery::sftp::SftpError;
use crate::run::error::Error;
use crate::state::manifest::StateError;

/// Advice on a failure: what the error itself says, else what helps against most failures of this check.
pub(super) fn hint(
    name: CheckName,
    error: &Error,
    base_url: &str,
    check: &CommandLine,
) -> Option<String> {
    if let Error::Sftp(error) = error
        && let Some(hint) = error.hint()
    {
        return Some(hint);
    }
    let is_network = matches!(error, Error::List(error) if error.is_of_the_moment());
    if let Error::List(error) = error
        && let Some(hint) = error.hint()
        && !is_network
    {
        return Some(hint);
    }
    if let Error::OtherJob { .. } = error {
        return error.hint();
    }
    let server = match error {
        Error::Sftp(
            SftpError::Connect { server, .. }
            | SftpError::Handshake { server, .. }
            | SftpError::Lost { server, .. }
            | SftpError::TimedOut { server, .. },
        ) => server.as_str(),
        _ => "",
    };
    let typed = server.rsplit_once(':').unwrap_or((server, ""));
    let typed = (typed.0.trim_matches(['[', ']']), typed.1);
    Some(match (name, error) {
        (
            CheckName::Secrets | CheckName::ApiKey,
            Error::Job(crate::job::JobError::Unset { variable, .. }),
        ) => {
            format!("export {variable}=…, or write it into the EnvironmentFile of the systemd unit")
        }
        (CheckName::ApiKey, _) => {
            "make a private key in Klaviyo under Settings, API keys, write it into a file of its own, and: chmod 600 FILE"
                .to_owned()
        }
        (CheckName::List, _) => {
            "the address of the list's page in Klaviyo contains its id; the name must be the same as in Klaviyo"
                .to_owned()
        }
        (CheckName::Account, _) if is_network => format!(
            "check the network, the firewall and the proxy of this machine (the variable HTTPS_PROXY): curl -sSI {base_url}"
        ),
        // Another place would not know whom `mirror = "tracked"` has put on the list.
        (CheckName::State, Error::State(StateError::Damaged { .. } | StateError::Newer { .. })) => {
            let fresh = check.clone().without("--probe").command("run").with(["--fresh"]);
            format!("restore it from a backup, or start over (the members that mirror = \"tracked\" knows are kept): {fresh}")
        }
        (CheckName::State, _) => {
            "free space there or correct its permissions, or name another place with --state-dir"
                .to_owned()
        }
        (CheckName::Address, Error::Sftp(SftpError::Resolve { host, .. })) => {
            format!("check the host name and the network: getent hosts {host}")
        }
        (CheckName::Connection, _) => format!(
            "check that the server is up, and that no firewall blocks the connection: nc -vz {} {}",
            typed.0, typed.1
        ),
        (CheckName::Greeting | CheckName::Methods, _) => format!(
            "check that it is an SSH server; some servers drop unknown addresses without a message: ssh -v -p {} {}",
            typed.1, typed.0
        ),
        _ => return None,
    })
}
