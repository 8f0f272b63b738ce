//! Mirror: who is on the list and not in the audience is taken off it.
//!
//! `exact` reads the whole list; `tracked` looks only at those whom earlier runs of the job put there. Nobody is removed whose
//! any identifier is in the audience: identifiers are compared first, and where somebody would go, the profile ids of those
//! of the audience who seem not to be there (a second e-mail address, a merged profile) are looked up and kept.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::identity::has_unreadable_phone;
use super::import::gone;
use super::journal::JournalEntry;
use super::ledger::Ledger;
use super::presence::{Flags, among, among_by_best, without_flag};
use super::removal::{self, Guard, PLANNED, reaches};
use super::resolve::{ids_of, resolve};
use super::rows::{Person, PersonFile, each_person};
use super::tracked::TrackedFile;
use super::{Desk, ListError};
use crate::base::meter::ListStep;
use crate::base::text::{count, grouped};
use crate::klaviyo::settings::{MaxRemovals, Mirror};
use crate::state::manifest::StateError;
use crate::state::storage::storage;

/// The audience, as the mirror sees it.
pub struct AudienceRows<'a> {
    /// Files with the identifiers of everybody.
    pub paths: &'a [PathBuf],
    /// Rows in them.
    pub rows: u64,
    /// Rows that are not in them, or whom Klaviyo does not have: rejected, refused or without a profile.
    pub lost: u64,
    /// The reason for which the audience is not whole, if it is not.
    pub cut: Option<&'static str>,
}

/// Everybody on a list, or of whom that is believed, and who of them is not in the audience.
const MEMBERS: &str = "members.csv";
const CANDIDATES: &str = "candidates.csv";

/// The rules by which a list is made equal to the audience.
#[derive(Debug, Clone, Copy)]
pub struct MirrorRules<'a> {
    /// The people who may be removed: all, or those whom the job has put on the list.
    pub mode: Mirror,
    /// The removals from which on a person must approve.
    pub limits: MaxRemovals,
    /// The run, for the command that approves.
    pub run_id: &'a str,
}

/// Makes the list equal to the audience. How many were removed, or why nobody was looked at.
pub fn mirror(
    desk: Desk<'_>,
    list_id: &str,
    audience: &AudienceRows<'_>,
    MirrorRules {
        mode,
        limits,
        run_id,
    }: MirrorRules<'_>,
    tracked: &TrackedFile,
    ledger: &mut Ledger,
) -> Result<Result<u64, String>, ListError> {
    if let Some(removed) = ledger.mirrored() {
        if mode == Mirror::Tracked {
            audience.check(ledger.directory())?;
            tracked.replace(audience.paths)?;
        }
        return Ok(Ok(removed));
    }
    audience.check(ledger.directory())?;
    let mut because = off(audience, 0, limits);
    // A plan that was made by another rule is none.
    let stored = ledger.directory().join(PLANNED).exists();
    let planned = ledger.planned_by().filter(|_| stored) == Some(mode);
    if because.is_none() && !planned {
        if ledger.planned_by().is_some() {
            let removed_bytes = removal::on_record(ledger.directory());
            ledger.note(JournalEntry::Discarded { removed_bytes })?;
        }
        let plan = match mode {
            Mirror::Off => return Ok(Ok(0)),
            Mirror::Exact => plan_exact(desk, list_id, audience, ledger)?,
            Mirror::Tracked => plan_tracked(desk, audience, tracked, ledger)?,
        };
        because = off(audience, plan.missing, limits);
        if because.is_none() {
            ledger.note(JournalEntry::Planned {
                mode,
                removals: plan.stored.removals,
                of: plan.of,
                unreadable: plan.stored.unreadable,
            })?;
        }
    }
    if let Some(because) = because {
        if mode == Mirror::Tracked {
            tracked.add(audience.paths)?;
        }
        return Ok(Err(because));
    }
    let removed = removal::remove_planned(desk, list_id, Guard::Limit(limits), run_id, ledger);
    if mode == Mirror::Tracked {
        match &removed {
            Ok(_) => tracked.replace(audience.paths)?,
            // They stay on the list, and this job has put them there.
            Err(ListError::TooManyRemovals { .. }) => tracked.add(audience.paths)?,
            Err(_) => {}
        }
    }
    Ok(Ok(removed?))
}

impl AudienceRows<'_> {
    /// Refuses files, of the run in `run_directory`, that do not have as many rows as they should: whom they lack would be
    /// removed.
    pub fn check(&self, run_directory: &Path) -> Result<(), StateError> {
        let rows = rows_in(self.paths)?;
        if rows == self.rows {
            return Ok(());
        }
        Err(match self.paths.first() {
            Some(path) => StateError::Damaged {
                path: path.clone(),
                line: usize::try_from(rows).unwrap_or(usize::MAX),
            },
            None => storage(run_directory, "find the identifiers of the audience in it")(
                std::io::ErrorKind::NotFound.into(),
            ),
        })
    }
}

/// The outcome of a look at the list.
struct MirrorFindings {
    stored: RemovalTally,
    of: u64,
    /// Rows of the audience that nobody on the list seems to be, and that have no profile.
    missing: u64,
}

/// The reason for which the audience, of which `missing` rows have no profile, cannot be compared with the list.
fn off(audience: &AudienceRows<'_>, missing: u64, limits: MaxRemovals) -> Option<String> {
    if let Some(cut) = audience.cut {
        return Some(format!(
            "{cut} was given: no member is removed from the list, because the audience is not complete"
        ));
    }
    if audience.rows == 0 {
        return Some("the audience is empty: no member is removed from the list".to_owned());
    }
    let lost = audience.lost.max(missing);
    // That all may go is no reason to go by half of an audience.
    let percent = if limits.percent < 100.0 {
        limits.percent
    } else {
        MaxRemovals::default().percent
    };
    let limits = MaxRemovals { percent, ..limits };
    (lost > 0 && reaches(lost, audience.rows + audience.lost, limits)).then(|| {
        format!(
            "{} rejected, refused, or without a profile: no member is removed from the list, because these people may be on it",
            count(lost, "row")
        )
    })
}

/// A file in the run's folder that goes when this is dropped: it holds personal data and is of no use to anybody else.
struct Scratch(PathBuf);

impl Scratch {
    fn new(directory: &Path, name: &str) -> Self {
        Self(directory.join(name))
    }

    fn paths(&self) -> &[PathBuf] {
        std::slice::from_ref(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn plan_exact(
    desk: Desk<'_>,
    list_id: &str,
    audience: &AudienceRows<'_>,
    ledger: &Ledger,
) -> Result<MirrorFindings, ListError> {
    let members = Scratch::new(ledger.directory(), MEMBERS);
    let read = read_list(desk, list_id, &members.0)?;
    let present = among(desk.forms, members.paths(), audience.paths)?;
    let mut kept = UnseenMembers::default();
    if present.unset() > 0 {
        let seen = among_by_best(desk.forms, audience.paths, members.paths())?;
        kept = those_unseen(desk, audience.paths, &seen)?;
    }
    Ok(MirrorFindings {
        stored: write_plan(
            desk,
            ledger.directory(),
            members.paths(),
            &present,
            &kept.ids,
        )?,
        // Those whom this run has put there are not to be removed: they would make the share look smaller.
        of: ledger.members_before().unwrap_or(read),
        missing: kept.missing,
    })
}

/// Writes everybody on the list to `path`; how many.
fn read_list(desk: Desk<'_>, list_id: &str, path: &Path) -> Result<u64, ListError> {
    let vanished = |error| gone(desk, Some(list_id), error);
    let expected = desk.klaviyo.profile_count(list_id).map_err(vanished)?;
    let expected = expected.unwrap_or(0);
    desk.meter.list.begin(ListStep::ReadingList, expected);
    let minutes = expected.div_ceil(100 * 750);
    if minutes > 1 {
        tracing::info!(
            "reading the list: {} members, about {minutes} minutes at Klaviyo's limit of 750 pages of 100 a minute",
            grouped(expected)
        );
    }
    let mut file = PersonFile::create(path)?;
    let (mut of, mut failure) = (0, None);
    desk.klaviyo
        .members(list_id, |page| {
            desk.meter.list.done.add(page.len() as u64);
            of += page.len() as u64;
            let written = page.into_iter().try_for_each(|member| file.push(&member));
            failure = written.err();
            failure.is_none()
        })
        .map_err(vanished)?;
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(file.finish().map(|()| of)?),
    }
}

fn plan_tracked(
    desk: Desk<'_>,
    audience: &AudienceRows<'_>,
    tracked: &TrackedFile,
    ledger: &Ledger,
) -> Result<MirrorFindings, ListError> {
    let before = tracked.all();
    let present = among(desk.forms, &before, audience.paths)?;
    let candidates = Scratch::new(ledger.directory(), CANDIDATES);
    let mut file = PersonFile::create(&candidates.0)?;
    let mut kept = UnseenMembers::default();
    if present.unset() > 0 {
        desk.meter.list.begin(ListStep::Resolving, present.unset());
        let mut leavers = Vec::new();
        without_flag(&before, &present, |person| {
            leavers.push(person.clone());
            Ok(())
        })?;
        for leavers in leavers.chunks(4_000) {
            for member in resolve(desk, leavers)?.members {
                file.push(&member)?;
            }
            desk.meter.list.done.add(leavers.len() as u64);
        }
        let seen = among_by_best(desk.forms, audience.paths, &tracked.settled())?;
        kept = those_unseen(desk, audience.paths, &seen)?;
    }
    file.finish()?;
    // A profile may have an identifier by now that the audience has too.
    let present_now = among(desk.forms, candidates.paths(), audience.paths)?;
    Ok(MirrorFindings {
        stored: write_plan(
            desk,
            ledger.directory(),
            candidates.paths(),
            &present_now,
            &kept.ids,
        )?,
        // Not those whom this run has put there.
        of: match rows_in(&tracked.settled())? {
            // No run has ended yet: whom the others may have put there.
            0 => present.unset(),
            settled => settled,
        },
        missing: kept.missing,
    })
}

fn rows_in(paths: &[PathBuf]) -> Result<u64, StateError> {
    let mut rows = 0;
    each_person(paths, |_, _| {
        rows += 1;
        Ok(true)
    })?;
    Ok(rows)
}

/// Audience members that were not found on the list, although they have a profile.
#[derive(Default)]
struct UnseenMembers {
    ids: HashSet<String>,
    /// How many have none.
    missing: u64,
}

/// The profiles of those of the audience whom nobody seems to be.
fn those_unseen(
    desk: Desk<'_>,
    audience: &[PathBuf],
    seen: &Flags,
) -> Result<UnseenMembers, ListError> {
    desk.meter.list.begin(ListStep::Resolving, seen.unset());
    let mut unseen = Vec::new();
    without_flag(audience, seen, |person| {
        unseen.push(person.clone());
        Ok(())
    })?;
    let (ids, missing) = ids_of(desk, &unseen)?;
    Ok(UnseenMembers { ids, missing })
}

/// The outcome of `removals.csv`.
struct RemovalTally {
    removals: u64,
    /// Members who keep their place because their phone number cannot be read: it may be somebody's in the audience.
    unreadable: u64,
}

/// Stores who is to be removed: who has no flag, is not among the kept, and has no phone number that cannot be read.
fn write_plan(
    desk: Desk<'_>,
    directory: &Path,
    members: &[PathBuf],
    present: &Flags,
    kept: &HashSet<String>,
) -> Result<RemovalTally, StateError> {
    let mut file = PersonFile::create(&directory.join(PLANNED))?;
    let (mut planned, mut unreadable) = (HashSet::new(), HashSet::new());
    without_flag(members, present, |person| {
        if kept.contains(&person.id) {
            return Ok(());
        }
        if has_unreadable_phone(desk.forms, person) {
            unreadable.insert(person.id.clone());
            return Ok(());
        }
        if !planned.insert(person.id.clone()) {
            return Ok(());
        }
        // The id alone: nobody needs to know more to approve it, or to undo it.
        file.push(&Person {
            id: person.id.clone(),
            ..Person::default()
        })
    })?;
    file.finish()?;
    Ok(RemovalTally {
        removals: planned.len() as u64,
        unreadable: unreadable.len() as u64,
    })
}
