//! Proofs of identity by libssh2, which tells neither the methods that are left nor that a proof was one of several: after a
//! refusal the server is asked for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{MutexGuard, PoisonError};

use russh::client::AuthResult;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Certificate, PrivateKey};
use russh::{MethodKind, MethodSet};
use ssh2::{KeyboardInteractivePrompt, Prompt, Session};

use super::{Libssh2, code, code_of, of};
use crate::base::secret::Secret;
use crate::delivery::sftp::SshError;
use crate::delivery::sftp::error::printable;
use crate::delivery::sftp::peer::MOST_QUESTIONS;

/// The beginning of what libssh2 says where the connection ended before the answer to a key; the number of the error is that of
/// a refusal.
const WAITING: &str = "Waiting for";
/// All that libssh2 says where the server asks for a new password and nobody is there to give one; the number of the error is
/// that of a refusal, whose text goes on.
const EXPIRED: &str = "Authentication failed";

impl Libssh2 {
    /// Asks how to log in; a server that wants no proof accepts the login at this question.
    pub(in crate::delivery::sftp) async fn ask_methods(
        &self,
        username: &str,
    ) -> Result<AuthResult, SshError> {
        let asked = self.ask(|session| {
            // The crate takes it for granted that names are UTF-8.
            let listed = catch_unwind(AssertUnwindSafe(|| {
                session.auth_methods(username).map(str::to_owned)
            }));
            match listed {
                _ if session.authenticated() => Ok(None),
                Ok(listed) => listed.map(Some),
                Err(_) => Ok(Some(String::new())),
            }
        });
        let Some(listed) = asked.await.map_err(|error| of(&error))? else {
            return Ok(AuthResult::Success);
        };
        let mut methods = MethodSet::empty();
        for method in listed.split(',').filter_map(|name| name.parse().ok()) {
            methods.push(method);
        }
        *self.known_methods() = Some(methods.clone());
        Ok(refused(methods, false))
    }

    /// Gives the password.
    pub(in crate::delivery::sftp) async fn give_password(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<AuthResult, SshError> {
        let password = password.reveal();
        self.prove(username, |session| {
            session.userauth_password(username, password)
        })
        .await
    }

    /// Gives the password as the answer to each question that is not shown as it is typed.
    pub(in crate::delivery::sftp) async fn answer_questions(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<AuthResult, SshError> {
        let mut answers = PasswordAnswers {
            password: password.reveal(),
            rounds: 0,
        };
        let proof = self.prove(username, |session| {
            let asked = session.userauth_keyboard_interactive(username, &mut answers);
            if answers.rounds > MOST_QUESTIONS && !session.authenticated() {
                // A refusal, after which nothing more is asked of the session.
                return Err(ssh2::Error::new(
                    ssh2::ErrorCode::Session(code::AUTHENTICATION_FAILED),
                    PasswordAnswers::TOO_MANY,
                ));
            }
            asked
        });
        proof.await
    }

    /// Offers a key, and signs with it if the server would take it.
    pub(in crate::delivery::sftp) async fn give_key(
        &self,
        username: &str,
        key: &PrivateKey,
    ) -> Result<AuthResult, SshError> {
        self.give(username, None, key).await
    }

    /// Offers a certificate of a key.
    pub(in crate::delivery::sftp) async fn give_certificate(
        &self,
        username: &str,
        certificate: &Certificate,
        key: &PrivateKey,
    ) -> Result<AuthResult, SshError> {
        let text = certificate
            .to_openssh()
            .map_err(|error| unreadable(&error))?;
        self.give(username, Some(&text), key).await
    }

    async fn give(
        &self,
        username: &str,
        public: Option<&str>,
        key: &PrivateKey,
    ) -> Result<AuthResult, SshError> {
        let text = key
            .to_openssh(LineEnding::LF)
            .map_err(|error| unreadable(&error))?;
        self.prove(username, |session| {
            session.userauth_pubkey_memory(username, public, &text, None)
        })
        .await
    }

    /// Gives a proof.
    async fn prove(
        &self,
        username: &str,
        proof: impl FnMut(&Session) -> Result<(), ssh2::Error>,
    ) -> Result<AuthResult, SshError> {
        if let AuthResult::Success = self.first_ask(username).await? {
            return Ok(AuthResult::Success);
        }
        match self.ask(proof).await {
            Ok(()) => Ok(AuthResult::Success),
            Err(error) => self.refusal(username, &error).await,
        }
    }

    /// Asks how to log in, unless that is known: the answer to the first proof is compared with it.
    pub(super) async fn first_ask(&self, username: &str) -> Result<AuthResult, SshError> {
        let known = self.known_methods().clone();
        match known {
            Some(methods) => Ok(refused(methods, false)),
            None => self.ask_methods(username).await,
        }
    }

    /// The meaning of a refused proof, or the error if it is none.
    pub(super) async fn refusal(
        &self,
        username: &str,
        error: &ssh2::Error,
    ) -> Result<AuthResult, SshError> {
        let before = self.known_methods().clone().unwrap_or(MethodSet::empty());
        match code_of(error) {
            // The key was not even asked to sign. Asking the server would count as one more failure of the few that it allows.
            code::AUTHENTICATION_FAILED if error.message().contains("PublicKey") => {
                return Ok(refused(before, false));
            }
            code::AUTHENTICATION_FAILED if error.message() == PasswordAnswers::TOO_MANY => {
                let left = MethodSet::from(&[MethodKind::KeyboardInteractive][..]);
                return Ok(refused(left, false));
            }
            code::PUBLICKEY_UNVERIFIED if error.message().starts_with(WAITING) => {
                return Err(SshError::Closed);
            }
            code::PASSWORD_EXPIRED => return Err(SshError::PasswordExpired),
            code::AUTHENTICATION_FAILED if error.message() == EXPIRED => {
                return Err(SshError::PasswordExpired);
            }
            code::AUTHENTICATION_FAILED | code::PUBLICKEY_UNVERIFIED => {}
            _ => return Err(of(error)),
        }
        Ok(match self.ask_methods(username).await {
            Ok(AuthResult::Failure {
                remaining_methods, ..
            }) => {
                let is_partial = remaining_methods != before;
                refused(remaining_methods, is_partial)
            }
            Ok(AuthResult::Success) => AuthResult::Success,
            // It was refused all the same; the next question finds the connection closed.
            Err(_) => refused(before, false),
        })
    }

    fn known_methods(&self) -> MutexGuard<'_, Option<MethodSet>> {
        self.methods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(remaining_methods: MethodSet, partial_success: bool) -> AuthResult {
    AuthResult::Failure {
        remaining_methods,
        partial_success,
    }
}

fn unreadable(error: &russh::keys::ssh_key::Error) -> SshError {
    SshError::Other(printable(&error.to_string()).into())
}

/// The password as the answer to questions.
struct PasswordAnswers<'a> {
    password: &'a str,
    /// How often the server has asked.
    rounds: usize,
}

impl PasswordAnswers<'_> {
    const TOO_MANY: &'static str = "too many questions";
}

impl KeyboardInteractivePrompt for PasswordAnswers<'_> {
    fn prompt(
        &mut self,
        _username: &str,
        _instructions: &str,
        prompts: &[Prompt<'_>],
    ) -> Vec<String> {
        self.rounds += 1;
        let answers = prompts.iter().map(|prompt| {
            if prompt.echo {
                String::new()
            } else {
                self.password.to_owned()
            }
        });
        answers.collect()
    }
}
