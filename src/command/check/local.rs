//! The checks that need no network: the audience, the state directory, the secrets.

use std::path::Path;

use rustix::fs::{Access, access};

use super::findings::{CheckName, CheckOutcome, Findings, RunStanding};
use super::room::{self, Room};
use crate::base::secret::SecretSource;
use crate::command::Surroundings;
use crate::command::preview::findings::{LookOptions, PreviewLook};
use crate::job::Job;
use crate::job::file::Deliver;
use crate::pipeline::mapping::Mapping;
use crate::pipeline::normalize::Normalizer;
use crate::run::attempt::refuse_other_job;
use crate::run::error::Error;
use crate::run::report::{count, megabytes};
use crate::run::{future_warning, is_in_future, resume};
use crate::source::audience::{Audience, AudienceFiles, AudienceSettings, SourceFormat};
use crate::source::query::{Query, QueryConnection};
use crate::state::lock;
use crate::state::manifest::RunManifest;
use crate::state::storage::storage;

/// The files, their headers, and the mapping of their columns.
pub(super) fn audience(job: &Job, surroundings: &Surroundings, findings: &mut Findings) {
    let files = match &job.audience {
        AudienceSettings::Files(files) => files,
        AudienceSettings::Query(connection, query) => {
            return answer(connection, query, job, surroundings, findings);
        }
    };
    if let Some(before) = &job.before {
        // No statement: it is enough to be let in.
        let connected = before.connection.execute(&[], surroundings.of_query());
        let connected = crate::command::of_query(connected, "before", surroundings);
        let name = before.connection.name();
        let statements = count(before.statements.len() as u64, "statement");
        let is_connected = findings.note(CheckName::Audience, connected, |()| {
            format!("{name}: {statements} before the files are read").into()
        });
        if is_connected.is_none() {
            findings.skip(CheckName::Columns, "the statements create the files");
            return;
        }
        if Audience::open(files, Box::new(std::io::empty())).is_err() {
            findings.skip(
                CheckName::Columns,
                "the statements have not created the files yet",
            );
            return;
        }
    }
    self::files(files, job, findings);
}

/// The files themselves, their headers, and the mapping of their columns.
pub(super) fn files(files: &AudienceFiles, job: &Job, findings: &mut Findings) {
    if files.files.iter().any(|file| file == "-") {
        findings.skip(CheckName::Audience, "only a run reads standard input");
        findings.skip(CheckName::Columns, "only a run reads standard input");
        return;
    }
    let opened = Audience::open(files, Box::new(std::io::empty()));
    let audience = findings.note(
        CheckName::Audience,
        opened.map_err(Error::from),
        |audience| {
            let warnings = crate::command::source_warnings(audience.sources());
            CheckOutcome::warned(describe(audience), warnings.collect())
        },
    );
    let Some(mut audience) = audience else {
        findings.skip(CheckName::Columns, "the audience must be readable first");
        return;
    };
    findings.audience_bytes = room::unpacked_bytes(audience.sources());
    findings.audience_rows = audience.total_rows();
    columns(job, &mut audience, findings);
}

/// The connection, the query's columns, and their mapping. No row is asked for.
fn answer(
    connection: &QueryConnection,
    query: &Query,
    job: &Job,
    surroundings: &Surroundings,
    findings: &mut Findings,
) {
    let described = connection.describe(query, surroundings.of_query());
    let described = crate::command::of_query(described, "query", surroundings);
    let described = findings.note(CheckName::Audience, described, |found| {
        let columns = count(found.len() as u64, "column");
        format!("{}: {columns}", connection.name()).into()
    });
    match described {
        Some(found) => columns(job, &mut Audience::described(&found), findings),
        None => findings.skip(CheckName::Columns, "the audience must be readable first"),
    }
}

fn columns(job: &Job, audience: &mut Audience, findings: &mut Findings) {
    let mapping = Mapping::new(&job.columns, audience.sources()).map_err(Error::from);
    findings.note(CheckName::Columns, mapping, |mapping| {
        let headers: Vec<&str> = mapping
            .columns
            .iter()
            .map(|column| column.target.header())
            .collect();
        let mut warnings = mapping.warnings.clone();
        warnings.extend(null_words(job, audience, mapping));
        CheckOutcome::warned(headers.join(", "), warnings)
    });
}

/// Warnings of columns in which many of the first rows have a word for a missing value. Of a query no row is asked for.
fn null_words(job: &Job, audience: &mut Audience, mapping: &Mapping) -> Vec<String> {
    let Some(block) = audience.first_block() else {
        return Vec::new();
    };
    let sources = audience.shared_sources();
    let mut normalizer = Normalizer::new(mapping, job.rules.clone());
    let Ok(batch) = normalizer.batch(&sources, &block) else {
        return Vec::new();
    };
    let options = LookOptions {
        rows: 0,
        limit: u64::MAX,
        show_values: false,
        duplicates: job.duplicates,
        shared_identifiers: job.shared_identifiers,
        is_query: false,
    };
    let mut look = PreviewLook::new(mapping, sources, options);
    look.batch(batch);
    look.null_word_notes()
}

fn describe(audience: &Audience) -> String {
    let sources = audience.sources();
    let size = audience
        .total_bytes()
        .map_or(String::new(), |bytes| format!(", {}", megabytes(bytes)));
    match sources {
        [source] => {
            let format = match source.format {
                SourceFormat::Parquet => "Parquet",
                format => &format.name().to_ascii_uppercase(),
            };
            let columns = count(source.header.len() as u64, "column");
            format!("{}: {format}, {columns}{size}", source.name)
        }
        sources => format!("{}{size}", count(sources.len() as u64, "file")),
    }
}

/// Whether the folder of the job, or the nearest one above it that is there, can be written, has room for the job, and
/// belongs to it; nothing is made.
pub(super) fn state(job: &Job, findings: &mut Findings) {
    let state = match job.state() {
        Ok(state) => state,
        Err(error) => {
            findings.note(CheckName::State, Err(error.into()), |(): &()| {
                String::new().into()
            });
            return;
        }
    };
    let room = Room::of(job, state.path(), findings.audience_bytes);
    let result = writable(state.path())
        .and_then(|()| room.check(state.path()))
        .and_then(|()| refuse_other_job(&state, &job.owner, &job.name))
        // What cannot be read cannot be gone on with.
        .and_then(|()| resume::last_run(&state).map_err(Error::from));
    let holder = lock::holder(state.path());
    let is_unfinished = |last: &Option<RunManifest>| {
        last.as_ref()
            .is_some_and(|last| last.status.is_unfinished() && last.limit.is_none())
    };
    findings.standing = match &result {
        _ if holder.is_some() => RunStanding::UnderWay,
        Ok(last) if is_unfinished(last) => RunStanding::Unfinished,
        _ => RunStanding::Free,
    };
    findings.note(CheckName::State, result, |last| {
        let detail = format!(
            "{} can be written, {}",
            state.path().display(),
            room.words()
        );
        let mut warnings: Vec<String> = room.warning().into_iter().collect();
        warnings.extend(
            last.as_ref()
                .filter(|last| is_in_future(last))
                .map(future_warning),
        );
        let mut outcome = CheckOutcome::warned(detail, warnings);
        if let Some(holder) = holder {
            outcome.notes.push(format!("a run is under way ({holder})"));
        } else if is_unfinished(last)
            && let Some(last) = last
        {
            outcome.notes.push(format!(
                "run {} is unfinished; the next run continues it if nothing has changed",
                last.run_id
            ));
        }
        outcome
    });
}

/// The path itself if it is there, else the first folder above it that is.
pub(super) fn nearest(path: &Path) -> &Path {
    let named = |path: &&Path| !path.as_os_str().is_empty();
    let mut there = path.ancestors().take_while(named);
    there
        .find(|path| path.exists())
        .unwrap_or_else(|| Path::new("."))
}

fn writable(path: &Path) -> Result<(), Error> {
    let there = nearest(path);
    let failed = |action, source| Error::from(storage(there, action)(source));
    if !there.is_dir() {
        let source = std::io::ErrorKind::NotADirectory.into();
        return Err(failed("make a folder in it", source));
    }
    access(there, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| failed("write to it", error.into()))
}

/// Whether the secrets are there; true when there is enough to look at the key.
pub(super) fn secrets(job: &Job, read: Result<(), Error>, findings: &mut Findings) -> bool {
    let delivery = job.delivery.as_ref();
    let delivery = delivery.filter(|_| job.deliver == Deliver::Sftp);
    let places = delivery.map(|delivery| &delivery.secrets);
    let places: Vec<String> = places
        .iter()
        .flat_map(|places| [&places.passphrase, &places.password, &places.proxy_password])
        .flatten()
        .map(|place| match place {
            SecretSource::Variable(name) => name.clone(),
            place => place.to_string(),
        })
        .collect();
    findings
        .note(CheckName::Secrets, read, |()| {
            let detail = match &places[..] {
                [] => "the job names no secret".to_owned(),
                [one] => format!("{one} is set"),
                several => format!("{} are set", several.join(" and ")),
            };
            detail.into()
        })
        .is_some()
}
