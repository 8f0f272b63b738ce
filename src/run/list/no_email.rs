//! The last step of the list stage: how many of the audience get no e-mail. It tells, and never fails a run.

use std::path::PathBuf;
use std::time::Duration;

use super::FinalSteps;
use crate::klaviyo::list::EmailSample;
use crate::run::delta;
use crate::run::error::Error;
use crate::state::manifest::RunManifest;
use crate::state::no_email::NoEmail;

/// Trouble of Klaviyo, or a wait that it asks for, is given up after so long.
const PATIENCE: Duration = Duration::from_secs(3);

impl FinalSteps<'_> {
    /// Looks it up and notes it, where the job has a list that the API is asked for. What is in the way is for the log alone.
    pub(super) fn note_no_email(&self, manifest: &RunManifest) {
        if !self.context.job.calls_for_list() || self.context.surroundings.interrupt.is_raised() {
            return;
        }
        let noted = self.no_email(manifest).and_then(|no_email| {
            Ok(self.begun.manifest.update(|manifest| {
                if let Some(list) = &mut manifest.list {
                    list.no_email = no_email;
                }
            })?)
        });
        if let Err(error) = noted {
            let cause = error.chain();
            tracing::debug!("how many of the audience get no e-mail is not known: {cause}");
        }
    }

    fn no_email(&self, manifest: &RunManifest) -> Result<Option<NoEmail>, Error> {
        let Some(klaviyo) = self.klaviyo else {
            return Ok(None);
        };
        let (files, _) = self.files(manifest);
        let unchanged = delta::all_unchanged(&self.begun.directory);
        let counts = manifest.counts.clone().unwrap_or_default();
        let only_sent = counts.rows_unchanged > 0 && unchanged.is_empty();
        let mut paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
        paths.extend(unchanged);
        let sample = EmailSample::of_files(&paths)?;
        let of = sample.seen();
        let found = sample.look_up(&klaviyo.hurried(PATIENCE), of);
        let found = found.map_err(|error| Error::List(error.into()))?;
        Ok(Some(NoEmail { only_sent, ..found }))
    }
}
