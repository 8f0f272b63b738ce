//! What comes after the parts: profiles by the API, the sentinel, the list.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::begin::Begun;
use super::{RunOptions, sentinel};
use crate::base::meter::Meter;
use crate::cli::console::printable;
use crate::job::file::{Attach, Deliver, Mirror};
use crate::job::{Delivery, Job, ListChoice, ListSettings};
use crate::klaviyo::Klaviyo;
use crate::klaviyo::list::rows::RowFile;
use crate::klaviyo::list::{self, AudienceRows, Desk, Ledger, TrackedFile};
use crate::run::error::Error;
use crate::run::report::count;
use crate::run::surroundings::Surroundings;
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::manifest::{ListRecord, ManifestFile, PartState, RunManifest};
use crate::state::part::{PartNumber, Verification};

/// A look at the API before anything else tries no longer than this: if it is down now, it may be up by the time it is needed.
const FIRST_LOOK: Duration = Duration::from_secs(30);

/// A profile of a complete import job is looked for no longer than this.
const IMPORTED: Duration = Duration::from_secs(30);

/// A client of the API, if the job needs one.
pub(super) fn client(job: &Job, surroundings: &Surroundings) -> Option<Klaviyo> {
    job.needs_api()
        .then(|| Klaviyo::new(job.klaviyo.clone(), surroundings.interrupt.clone()))
}

/// Whose account the key is for, and whether the list is there: before a row is read, so that a wrong key does not cost a
/// night. What a person should know.
pub(super) fn look_first(
    job: &Job,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<Vec<String>, Error> {
    if options.dry_run || !job.needs_api() {
        return Ok(Vec::new());
    }
    let told = look(job, surroundings)?;
    for warning in &told {
        let note = format!("note: {warning}");
        surroundings.console.note(&printable(&note));
    }
    Ok(told)
}

fn look(job: &Job, surroundings: &Surroundings) -> Result<Vec<String>, Error> {
    let mut settings = job.klaviyo.clone();
    settings.retry.give_up_after = settings.retry.give_up_after.min(FIRST_LOOK);
    let klaviyo = Klaviyo::new(settings, surroundings.interrupt.clone());
    let looked = list::check_account(&klaviyo).and_then(|()| match &job.list {
        Some(list) if job.calls_for_list() => list::find(&klaviyo, &list.choice, list.create),
        _ => Ok(None),
    });
    match looked {
        Ok(Some(found)) => Ok(flows_warning(job, &found.name, &found.flows)),
        Ok(None) => Ok(Vec::new()),
        Err(error) if error.is_of_the_moment() => Ok(vec![format!(
            "{} did not answer when the run began: {}",
            klaviyo.host(),
            Error::from(error).chain()
        )]),
        Err(error) => Err(interrupted(error.into(), surroundings)),
    }
}

/// Adding to a list may start flows, and may do so before the attributes are there.
pub(crate) fn flows_warning(job: &Job, name: &str, flows: &[String]) -> Vec<String> {
    if flows.is_empty() {
        return Vec::new();
    }
    let mut warning = format!(
        "adding to the list {name:?} starts {}: {}",
        count(flows.len() as u64, "flow"),
        flows.join(", ")
    );
    let early = job.deliver == Deliver::Sftp
        && job
            .list
            .as_ref()
            .is_some_and(|list| list.attach == Attach::ImportJob);
    if early {
        warning.push_str(
            "; with attach = \"import-job\" that may be before the import of the files has brought the attributes: attach = \"members\", or deliver = \"api\", waits for them",
        );
    }
    vec![warning]
}

/// The error, or the signal that was its cause.
pub(crate) fn interrupted(error: Error, surroundings: &Surroundings) -> Error {
    match (&error, surroundings.interrupt.signal()) {
        (Error::List(cause), Some(signal)) if cause.is_interrupted() => {
            Error::Interrupted { signal }
        }
        _ => error,
    }
}

/// What is left to do once every row is in a closed part and, where they go by SFTP, every part is delivered.
pub(super) struct After<'a> {
    pub(super) job: &'a Job,
    pub(super) begun: &'a Begun,
    pub(super) state: &'a JobDirectory,
    pub(super) klaviyo: Option<&'a Klaviyo>,
    pub(super) delivery: Option<&'a Delivery>,
    pub(super) options: RunOptions,
    pub(super) meter: &'a Arc<Meter>,
    pub(super) surroundings: &'a Surroundings,
}

impl After<'_> {
    /// Does it. Notes go to `warnings`.
    pub(super) fn run(&self, warnings: &mut Vec<String>) -> Result<(), Error> {
        let manifest = self.begun.manifest.snapshot();
        let counts = manifest.counts.clone().unwrap_or_default();
        if counts.rows_written == 0 {
            // Nothing was sent: the list stays as it is.
            return Ok(());
        }
        let done = self.import_and_attach(&manifest, warnings);
        let done = done.map_err(|error| interrupted(error, self.surroundings));
        self.note_list()?;
        done
    }

    fn import_and_attach(
        &self,
        manifest: &RunManifest,
        warnings: &mut Vec<String>,
    ) -> Result<(), Error> {
        if self.job.deliver == Deliver::Sftp && !self.job.calls_for_list() {
            sentinel::send(self)?;
            return sentinel::wait(self, warnings);
        }
        let mut ledger = Ledger::open(self.begun.directory.path())?;
        let list = self.list(&mut ledger)?;
        let list_id = list.as_ref().map(|(_, id)| id.as_str());
        let (files, rows) = self.files(manifest);
        if let (Some((list, list_id)), Some(klaviyo)) = (&list, self.klaviyo) {
            match list.mirror {
                Mirror::Tracked if !ledger.is_attached() => {
                    TrackedFile::of(self.state.path(), list_id).begin(&files)?;
                }
                Mirror::Exact => ledger.note_members_before(|| klaviyo.profile_count(list_id))?,
                _ => {}
            }
        }
        if let (Deliver::Api, Some(klaviyo)) = (self.job.deliver, self.klaviyo) {
            let by_job = list
                .as_ref()
                .filter(|(list, _)| list.attach == Attach::ImportJob);
            let on_list = by_job.map(|(_, id)| id.as_str());
            list::import(self.desk(klaviyo), (&files, rows), on_list, &mut ledger)?;
            self.note_delivered()?;
        }
        sentinel::send(self)?;
        sentinel::wait(self, warnings)?;
        let (Some((list, _)), Some(list_id), Some(klaviyo)) = (&list, list_id, self.klaviyo) else {
            return Ok(());
        };
        let desk = self.desk(klaviyo);
        match list.attach {
            Attach::ImportJob => {
                list::import(desk, (&files, rows), Some(list_id), &mut ledger)?;
                ledger.note_attached()?;
            }
            Attach::Members => {
                // What went by the API is imported.
                let wait = match self.job.deliver {
                    Deliver::Api => list.wait.min(IMPORTED),
                    Deliver::Sftp => list.wait,
                };
                list::attach_members(desk, (&files, rows), (list_id, wait), &mut ledger)?;
            }
            Attach::Column => {}
        }
        if list.mirror != Mirror::Off {
            self.mirror(desk, (list, list_id), manifest, &mut ledger, warnings)?;
        }
        Ok(())
    }

    fn mirror(
        &self,
        desk: Desk<'_>,
        (list, list_id): (&ListSettings, &str),
        manifest: &RunManifest,
        ledger: &mut Ledger,
        warnings: &mut Vec<String>,
    ) -> Result<(), Error> {
        let (files, rows) = self.files(manifest);
        let paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
        let counts = manifest.counts.clone().unwrap_or_default();
        let outcome = ledger.outcome();
        let audience = AudienceRows {
            paths: &paths,
            rows,
            lost: counts.rows_rejected + outcome.rejected + outcome.unresolved,
            cut: self.options.limit.map(|_| "--limit"),
        };
        let tracked = TrackedFile::of(self.state.path(), list_id);
        let rules = (list.mirror, list.max_removals, manifest.run_id.as_str());
        let mirrored = list::mirror(desk, list_id, &audience, rules, (&tracked, ledger))?;
        warnings.extend(mirrored.err());
        Ok(())
    }

    /// The list that profiles are put on by the API, and its id; made if it has to be.
    fn list(&self, ledger: &mut Ledger) -> Result<Option<(&ListSettings, String)>, Error> {
        let (Some(list), Some(klaviyo)) = (
            self.job.list.as_ref().filter(|_| self.job.calls_for_list()),
            self.klaviyo,
        ) else {
            ledger.is_about(None, false)?;
            return Ok(None);
        };
        let (found, created) = list::find_or_create(klaviyo, &list.choice, list.create)?;
        ledger.is_about(Some(&found.id), created)?;
        self.begun.manifest.update(|manifest| {
            manifest.list = Some(ListRecord {
                id: found.id.clone(),
                name: found.name.clone(),
                created,
                attached: Some(0),
                ..ListRecord::default()
            });
        })?;
        Ok(Some((list, found.id)))
    }

    /// What tells who is in the audience: the parts themselves where they go by the API, else the files beside them.
    fn files(&self, manifest: &RunManifest) -> (Vec<RowFile>, u64) {
        let is_api = self.job.deliver == Deliver::Api;
        (
            row_files(&self.begun.directory, manifest, is_api),
            manifest.parts.iter().map(|part| part.rows).sum(),
        )
    }

    pub(super) fn desk<'b>(&'b self, klaviyo: &'b Klaviyo) -> Desk<'b> {
        Desk {
            klaviyo,
            meter: self.meter,
            interrupt: &self.surroundings.interrupt,
        }
    }

    /// Every part is imported.
    fn note_delivered(&self) -> Result<(), Error> {
        Ok(self.begun.manifest.update(|manifest| {
            for part in &mut manifest.parts {
                part.state = PartState::Verified;
                part.verification = Some(Verification::Verified);
            }
        })?)
    }

    /// What became of the list, well or not.
    fn note_list(&self) -> Result<(), Error> {
        if let Some(ListSettings {
            attach: Attach::Column,
            choice: ListChoice::Id { id, name },
            ..
        }) = &self.job.list
        {
            let record = ListRecord {
                id: id.clone(),
                name: name.clone().unwrap_or_default(),
                ..ListRecord::default()
            };
            self.begun
                .manifest
                .update(|manifest| manifest.list = Some(record))?;
            return Ok(());
        }
        note_list(&self.begun.manifest, &self.begun.directory)
    }
}

/// Nobody needs the files of a run that is done any more which told who is in its audience; of a shard they wait for the list.
pub(super) fn remove_files(job: &Job, directory: &RunDirectory, manifest: &RunManifest) {
    let is_api = job.deliver == Deliver::Api;
    let are_there = is_api || job.keeps_identifiers();
    if are_there && !manifest.is_shard() && !job.keep_parts {
        remove_row_files(&row_files(directory, manifest, is_api));
    }
}

/// Takes what became of the list from the journal into the manifest.
pub(super) fn note_list(manifest: &ManifestFile, directory: &RunDirectory) -> Result<(), Error> {
    if manifest.snapshot().list.is_none() {
        return Ok(());
    }
    let (outcome, removed, created) = {
        let ledger = Ledger::open(directory.path())?;
        (
            ledger.outcome(),
            ledger.removed(),
            ledger.list().is_some_and(|(_, created)| created),
        )
    };
    Ok(manifest.update(|manifest| {
        if let Some(list) = &mut manifest.list {
            list.created = created;
            list.attached = Some(outcome.attached);
            list.unresolved = outcome.unresolved;
            list.rejected = outcome.rejected;
            list.removed = removed;
        }
    })?)
}

/// The files that tell who is in the audience of a run.
pub(super) fn row_files(
    directory: &RunDirectory,
    manifest: &RunManifest,
    parts: bool,
) -> Vec<RowFile> {
    let files = manifest.parts.iter().map(|part| {
        let path = directory.parts().join(&part.file_name);
        RowFile {
            part: PartNumber(part.number.0),
            path: if parts {
                path
            } else {
                path.with_extension("ids")
            },
        }
    });
    files.collect()
}

/// Removes them.
pub(super) fn remove_row_files(files: &[RowFile]) {
    for file in files {
        if let Err(error) = std::fs::remove_file(&file.path) {
            tracing::warn!("{}: cannot be removed: {error}", file.path.display());
        }
    }
}
