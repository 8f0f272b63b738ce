//! An attempt to deliver, from its first moment to its exit code: what `status` and `runs` tell of one that had no run.

use super::RunOutcome;
use super::error::Error;
use crate::base::environment::Environment;
use crate::base::exit_code::ExitCode;
use crate::cli::StateArgs;
use crate::job::{JobPlace, JobSource};
use crate::state::attempt::AttemptRecord;
use crate::state::directory::JobDirectory;
use crate::state::owner::JobOwner;
use crate::state::shard::Shard;

/// An attempt that has begun and has a record.
pub(crate) struct AttemptLog {
    state: JobDirectory,
    record: AttemptRecord,
    /// The attempt before.
    earlier: Option<AttemptRecord>,
}

impl AttemptLog {
    /// Notes that `command` begins for the job whose state is `state`.
    pub(crate) fn begin(state: JobDirectory, command: &str, limit: Option<u64>) -> Self {
        let log = Self {
            record: AttemptRecord::new(command, limit),
            earlier: AttemptRecord::read(&state),
            state,
        };
        log.write(&log.record);
        log
    }

    /// Notes how it ended, and gives back the result. A command line that does not fit the runs of the job was no attempt: the
    /// one before stays the last.
    pub(crate) fn end<T>(
        self,
        result: Result<T, Error>,
        describe: impl FnOnce(&T) -> Ending<'_>,
    ) -> Result<T, Error> {
        let ending = match &result {
            Ok(done) => describe(done),
            Err(error) => Ending {
                error: Some(error),
                run_id: None,
            },
        };
        let code = ending.error.map_or(ExitCode::Done, Error::exit_code);
        if code == ExitCode::Usage {
            self.take_back();
            return result;
        }
        let mut record = self
            .record
            .clone()
            .ended(code.number(), ending.error.map(Error::chain));
        record.run_id = ending.run_id;
        self.write(&record);
        result
    }

    /// Makes the attempt before the last one again.
    fn take_back(&self) {
        match &self.earlier {
            Some(earlier) => self.write(earlier),
            None => AttemptRecord::remove(&self.state),
        }
    }

    /// A record that cannot be written keeps no attempt from its work: a full disk is told by the run itself.
    fn write(&self, record: &AttemptRecord) {
        if let Err(error) = record.write(&self.state) {
            tracing::warn!(
                "the attempt could not be recorded: {}",
                Error::from(error).chain()
            );
        }
    }
}

/// The end of an attempt.
pub(crate) struct Ending<'a> {
    pub(crate) error: Option<&'a Error>,
    pub(crate) run_id: Option<String>,
}

impl RunOutcome {
    /// How the attempt ended whose run this is.
    pub(crate) fn ending(&self) -> Ending<'_> {
        Ending {
            error: self.error.as_ref(),
            run_id: Some(self.report.run_id.clone()),
        }
    }
}

/// Notes the attempt of the job file of `attempt` around `act`. Dry runs leave no record: they are no attempt to deliver.
pub(crate) fn recorded<T>(
    attempt: &AttemptArgs<'_>,
    environment: &Environment,
    describe: impl FnOnce(&T) -> Ending<'_>,
    act: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let place = JobPlace::load(attempt.job, environment)?;
    let state = place.state(attempt.state.state_dir.as_deref())?;
    claim(&state, &place.owner, &place.name)?;
    let folder = attempt.shard.map_or(state.clone(), |it| state.shard(it));
    AttemptLog::begin(folder, attempt.command, attempt.limit).end(act(), describe)
}

/// An attempt as it was typed.
pub(crate) struct AttemptArgs<'a> {
    pub(crate) command: &'static str,
    pub(crate) job: JobSource<'a>,
    pub(crate) state: &'a StateArgs,
    pub(crate) shard: Option<Shard>,
    pub(crate) limit: Option<u64>,
    /// Whether it contacts no server.
    pub(crate) is_dry: bool,
}

/// Makes sure that `state` belongs to the job `owner`, and remembers that it does.
pub(crate) fn claim(state: &JobDirectory, owner: &JobOwner, name: &str) -> Result<(), Error> {
    refuse_other_job(state, owner, name)?;
    // State that cannot be written is told by the run itself.
    if let Err(error) = state.create().and_then(|()| owner.write(state)) {
        tracing::debug!("{}", Error::from(error).chain());
    }
    Ok(())
}

/// Refuses the job `owner` where `state` belongs to another one of its name.
pub(crate) fn refuse_other_job(
    state: &JobDirectory,
    owner: &JobOwner,
    name: &str,
) -> Result<(), Error> {
    if let Some(known) = JobOwner::read(state)
        && owner.is_other_than(&known)
    {
        return Err(Error::OtherJob {
            name: name.to_owned(),
            known: Box::new(known),
            own: Box::new(owner.clone()),
            record: state.owner(),
        });
    }
    Ok(())
}
