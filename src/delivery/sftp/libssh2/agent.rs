//! Identities of an ssh-agent by libssh2, which waits for the agent in a call that cannot be ended: it is made on a thread of
//! its own, that is left behind where the agent stays silent.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use russh::client::AuthResult;
use ssh2::{Agent, ErrorCode, PublicKey, Session};
use tokio::sync::oneshot;

use super::{Libssh2, code, code_of, of};
use crate::delivery::sftp::SshError;
use crate::delivery::sftp::peer::AgentFault;

/// The beginning of what libssh2 says where the agent does not sign; the number of the error is that of a refusal.
const UNSIGNED: &str = "Callback";

/// One identity of a connection to the agent.
struct AgentKey {
    agent: Agent,
    identity: PublicKey,
}

impl Libssh2 {
    /// Offers an identity, and lets the agent sign if the server would take it. `asked` is set while the agent may be asked.
    pub(in crate::delivery::sftp) async fn give_identity(
        &self,
        username: &str,
        blob: &[u8],
        socket: Option<&Path>,
        asked: &mut Option<Instant>,
    ) -> Result<AuthResult, AgentFault> {
        let known = self.first_ask(username).await.map_err(AgentFault::Ssh)?;
        if let AuthResult::Success = known {
            return Ok(AuthResult::Success);
        }
        let session = self.session.clone();
        let (blob, socket) = (blob.to_vec(), socket.map(Path::to_path_buf));
        *asked = Some(Instant::now());
        let held = apart(move || hold(&session, &blob, socket)).await?;
        let mut held = held.map_err(|error| AgentFault::Unsigned(error.message().to_owned()))?;
        let error = loop {
            let username = username.to_owned();
            *asked = Some(Instant::now());
            let (answer, back) = apart(move || {
                let answer = held.agent.userauth(&username, &held.identity);
                (answer, held)
            })
            .await?;
            *asked = None;
            held = back;
            match answer {
                Ok(()) => return Ok(AuthResult::Success),
                Err(error) if error.code() == ErrorCode::Session(code::EAGAIN) => {}
                Err(error) => break error,
            }
            self.ready().await;
        };
        drop(held);
        let is_unsigned = code_of(&error) == code::AGENT_PROTOCOL
            || code_of(&error) == code::PUBLICKEY_UNVERIFIED
                && error.message().starts_with(UNSIGNED);
        if is_unsigned {
            return Err(AgentFault::Unsigned(of(&error).to_string()));
        }
        let refusal = self.refusal(username, &error).await;
        refusal.map_err(AgentFault::Ssh)
    }
}

/// Connects to the agent, and finds the identity again.
fn hold(session: &Session, blob: &[u8], socket: Option<PathBuf>) -> Result<AgentKey, ssh2::Error> {
    let mut agent = session.agent()?;
    if let Some(socket) = socket {
        agent.set_identity_path(&socket)?;
    }
    agent.connect()?;
    agent.list_identities()?;
    let identities = agent.identities()?;
    let identity = identities.into_iter().find(|held| held.blob() == blob);
    let gone = || ssh2::Error::new(ErrorCode::Session(code::AGENT_PROTOCOL), "it is gone");
    Ok(AgentKey {
        identity: identity.ok_or_else(gone)?,
        agent,
    })
}

/// Does something on a thread of its own.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AgentFault> {
    let (tell, told) = oneshot::channel();
    let started = thread::Builder::new().spawn(move || {
        let _ = tell.send(work());
    });
    started.map_err(|error| AgentFault::Ssh(SshError::Other(error.to_string().into())))?;
    told.await.map_err(|_| AgentFault::Ssh(SshError::Closed))
}
