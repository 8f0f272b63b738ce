//! The ledger of a run's list stage: the journal, read into sums, and `attach-rejects.csv` beside it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::batch::AcceptedRows;
use super::journal::{ImportBatch, Journal, JournalEntry};
use super::rejects::{AttachRejects, Reject};
use super::{ListError, removal};
use crate::klaviyo::KlaviyoError;
use crate::klaviyo::settings::Mirror;
use crate::state::manifest::StateError;

/// The outcome of adding profiles to the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttachOutcome {
    /// Rows that Klaviyo took.
    pub attached: u64,
    /// Rows for which there is no profile.
    pub unresolved: u64,
    /// Rows that Klaviyo refused; they stand in `attach-rejects.csv`.
    pub rejected: u64,
}

/// The members to remove, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RemovalPlan {
    pub(super) mode: Mirror,
    pub(super) removals: u64,
    pub(super) of: u64,
    /// How many stay because their phone numbers cannot be read.
    pub(super) unreadable: u64,
    /// How many of them are done.
    pub(super) done: u64,
    pub(super) removed_bytes: u64,
    /// Whether a person has approved of it.
    pub(super) approved: bool,
}

/// The open memory of a run's list stage.
#[derive(Debug)]
pub struct Ledger {
    directory: PathBuf,
    journal: Journal,
    rejects: AttachRejects,
    entries: Vec<JournalEntry>,
}

impl Ledger {
    /// Opens the memory of the run in `run_directory`.
    pub fn open(run_directory: &Path) -> Result<Self, StateError> {
        let (journal, entries) = Journal::open(run_directory)?;
        let bytes = entries.iter().rev().find_map(JournalEntry::rejects_bytes);
        Ok(Self {
            directory: run_directory.to_owned(),
            rejects: AttachRejects::open(run_directory, bytes.unwrap_or(0))?,
            journal,
            entries,
        })
    }

    /// The run's folder.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// From now on everything is about this list. What was noted of another one is forgotten: it has to be done again.
    pub fn is_about(&mut self, list_id: Option<&str>, created: bool) -> Result<(), StateError> {
        let known = self.entries.iter().rev().find_map(|entry| match entry {
            JournalEntry::List { id, .. } => Some(id.as_deref() == list_id),
            _ => None,
        });
        if known == Some(true) {
            return Ok(());
        }
        if let Some(Some(before)) = self.list().map(|(id, _)| id.map(str::to_owned)) {
            removal::set_aside(&self.directory, &before)?;
        }
        self.journal.clear()?;
        self.entries.clear();
        self.rejects = AttachRejects::open(&self.directory, 0)?;
        self.note(JournalEntry::List {
            id: list_id.map(str::to_owned),
            created,
        })
    }

    /// The list that everything is about, and whether this run made it.
    pub fn list(&self) -> Option<(Option<&str>, bool)> {
        self.entries.iter().rev().find_map(|entry| match entry {
            JournalEntry::List { id, created } => Some((id.as_deref(), *created)),
            _ => None,
        })
    }

    /// Notes something; durable when this returns.
    pub(super) fn note(&mut self, entry: JournalEntry) -> Result<(), StateError> {
        self.journal.append(&entry)?;
        self.entries.push(entry);
        Ok(())
    }

    /// Notes an accepted job and who was left out of it.
    pub(super) fn accept<'a>(
        &mut self,
        batch: ImportBatch,
        dropped: impl IntoIterator<Item = Reject<'a>>,
    ) -> Result<(), StateError> {
        self.rejects.write(dropped)?;
        self.note(JournalEntry::Accepted(ImportBatch {
            rejects_bytes: self.rejects.bytes(),
            ..batch
        }))
    }

    /// Notes a complete job and whom it could not import.
    pub(super) fn settle<'a>(
        &mut self,
        job: String,
        failed: u64,
        rejects: impl IntoIterator<Item = Reject<'a>>,
    ) -> Result<(), StateError> {
        self.rejects.write(rejects)?;
        self.note(JournalEntry::Settled {
            job,
            failed,
            rejects_bytes: self.rejects.bytes(),
        })
    }

    /// Notes that all of the audience was put on the list but for those who have no profile.
    pub(super) fn attached<'a>(
        &mut self,
        attached: u64,
        unresolved: u64,
        rejects: impl IntoIterator<Item = Reject<'a>>,
    ) -> Result<(), StateError> {
        self.rejects.write(rejects)?;
        self.note(JournalEntry::Attached {
            attached,
            unresolved,
            rejects_bytes: self.rejects.bytes(),
        })
    }

    /// Notes that the import jobs have put all of the audience on the list but for those whom Klaviyo refused.
    pub fn note_attached(&mut self) -> Result<(), StateError> {
        if self.is_attached() {
            return Ok(());
        }
        self.attached(self.outcome().attached, 0, [])
    }

    /// Rows in accepted jobs.
    pub(super) fn accepted(&self) -> AcceptedRows {
        let mut accepted: AcceptedRows = HashMap::new();
        for batch in self.batches() {
            accepted
                .entry(batch.part)
                .or_default()
                .insert(batch.first, batch.rows);
        }
        accepted
    }

    /// Rows that were looked up and added: by part and first row, how many, and how many of them have a profile.
    pub(super) fn added(&self) -> HashMap<u32, BTreeMap<u64, (u64, u64)>> {
        let mut added: HashMap<u32, BTreeMap<u64, (u64, u64)>> = HashMap::new();
        for entry in &self.entries {
            if let JournalEntry::Added {
                part,
                first,
                rows,
                found,
            } = entry
            {
                added
                    .entry(*part)
                    .or_default()
                    .insert(*first, (*rows, *found));
            }
        }
        added
    }

    fn batches(&self) -> impl Iterator<Item = &ImportBatch> {
        self.entries.iter().filter_map(|entry| match entry {
            JournalEntry::Accepted(batch) => Some(batch),
            _ => None,
        })
    }

    /// Accepted jobs that are not known to be complete.
    pub(super) fn pending(&self) -> HashMap<String, ImportBatch> {
        let mut pending: HashMap<_, _> = self
            .batches()
            // A batch of which nothing was left to hand over has no job.
            .filter(|batch| !batch.job.is_empty())
            .map(|batch| (batch.job.clone(), batch.clone()))
            .collect();
        for entry in &self.entries {
            if let JournalEntry::Settled { job, .. } = entry {
                pending.remove(job);
            }
        }
        pending
    }

    /// Whether all of the audience was put on the list.
    pub fn is_attached(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| matches!(entry, JournalEntry::Attached { .. }))
    }

    /// The outcome so far of adding profiles to the list.
    pub fn outcome(&self) -> AttachOutcome {
        let found =
            |rows: &BTreeMap<u64, (u64, u64)>| rows.values().map(|(_, found)| *found).sum::<u64>();
        let mut sums = AttachOutcome {
            attached: self.added().values().map(found).sum(),
            ..AttachOutcome::default()
        };
        for entry in &self.entries {
            match entry {
                JournalEntry::Accepted(batch) => {
                    let dropped = batch.dropped.len() as u64;
                    sums.rejected += dropped;
                    sums.attached += batch.rows - dropped.min(batch.rows);
                }
                JournalEntry::Settled { failed, .. } => {
                    sums.rejected += failed;
                    sums.attached = sums.attached.saturating_sub(*failed);
                }
                JournalEntry::Attached {
                    attached,
                    unresolved,
                    ..
                } => {
                    sums.attached = *attached;
                    sums.unresolved = *unresolved;
                }
                _ => {}
            }
        }
        sums
    }

    /// The members to remove, once that was decided.
    pub(super) fn plan(&self) -> Option<RemovalPlan> {
        let mut plan: Option<RemovalPlan> = None;
        let mut on_record = 0;
        for entry in &self.entries {
            match (entry, &mut plan) {
                (
                    JournalEntry::Planned {
                        mode,
                        removals,
                        of,
                        unreadable,
                    },
                    plan,
                ) => {
                    *plan = Some(RemovalPlan {
                        mode: *mode,
                        removals: *removals,
                        of: *of,
                        unreadable: *unreadable,
                        removed_bytes: on_record,
                        ..RemovalPlan::default()
                    });
                }
                (JournalEntry::Discarded { removed_bytes }, plan) => {
                    on_record = *removed_bytes;
                    *plan = None;
                }
                (JournalEntry::Approved, Some(plan)) => plan.approved = true,
                (
                    JournalEntry::Removed {
                        done,
                        removed_bytes,
                    },
                    Some(plan),
                ) => {
                    plan.done = *done;
                    plan.removed_bytes = *removed_bytes;
                }
                _ => {}
            }
        }
        plan
    }

    /// By which rule the removals were planned that wait or were begun.
    pub fn planned_by(&self) -> Option<Mirror> {
        self.plan().map(|plan| plan.mode)
    }

    /// How many members stay on the list because their phone numbers cannot be read.
    pub fn unreadable(&self) -> u64 {
        self.plan().map_or(0, |plan| plan.unreadable)
    }

    /// How many members the list had before this run put anybody on it, where that is known.
    pub(super) fn members_before(&self) -> Option<u64> {
        self.entries.iter().rev().find_map(|entry| match entry {
            JournalEntry::Before { members } => Some(*members),
            _ => None,
        })
    }

    /// How many were removed so far.
    pub fn removed(&self) -> u64 {
        let so_far = self.plan().map_or(0, |plan| plan.done);
        self.mirrored().unwrap_or(so_far)
    }

    /// Notes how many members the list has, unless this run has put somebody on it already.
    pub fn note_members_before(
        &mut self,
        count: impl FnOnce() -> Result<Option<u64>, KlaviyoError>,
    ) -> Result<(), ListError> {
        let begun = self.entries.iter().any(|entry| {
            matches!(
                entry,
                JournalEntry::Accepted(_) | JournalEntry::Added { .. }
            )
        });
        if !begun
            && self.members_before().is_none()
            && let Some(members) = count()?
        {
            self.note(JournalEntry::Before { members })?;
        }
        Ok(())
    }

    /// How many were removed, once everybody who was to be removed is.
    pub fn mirrored(&self) -> Option<u64> {
        self.entries.iter().rev().find_map(|entry| match entry {
            JournalEntry::Mirrored { removed } => Some(*removed),
            _ => None,
        })
    }
}
