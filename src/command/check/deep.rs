//! The checks of `--deep`: the time of a request, the speed of an upload, the requests that the server accepts, and how long
//! the next run takes with all that. What they put on the server they remove.

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::super::Surroundings;
use super::super::estimate::reckon;
use super::super::estimate::times::{Estimate, Speed};
use super::findings::{CheckName, CheckOutcome, Findings};
use super::server::{ProbeFiles, removed};
use crate::base::interrupt::Interrupt;
use crate::base::text::{duration, megabytes};
use crate::cli::RowLimit;
use crate::delivery::settings::Delivery;
use crate::delivery::sftp::{SftpError, SftpSession, SftpStatus, Trial};
use crate::job::Job;
use crate::job::file::Deliver;
use crate::run::error::Error;
use crate::source::audience::AudienceSettings;

/// The number of requests whose median is the time of one.
const REQUESTS: usize = 9;
/// The size of the first file by which speed is measured. A slow link needs seconds for it.
const FIRST_BYTES: u64 = 64_000;
/// Each next file is so many times larger.
const GROWTH: u64 = 8;
/// The largest such file.
const MOST_BYTES: u64 = 64_000_000;
/// An upload that takes so long tells the speed: opening and closing the file are a small part of it.
const TELLING: Duration = Duration::from_secs(1);
/// The time that an upload with all sessions should take.
const WITH_ALL_SECONDS: f64 = 2.0;
/// The rows that the next run's time is reckoned from, as many as `estimate` reads.
const ROWS: u64 = 100_000;

/// Measures the server behind `session`. The speed with all sessions of the job, in MB/s, if it could be measured.
pub(super) fn server(
    delivery: &Delivery,
    files: &ProbeFiles,
    mut session: SftpSession,
    surroundings: &Surroundings,
    findings: &mut Findings,
) -> Option<f64> {
    let folder = files.folder();
    let times = times_of_requests(&mut session, folder).map_err(Error::from);
    let times = findings.note(CheckName::RoundTrip, times, |times| {
        describe_times(times).into()
    });
    if times.is_none() {
        findings.skip_all(
            &[CheckName::Speed, CheckName::Requests],
            "the check above must succeed first",
        );
        return None;
    }
    let interrupt = surroundings.interrupt.without_grace();
    let mut notes = Vec::new();
    let measured = speeds(delivery, files, &mut session, &interrupt, &mut notes);
    let measured = findings.note(CheckName::Speed, measured.map_err(Error::from), |speeds| {
        CheckOutcome::warned(speeds.to_text(), notes)
    });
    requests(delivery, files, session, &interrupt, findings);
    measured.map(|speeds| speeds.with_all)
}

fn times_of_requests(session: &mut SftpSession, folder: &str) -> Result<Vec<Duration>, SftpError> {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        times.push(session.round_trip(folder)?);
    }
    times.sort_unstable();
    Ok(times)
}

fn describe_times(sorted: &[Duration]) -> String {
    let milliseconds = |at: usize| in_milliseconds(sorted.get(at).copied().unwrap_or_default());
    format!(
        "{} ms for a request and its answer (the median of {}; {} to {} ms)",
        milliseconds(sorted.len() / 2),
        sorted.len(),
        milliseconds(0),
        milliseconds(sorted.len().saturating_sub(1)),
    )
}

/// Milliseconds with as many digits as tell something: a server on the same machine answers within a few hundredths.
fn in_milliseconds(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1e3;
    let digits = if time < Duration::from_millis(1) {
        3
    } else {
        1
    };
    format!("{milliseconds:.digits$}")
}

/// Measured speeds, in MB/s.
struct Speeds {
    with_one: f64,
    with_all: f64,
    sessions: usize,
}

impl Speeds {
    fn to_text(&self) -> String {
        let one = format!("{:.1} MB/s with one session", self.with_one);
        if self.sessions == 1 {
            return one;
        }
        format!(
            "{one}, {:.1} MB/s with the {} of the job",
            self.with_all, self.sessions
        )
    }
}

/// Sends files of noise, each larger than the one before, until one takes long enough to tell; then one by each session.
fn speeds(
    delivery: &Delivery,
    files: &ProbeFiles,
    session: &mut SftpSession,
    interrupt: &Interrupt,
    notes: &mut Vec<String>,
) -> Result<Speeds, SftpError> {
    let path = files.path("speed-1");
    let mut bytes = FIRST_BYTES;
    let with_one = loop {
        let time = put_noise(session, &path, bytes)?;
        notes.extend(removed(session, &path));
        if time >= TELLING || bytes == MOST_BYTES {
            break rate(bytes, time);
        }
        bytes = (bytes * GROWTH).min(MOST_BYTES);
    };
    let sessions = delivery.sessions;
    if sessions == 1 {
        return Ok(Speeds {
            with_one,
            with_all: with_one,
            sessions,
        });
    }
    let mut others = Vec::new();
    for _ in 1..sessions {
        others.push(SftpSession::connect(&delivery.sftp, interrupt)?);
    }
    let bytes = bytes.min(whole_bytes(with_one * WITH_ALL_SECONDS));
    let with_all = with_all_sessions(files, session, &mut others, bytes)?;
    for (session, number) in std::iter::once(session).chain(&mut others).zip(1..) {
        notes.extend(removed(session, &files.path(&format!("speed-{number}"))));
    }
    Ok(Speeds {
        with_one,
        with_all,
        sessions,
    })
}

/// A file of `bytes` bytes by each session, all at once.
fn with_all_sessions(
    files: &ProbeFiles,
    first: &mut SftpSession,
    others: &mut [SftpSession],
    bytes: u64,
) -> Result<f64, SftpError> {
    let sessions = others.len() as u64 + 1;
    let begun = Instant::now();
    thread::scope(|scope| {
        let putting: Vec<_> = std::iter::once(first)
            .chain(others)
            .zip(1..)
            .map(|(session, number)| {
                let path = files.path(&format!("speed-{number}"));
                scope.spawn(move || put_noise(session, &path, bytes))
            })
            .collect();
        let done = putting.into_iter().map(|it| match it.join() {
            Ok(done) => done.map(|_| ()),
            Err(panic) => std::panic::resume_unwind(panic),
        });
        done.collect::<Result<(), SftpError>>()
    })?;
    Ok(rate(bytes * sessions, begun.elapsed()))
}

/// Sends so many bytes that nothing on the way can pack. The time from OPEN to the answer to CLOSE.
fn put_noise(session: &mut SftpSession, path: &str, bytes: u64) -> Result<Duration, SftpError> {
    let noise = Noise::new().map_err(|source| SftpError::Source {
        remote_path: path.to_owned(),
        source,
    })?;
    let begun = Instant::now();
    session.put(path, &mut noise.take(bytes), bytes, &mut |_| {})?;
    Ok(begun.elapsed())
}

/// Bytes without end: one random block again and again.
struct Noise {
    block: Vec<u8>,
    at: usize,
}

impl Noise {
    fn new() -> io::Result<Self> {
        let mut block = vec![0; 1 << 20];
        getrandom::fill(&mut block).map_err(io::Error::other)?;
        Ok(Self { block, at: 0 })
    }
}

impl Read for Noise {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = &self.block[self.at..];
        let taken = rest.len().min(into.len());
        into[..taken].copy_from_slice(&rest[..taken]);
        self.at = (self.at + taken) % self.block.len();
        Ok(taken)
    }
}

/// In MB/s.
fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64().max(1e-6)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size, which is not negative"
)]
fn whole_bytes(megabytes: f64) -> u64 {
    (megabytes * 1e6) as u64
}

/// Makes the requests that an upload does not need. A server may end the connection at one of them: the others are not made
/// then.
fn requests(
    delivery: &Delivery,
    files: &ProbeFiles,
    mut session: SftpSession,
    interrupt: &Interrupt,
    findings: &mut Findings,
) {
    let [file, new, renamed] = ["requests", "exclusive", "renamed"].map(|what| files.path(what));
    let trials = [
        Trial::SetPermissions,
        Trial::SetTimes,
        Trial::Read,
        Trial::Append,
        Trial::CreateNew { path: &new },
        Trial::Rename { to: &renamed },
    ];
    let (mut told, mut notes) = (TrialAnswers::default(), Vec::new());
    let mut made = vec![&file];
    let put = session.put(&file, &mut io::empty(), 0, &mut |_| {});
    for trial in trials.into_iter().filter(|_| put.is_ok()) {
        match session.attempt(trial, &file) {
            Ok(status) => {
                told.add(trial, status);
                match trial {
                    _ if status != SftpStatus::OK => {}
                    Trial::CreateNew { .. } => made.push(&new),
                    Trial::Rename { .. } => made = vec![&renamed, &new],
                    _ => {}
                }
            }
            Err(error) => {
                notes.push(format!(
                    "the connection ended at the request {trial}: {error}"
                ));
                // Nobody knows how far it came.
                made = vec![&file, &new, &renamed];
                break;
            }
        }
    }
    if session.is_lost()
        && let Ok(again) = SftpSession::connect(&delivery.sftp, interrupt)
    {
        session = again;
    }
    notes.extend(
        made.into_iter()
            .filter_map(|path| removed(&mut session, path)),
    );
    findings.note(CheckName::Requests, put.map_err(Error::from), |()| {
        CheckOutcome::warned(told.to_text(), notes)
    });
}

/// The requests by the server's answers, in the order in which an answer first came.
#[derive(Default)]
struct TrialAnswers(IndexMap<u32, Vec<String>>);

impl TrialAnswers {
    fn add(&mut self, trial: Trial<'_>, status: SftpStatus) {
        self.0.entry(status.0).or_default().push(trial.to_string());
    }

    fn to_text(&self) -> String {
        let listed = |status: SftpStatus, requests: &[String]| {
            let requests = requests.join(", ");
            match status {
                SftpStatus::OK => format!("accepted: {requests}; "),
                status => format!("refused with {status}: {requests}; "),
            }
        };
        let ok = SftpStatus::OK.0;
        let accepted = self.0.iter().filter(|(status, _)| **status == ok);
        let refused = self.0.iter().filter(|(status, _)| **status != ok);
        let told = accepted.chain(refused);
        let told = told.map(|(status, requests)| listed(SftpStatus(*status), requests));
        format!("{}an upload needs none of these", told.collect::<String>())
    }
}

/// How long a run takes, from the first rows of the audience and the speed that was measured.
pub(super) fn tonight(
    job: &Job,
    speed: Option<f64>,
    surroundings: &Surroundings,
    findings: &mut Findings,
) {
    let because = match &job.audience {
        AudienceSettings::Files(files) if files.files.iter().any(|file| file == "-") => {
            Some("only a run reads standard input")
        }
        _ if job.before.is_some() => {
            Some("a run executes the statements first, and the audience may be another then")
        }
        _ if speed.is_none() && job.deliver == Deliver::Sftp => {
            Some("the speed must be measured first")
        }
        _ => None,
    };
    if let Some(because) = because {
        findings.skip(CheckName::Tonight, because);
        return;
    }
    let speed = speed.map_or_else(|| Speed::of_runs(Vec::new()), Speed::now);
    let reckoned = reckon(job, RowLimit::Rows(ROWS), speed, surroundings);
    findings.note(CheckName::Tonight, reckoned, |estimate| {
        CheckOutcome::ok(describe(estimate, job.deliver), estimate.notes.clone())
    });
}

fn describe(estimate: &Estimate, deliver: Deliver) -> String {
    let mut stages = vec![match deliver {
        Deliver::Sftp => format!("{} to the server", duration(estimate.sftp.seconds)),
        Deliver::Api => format!(
            "{} for import jobs of {}",
            duration(estimate.import_jobs.seconds),
            megabytes(estimate.import_jobs.bytes)
        ),
    }];
    let attach = estimate.attach.as_ref().filter(|attach| attach.calls > 0);
    stages.extend(
        attach.map(|it| format!("{} to attach profiles to the list", duration(it.seconds))),
    );
    let mirror = estimate.mirror.as_ref();
    stages.extend(mirror.map(|it| format!("{} to find who leaves it", duration(it.seconds))));
    format!("{}: {}", estimate.size(), stages.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_as_many_digits_as_tell_something() {
        let told = [43_000, 999_000, 1_000_000, 21_440_000]
            .map(|nanoseconds| in_milliseconds(Duration::from_nanos(nanoseconds)));
        assert_eq!(told, ["0.043", "0.999", "1.0", "21.4"]);
    }
}
