//! `estimate`: how large the audience is, how long each way takes, and which to use. Writes nothing; asks Klaviyo, where there
//! is a key, for the members of a list that has to be read, for those who get no e-mail, and for the plan's number of profiles.

pub(crate) mod answers;
mod sample;
mod text;
pub mod times;

use super::Surroundings;
use crate::base::interrupt::Interrupt;
use crate::cli::{EstimateArgs, RowLimit};
use crate::command::estimate::answers::ApiAnswers;
use crate::command::estimate::times::{
    AudienceSample, Estimate, EstimatePlan, ListPlan, Size, Speed, Total,
};
use crate::job::Job;
use crate::klaviyo::list::EmailSample;
use crate::pipeline::mapping::Mapping;
use crate::pipeline::normalize::Normalizer;
use crate::run::delta::comparison;
use crate::run::drift;
use crate::run::error::Error;
use crate::run::header_line;
use crate::run::history;
use crate::run::report::RunReport;
use crate::source::audience::{Audience, AudienceSettings};
use crate::state::manifest::to_json;

/// The speed is that of so many runs, the last ones.
const RUNS: usize = 5;
/// The least number of bytes on disk that are read: of less, what a decompressor reads ahead (64 kB) would be a part to count with.
const LEAST_BYTES: u64 = 2_000_000;

/// The text (or JSON) that tells how long the job at `args.job` takes.
pub fn estimate(args: &EstimateArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let mut job = Job::load_without_server((&args.job).into(), &surroundings.environment)?;
    super::apply(false, &args.state, &mut job);
    let speed = speed(&job)?;
    let estimate = reckon(&job, args.limit, speed, surroundings)?;
    if args.json {
        return Ok(String::from_utf8_lossy(&to_json(&estimate)).into_owned());
    }
    Ok(estimate.to_text(surroundings.console.columns()))
}

/// How long the job takes at this speed to the server, reckoned from the first `limit` rows of its audience.
pub(crate) fn reckon(
    job: &Job,
    limit: RowLimit,
    speed: Speed,
    surroundings: &Surroundings,
) -> Result<Estimate, Error> {
    let counted = count_rows(job, limit, surroundings)?;
    let audience = super::open_audience(job, surroundings)?;
    let is_stream = audience.total_bytes().is_none() && counted.is_none();
    let limit = match limit {
        RowLimit::Rows(rows) => rows,
        RowLimit::All => u64::MAX,
    };
    let (size, emails) = measure(job, audience, limit, counted, &surroundings.interrupt)?;
    let mut notes = notes(&size, is_stream);
    notes.extend(drift::note_of_look(job, &size.measures));
    let answers = answers::ask(job, &size, emails, surroundings, &mut notes);
    if let Some(signal) = surroundings.interrupt.signal() {
        return Err(Error::Interrupted { signal });
    }
    let plan = EstimatePlan {
        deliver: job.deliver,
        limits: job.limits,
        speed,
        list: list_plan(job, &answers),
    };
    Ok(Estimate {
        no_email: answers.no_email,
        plan: answers.plan,
        ..Estimate::new(&job.name, &size, &plan, notes)
    })
}

/// How many rows a query gives, counted by its engine; `None` of files, and where all rows are read anyway.
fn count_rows(
    job: &Job,
    limit: RowLimit,
    surroundings: &Surroundings,
) -> Result<Option<u64>, Error> {
    let AudienceSettings::Query(connection, query) = &job.audience else {
        return Ok(None);
    };
    if matches!(limit, RowLimit::All) {
        return Ok(None);
    }
    let counted = connection.count(query, surroundings.of_query());
    super::of_query(counted, "query", surroundings).map(Some)
}

/// Looks at the rows of the audience, block by block, until there are `limit` and enough to reckon with.
fn measure(
    job: &Job,
    audience: Audience,
    limit: u64,
    counted: Option<u64>,
    interrupt: &Interrupt,
) -> Result<(Size, EmailSample), Error> {
    let mapping = Mapping::new(&job.columns, audience.sources())?;
    let header_bytes = header_line(&mapping).len() as u64;
    let mut sample = AudienceSample::new(&mapping, job.limits, header_bytes)
        .compared_by(comparison(job, &mapping));
    sample.keeps_emails(job.calls_for_list());
    let mut normalizer = Normalizer::new(&mapping, job.rules.clone());
    let sources = audience.shared_sources();
    let rows = counted.or_else(|| audience.total_rows()).map(Total::Rows);
    let total = rows.or_else(|| audience.total_bytes().map(Total::Bytes));
    let mut blocks = audience.into_blocks();
    let recycler = blocks.recycler();
    let least_bytes = match total {
        Some(Total::Bytes(_)) => LEAST_BYTES,
        _ => 0,
    };
    while sample.rows_read() < limit || sample.consumed_bytes() < least_bytes {
        if let Some(signal) = interrupt.signal() {
            return Err(Error::Interrupted { signal });
        }
        let Some(block) = blocks.next().transpose()? else {
            return Ok(sample.finish(total, true));
        };
        let batch = normalizer.batch(&sources, &block)?;
        recycler.give(block);
        sample.batch(&batch);
    }
    let is_whole = blocks.next().is_none();
    Ok(sample.finish(total, is_whole))
}

/// The things that the numbers leave out.
fn notes(size: &Size, is_stream: bool) -> Vec<String> {
    let mut notes = vec![
        "these times follow from the link and the documented limits; how long Klaviyo then needs to import the data is not known"
            .to_owned(),
    ];
    if let Some((changed, rows)) = size.changed.filter(|(_, rows)| *rows > 0) {
        let share = changed as f64 * 100.0 / rows as f64;
        notes.push(format!(
            "{share:.1} % of the rows that were read are new or changed since the last run: with send = \"changed\" only these are sent, and the times above are those of a run with --full"
        ));
    }
    if is_stream && !size.is_exact {
        notes.push(
            "standard input has more rows, and their number is not known: the numbers are for the rows that were read; --limit all reads all"
                .to_owned(),
        );
    }
    notes
}

/// The median of what the last runs have measured.
fn speed(job: &Job) -> Result<Speed, Error> {
    let Ok(state) = job.state() else {
        return Ok(Speed::of_runs(Vec::new()));
    };
    let mut ids = state.run_ids()?;
    ids.reverse();
    let measured = ids
        .iter()
        .filter_map(|id| history::telling_speed(&RunReport::read(&state.run(id))?))
        .take(RUNS);
    Ok(Speed::of_runs(measured.collect()))
}

/// The plan for the list.
fn list_plan(job: &Job, answers: &ApiAnswers) -> Option<ListPlan> {
    let list = job.list.as_ref()?;
    Some(ListPlan {
        attach: list.attach,
        mirror: list.mirror,
        members: answers.members,
        most_removals: (list.max_removals.percent, list.max_removals.members),
    })
}
