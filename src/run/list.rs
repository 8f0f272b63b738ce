//! The steps after the parts: profiles by the API, the sentinel, the list.

mod look;
mod no_email;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::begin::OpenRun;
use super::{RunContext, delta, sentinel};
use crate::base::meter::Meter;
use crate::job::file::{Attach, Deliver, Mirror};
use crate::job::{Job, ListChoice, ListSettings};
use crate::klaviyo::Klaviyo;
use crate::klaviyo::list::journal::JournalEntry;
use crate::klaviyo::list::rows::RowFile;
use crate::klaviyo::list::{self, AudienceRows, Desk, Ledger, MirrorRules, TrackedFile};
use crate::pipeline::normalize::identity::StoredIdentifiers;
use crate::run::error::Error;
use crate::run::report::count;
use crate::run::resume;
use crate::run::surroundings::Surroundings;
use crate::state::directory::RunDirectory;
use crate::state::manifest::{ListRecord, ManifestFile, PartState, RunManifest, RunStatus};
use crate::state::part::{PartNumber, Verification};
use crate::state::storage::discard;

pub(super) use look::{FirstLook, look_first};
pub(crate) use look::{create_list, flows_warning, known_list};

/// A profile of a complete import job is looked for no longer than this.
const IMPORTED: Duration = Duration::from_secs(30);

/// A client of the API, if the job needs one.
pub(super) fn client(job: &Job, surroundings: &Surroundings) -> Option<Klaviyo> {
    job.needs_api()
        .then(|| Klaviyo::new(job.klaviyo.clone(), surroundings.interrupt.clone()))
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

/// The steps after every row is in a closed part and, where parts go by SFTP, every part is delivered.
pub(super) struct FinalSteps<'a> {
    pub(super) context: &'a RunContext<'a>,
    pub(super) begun: &'a OpenRun,
    pub(super) klaviyo: Option<&'a Klaviyo>,
    pub(super) meter: &'a Arc<Meter>,
    pub(super) forms: StoredIdentifiers,
}

impl FinalSteps<'_> {
    /// Does it, if the run `goes_on`. Notes go to `warnings`.
    pub(super) fn run_if(&self, goes_on: bool, warnings: &mut Vec<String>) -> Result<(), Error> {
        if goes_on { self.run(warnings) } else { Ok(()) }
    }

    fn run(&self, warnings: &mut Vec<String>) -> Result<(), Error> {
        let manifest = self.begun.manifest.snapshot();
        let counts = manifest.counts.clone().unwrap_or_default();
        if counts.rows_good() == 0 {
            // Nothing was sent: the list stays as it is.
            return Ok(());
        }
        let done = self.import_and_attach(&manifest, warnings);
        let done = done.map_err(|error| interrupted(error, self.context.surroundings));
        if done.is_ok() {
            self.note_no_email(&manifest);
        }
        // The error of the list tells more than that of its record.
        let noted = self.note_list();
        done.and(noted)
    }

    fn import_and_attach(
        &self,
        manifest: &RunManifest,
        warnings: &mut Vec<String>,
    ) -> Result<(), Error> {
        if self.context.job.deliver == Deliver::Sftp && !self.context.job.calls_for_list() {
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
                    TrackedFile::of(self.context.state.path(), list_id).begin(&files)?;
                }
                Mirror::Exact => ledger.note_members_before(|| klaviyo.profile_count(list_id))?,
                _ => {}
            }
        }
        if let (Deliver::Api, Some(klaviyo)) = (self.context.job.deliver, self.klaviyo) {
            let by_job = list
                .as_ref()
                .filter(|(list, _)| list.attach == Attach::ImportJob);
            let on_list = by_job.map(|(_, id)| id.as_str());
            list::import(self.desk(klaviyo), &files, rows, on_list, &mut ledger)?;
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
                list::import(desk, &files, rows, Some(list_id), &mut ledger)?;
                ledger.note_attached()?;
            }
            Attach::Members => {
                // What went by the API is imported.
                let wait = match self.context.job.deliver {
                    Deliver::Api => list.wait.min(IMPORTED),
                    Deliver::Sftp => list.wait,
                };
                list::attach_members(desk, &files, rows, list_id, wait, &mut ledger)?;
            }
            Attach::Column => {}
        }
        if list.mirror != Mirror::Off {
            self.mirror(desk, list, list_id, manifest, &mut ledger, warnings)?;
        }
        Ok(())
    }

    fn mirror(
        &self,
        desk: Desk<'_>,
        list: &ListSettings,
        list_id: &str,
        manifest: &RunManifest,
        ledger: &mut Ledger,
        warnings: &mut Vec<String>,
    ) -> Result<(), Error> {
        let (files, rows) = self.files(manifest);
        let mut paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
        let counts = manifest.counts.clone().unwrap_or_default();
        paths.extend(delta::all_unchanged(&self.begun.directory));
        let outcome = ledger.outcome();
        let audience = AudienceRows {
            paths: &paths,
            rows: rows + counts.rows_unchanged,
            lost: counts.rows_rejected + outcome.rejected + outcome.unresolved,
            cut: self.context.options.limit.map(|_| "--limit"),
        };
        let tracked = TrackedFile::of(self.context.state.path(), list_id);
        let rules = MirrorRules {
            mode: list.mirror,
            limits: list.max_removals,
            run_id: &manifest.run_id,
        };
        if list.mirror == Mirror::Tracked && !tracked.is_there() {
            warnings.extend(self.lost_members(list_id, &tracked));
        }
        let mirrored = list::mirror(desk, list_id, &audience, rules, &tracked, ledger);
        warnings.extend(unreadable_warning(ledger.unreadable()));
        warnings.extend(mirrored?.err());
        Ok(())
    }

    /// The note on members whom an earlier run has put on the list, if the file that names them is gone. Where that run cannot be
    /// read, it may have put some there.
    fn lost_members(&self, list_id: &str, tracked: &TrackedFile) -> Option<String> {
        let state = self.context.state;
        let is_of_list = |run: &RunManifest| {
            let list = run.list.as_ref();
            run.status == RunStatus::Done && list.is_some_and(|list| list.id == list_id)
        };
        let is_tracked = match resume::last_run_where(state, is_of_list) {
            Ok(run) => list::journal::read(state.run(&run?.run_id).path())
                .map_or(true, |journal| journal.iter().any(JournalEntry::is_tracked)),
            Err(_) => true,
        };
        is_tracked.then(|| {
            format!(
                "{} is missing: members that earlier runs have put on the list are not removed from it",
                tracked.path().display()
            )
        })
    }

    /// The list that profiles are put on by the API, and its id; made if it has to be.
    fn list(&self, ledger: &mut Ledger) -> Result<Option<(&ListSettings, String)>, Error> {
        let (Some(list), Some(klaviyo)) = (
            self.context
                .job
                .list
                .as_ref()
                .filter(|_| self.context.job.calls_for_list()),
            self.klaviyo,
        ) else {
            ledger.is_about(None, false)?;
            return Ok(None);
        };
        let known_id = known_list(self.context.job)?;
        let (found, created) = list::find_or_create(klaviyo, list, known_id.as_deref())?;
        delta::check_list(&self.begun.manifest.snapshot(), &found.id)?;
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

    /// The files with the identifiers of the audience: the parts themselves where profiles go by the API, else the identifier files next to them.
    fn files(&self, manifest: &RunManifest) -> (Vec<RowFile>, u64) {
        let is_api = self.context.job.deliver == Deliver::Api;
        (
            row_files(&self.begun.directory, manifest, is_api),
            manifest.rows_of_audience(),
        )
    }

    pub(super) fn desk<'b>(&'b self, klaviyo: &'b Klaviyo) -> Desk<'b> {
        Desk {
            klaviyo,
            meter: self.meter,
            interrupt: &self.context.surroundings.interrupt,
            forms: &self.forms,
        }
    }

    /// Every part is imported.
    fn note_delivered(&self) -> Result<(), Error> {
        Ok(self.begun.manifest.update(|manifest| {
            let now = Timestamp::now();
            for part in &mut manifest.parts {
                part.state = PartState::Verified;
                part.delivered_at.get_or_insert(now);
                part.verification = Some(Verification::Verified);
            }
        })?)
    }

    /// Notes the outcome of the list stage, good or bad.
    fn note_list(&self) -> Result<(), Error> {
        if let Some(ListSettings {
            attach: Attach::Column,
            choice: ListChoice::Id { id, name },
            ..
        }) = &self.context.job.list
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
    // Those of a job with a property for leavers stay until the next run is done: they tell who they are. The run for all
    // shards has links alone.
    let are_needed = job.left_property().is_some() && manifest.shard.is_none();
    let are_there = is_api || job.keeps_identifiers() && !are_needed;
    if are_there && !manifest.is_shard() && !job.keep_parts {
        remove_row_files(&row_files(directory, manifest, is_api));
        delta::remove_unchanged(directory);
    }
}

/// The members whom the mirror leaves alone because it cannot tell who they are.
fn unreadable_warning(members: u64) -> Option<String> {
    let verb = if members == 1 { "stays" } else { "stay" };
    (members > 0).then(|| {
        format!(
            "{} {verb} on the list although no row of the audience matches: the phone number in Klaviyo cannot be read, so it may belong to anybody; set default-region in [normalize], or correct the number in Klaviyo",
            count(members, "member")
        )
    })
}

/// Takes what became of the list from the journal into the manifest.
pub(super) fn note_list(manifest: &ManifestFile, directory: &RunDirectory) -> Result<(), Error> {
    if manifest.snapshot().list.is_none() {
        return Ok(());
    }
    let (outcome, removed, unreadable, created) = {
        let ledger = Ledger::open(directory.path())?;
        (
            ledger.outcome(),
            ledger.removed(),
            ledger.unreadable(),
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
            list.kept_unreadable = unreadable;
        }
    })?)
}

/// The files that tell whom a run sends.
pub(super) fn row_files(
    directory: &RunDirectory,
    manifest: &RunManifest,
    parts: bool,
) -> Vec<RowFile> {
    let parts_of_audience = manifest.parts.iter().filter(|part| !part.is_of_leavers);
    let files = parts_of_audience.map(|part| {
        let path = directory.parts().join(&part.file_name);
        RowFile {
            part: PartNumber(part.number.0),
            rows: part.rows,
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
        discard(&file.path);
    }
}
