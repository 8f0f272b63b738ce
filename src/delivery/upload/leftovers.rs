//! The files of earlier attempts: one that turns out to be whole is adopted, the others are removed.

use std::time::{Duration, Instant};

use super::{Courier, Task, UploadError, uploaded};
use crate::delivery::sftp::{RemoteSize, Removal, SftpError};
use crate::state::manifest::{Attempt, AttemptState};
use crate::state::part::UploadedPart;

/// The longest look at the files of attempts whose CLOSE was not answered, before the part is sent again.
const LONGEST_LOOK: Duration = Duration::from_mins(1);
/// The first wait between two such looks; each next one is twice as long.
const FIRST_LOOK: Duration = Duration::from_millis(250);

impl Courier<'_> {
    /// Removes the remote files of broken and unconfirmed attempts of `task`; what cannot be removed keeps its state in the
    /// manifest. This goes on after a first signal: a cut file must not stay where it may be taken for a whole one.
    pub fn clean_up(&mut self, task: &mut Task) -> Result<(), UploadError> {
        self.remove(task, |attempt| {
            matches!(
                attempt.state,
                AttemptState::Broken | AttemptState::Unconfirmed
            )
        })
    }

    /// Removes whatever the broken attempts of a delivered part left, also where nothing was found before: a server may
    /// store a cut file only when it notices that the connection has ended.
    pub fn sweep(&mut self, task: &mut Task) -> Result<(), UploadError> {
        self.remove(task, |attempt| attempt.state != AttemptState::Closed)
    }

    fn remove(
        &mut self,
        task: &mut Task,
        wanted: impl Fn(&Attempt) -> bool,
    ) -> Result<(), UploadError> {
        let unhurried = self.route.interrupt.for_tidying_up();
        let mut reconnected = false;
        for index in 0..task.attempts.len() {
            if !wanted(&task.attempts[index]) || unhurried.must_stop_now() {
                continue;
            }
            let path = task.attempts[index].remote_path.clone();
            reconnected |= self.session.is_none();
            match self
                .connect_until(&unhurried)
                .and_then(|session| session.remove(&path))
            {
                // The file of a CLOSE that was not answered may appear later: that it is not there says nothing.
                Ok(Removal::NotThere)
                    if task.attempts[index].state == AttemptState::Unconfirmed => {}
                Ok(Removal::Removed | Removal::NotThere) => {
                    self.note_attempt(task, index, AttemptState::Removed)?;
                }
                Err(error) => {
                    tracing::warn!(part = %task.part.number, "cannot remove an incomplete file: {error}");
                    if !matches!(error, SftpError::Refused { .. }) {
                        self.session = None;
                        break;
                    }
                }
            }
        }
        if reconnected {
            // It does not listen to the run's interrupt.
            self.session = None;
        }
        Ok(())
    }

    /// Removes remote files that an earlier run left; gives back those that are still there.
    pub fn remove_all(&mut self, paths: &[String]) -> Vec<String> {
        let mut left = Vec::new();
        for path in paths {
            if self.route.interrupt.is_raised() {
                left.push(path.clone());
            } else if let Err(error) = self.connect().and_then(|session| session.remove(path)) {
                tracing::warn!("cannot remove a file that an earlier run left: {error}");
                if !matches!(error, SftpError::Refused { .. }) {
                    self.session = None;
                }
                left.push(path.clone());
            }
        }
        left
    }

    /// Looks after the attempts of earlier tries or of an earlier process. `Some` when one turns out to be whole.
    pub(super) fn settle(&mut self, task: &mut Task) -> Result<Option<UploadedPart>, SftpError> {
        self.connect()?;
        if let Some(index) = self.look_for_whole(task)? {
            task.attempts[index].state = AttemptState::Closed;
            task.may_appear = false;
            return Ok(Some(uploaded(task, &task.attempts[index])));
        }
        task.may_appear = false;
        for attempt in &mut task.attempts {
            if attempt.state == AttemptState::Begun {
                attempt.state = AttemptState::Broken;
            }
        }
        if let Err(error) = self.clean_up(task) {
            tracing::warn!("{error}");
        }
        Ok(None)
    }

    /// The index of an attempt whose file is whole. Where the last CLOSE was not answered the file may appear a while later,
    /// so this looks again for as long as the answer might have taken, [`LONGEST_LOOK`] at most.
    fn look_for_whole(&mut self, task: &Task) -> Result<Option<usize>, SftpError> {
        let limit = self.route.delivery.sftp.commit_timeout.min(LONGEST_LOOK);
        let begun = Instant::now();
        let mut wait = FIRST_LOOK;
        loop {
            let mut may_look = true;
            for (index, attempt) in task.attempts.iter().enumerate().rev() {
                let is_open = match attempt.state {
                    AttemptState::Closed => return Ok(Some(index)),
                    AttemptState::Begun | AttemptState::Unconfirmed => true,
                    AttemptState::Broken | AttemptState::Removed => false,
                };
                if !is_open {
                    continue;
                }
                match self.connect()?.size_of(&attempt.remote_path)? {
                    RemoteSize::Bytes(bytes) if bytes == task.part.bytes => return Ok(Some(index)),
                    RemoteSize::Bytes(_) | RemoteSize::Gone => {}
                    RemoteSize::Unreadable(_) => may_look = false,
                }
            }
            if !task.may_appear || !may_look || begun.elapsed() >= limit {
                return Ok(None);
            }
            if !self.route.interrupt.sleep(wait.min(limit)) {
                return Ok(None);
            }
            wait *= 2;
        }
    }
}
