//! `preview`: what a run would send and what it would refuse, told without a server and without a file written.

mod advice;
mod dates;
mod doubts;
pub mod findings;
pub mod hazard;
mod look;
mod mask;
mod repairs;
mod shared;
mod text;

use std::path::Path;
use std::sync::Arc;

use super::guesses::Guesses;
use super::{Surroundings, flags};
use crate::base::interrupt::Interrupt;
use crate::cli::{AudienceArgs, PreviewArgs, RowLimit};
use crate::command::preview::findings::{LookOptions, Preview, PreviewFacts, PreviewLook};
use crate::job::{Job, JobSource, audience_files, is_job_file};
use crate::pipeline::mapping::Mapping;
use crate::pipeline::mapping::guess::{Sample, address_column};
use crate::pipeline::normalize::Normalizer;
use crate::profile::column::ProfileColumn;
use crate::run::delta::comparison;
use crate::run::drift;
use crate::run::error::Error;
use crate::source::audience::{Audience, Block, Source};
use crate::state::manifest::to_json;
use advice::Advice;

/// The subject of a preview: a job, and its audience.
struct Subject {
    job: Job,
    audience: Audience,
    /// Columns that a flag names; `None` of a job file.
    mapped_by_flag: Option<Vec<String>>,
    /// Of files, the guesses for the columns of the first.
    guesses: Guesses,
}

/// The text (or JSON) that tells what would be sent.
pub fn preview(args: &PreviewArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let subject = match args.files.as_slice() {
        [_, _, ..] if args.files.iter().any(|file| is_job_file(Path::new(file))) => {
            return Err(Error::Usage(
                "one job file at a time, or files of rows".to_owned(),
            ));
        }
        [job] if is_job_file(Path::new(job)) => of_job(Path::new(job), args, surroundings)?,
        files => of_files(files, args, surroundings)?,
    };
    let preview = look(subject, args, surroundings)?;
    if args.json {
        return Ok(String::from_utf8_lossy(&to_json(&preview)).into_owned());
    }
    Ok(preview.to_text(surroundings.console.columns()))
}

fn of_job(path: &Path, args: &PreviewArgs, surroundings: &Surroundings) -> Result<Subject, Error> {
    if args.audience != AudienceArgs::default() {
        return Err(Error::Usage(format!(
            "{} is a job file and has its own columns and rules: change them there, or preview its files",
            path.display()
        )));
    }
    let source = JobSource {
        path,
        set: &args.settings.set,
    };
    let job = Job::load_without_server(source, &surroundings.environment)?;
    let audience = super::open_audience(&job, surroundings)?;
    Ok(Subject {
        job,
        audience,
        mapped_by_flag: None,
        guesses: Guesses::default(),
    })
}

fn of_files(
    files: &[String],
    args: &PreviewArgs,
    surroundings: &Surroundings,
) -> Result<Subject, Error> {
    if !args.settings.set.is_empty() {
        return Err(Error::Usage(
            "--set changes a job file, and these are files of rows; use the flags for them, such as --map"
                .to_owned(),
        ));
    }
    let mut file = flags::job_file(files, Some("preview"), &args.audience);
    let base = Path::new("");
    let opened = audience_files(&file, base).map_err(flags::of_flag)?;
    let mut audience = Audience::open(&opened, Box::new(std::io::stdin()))?;
    let guesses = Guesses::of(&mut audience);
    let maps = &args.audience.map;
    file.columns = guesses.columns(maps)?;
    flags::leave_out(&mut file, maps);
    flags::require_identifier(&file, maps, &guesses, &audience)?;
    let job = Job::from_file(file, base, &surroundings.environment).map_err(flags::of_flag)?;
    let named = maps.iter().filter_map(|map| map.split_once('='));
    Ok(Subject {
        job,
        audience,
        mapped_by_flag: Some(named.map(|(source, _)| source.to_owned()).collect()),
        guesses,
    })
}

fn look(
    subject: Subject,
    args: &PreviewArgs,
    surroundings: &Surroundings,
) -> Result<Preview, Error> {
    let mapping = Mapping::new(&subject.job.columns, subject.audience.sources())?;
    let sources = subject.audience.shared_sources();
    let options = LookOptions {
        rows: usize::try_from(args.rows).unwrap_or(usize::MAX),
        limit: match args.limit {
            RowLimit::Rows(rows) => rows,
            RowLimit::All => u64::MAX,
        },
        show_values: args.show_values,
        duplicates: subject.job.duplicates,
        shared_identifiers: subject.job.shared_identifiers,
        is_query: subject.job.audience.is_query(),
    };
    let mut look = PreviewLook::new(&mapping, Arc::clone(&sources), options)
        .compared_by(comparison(&subject.job, &mapping));
    let normalizer = Normalizer::new(&mapping, subject.job.rules.clone());
    let read = read(
        subject.audience,
        normalizer,
        &mut look,
        &surroundings.interrupt,
    )?;
    look.settle();
    let address_column = match subject.mapped_by_flag {
        Some(_) => subject.guesses.address_column(),
        None => read.address_column.as_deref(),
    };
    let advice = Advice {
        is_whole: read.whole,
        job: &subject.job,
        mapping: &mapping,
        sources: &sources,
        look: &look,
        address_column: address_column.filter(|_| {
            let mut columns = mapping.columns.iter();
            columns.all(|column| column.target != ProfileColumn::Email)
        }),
        guesses: &subject.guesses,
        by_flag: subject.mapped_by_flag.as_deref(),
    };
    let mut notes = advice.notes();
    notes.extend(drift::note_of_look(
        &subject.job,
        &look.measures(read.whole),
    ));
    let circumstances = PreviewFacts {
        origins: advice.origins(),
        left_out: advice.left_out(),
        whole: read.whole,
        notes,
        next: advice
            .next(&surroundings.command_line)
            .map(|line| line.to_string()),
    };
    Ok(look.finish(circumstances))
}

/// The facts of an audience that its reading gives in addition to its rows.
struct ReadFacts {
    /// Whether every row was looked at.
    whole: bool,
    /// The column that holds e-mail addresses.
    address_column: Option<String>,
}

/// Has `look` look at the rows of `audience`, as many as it wants.
fn read(
    audience: Audience,
    mut normalizer: Normalizer<'_>,
    look: &mut PreviewLook<'_>,
    interrupt: &Interrupt,
) -> Result<ReadFacts, Error> {
    let sources = audience.shared_sources();
    let mut blocks = audience.into_blocks();
    let mut address_column = None;
    while let Some(block) = blocks.next() {
        if let Some(signal) = interrupt.signal() {
            return Err(Error::Interrupted { signal });
        }
        let block = block?;
        let records = block.records;
        if address_column.is_none() && look.rows_read() == 0 {
            address_column = column_in(&sources, &block);
        }
        let batch = normalizer.batch(&sources, &block)?;
        blocks.recycler().give(block);
        let before = look.records();
        if !look.batch(batch) {
            let whole = look.records() - before == records && blocks.next().is_none();
            return Ok(ReadFacts {
                whole,
                address_column,
            });
        }
    }
    Ok(ReadFacts {
        whole: true,
        address_column,
    })
}

/// The column of the block's source that holds e-mail addresses.
fn column_in(sources: &[Source], block: &Block) -> Option<String> {
    let source = sources.get(usize::try_from(block.source.0).ok()?)?;
    let position = address_column(&source.header, &Sample::of(source, block))?;
    source.header.get(position).cloned()
}
