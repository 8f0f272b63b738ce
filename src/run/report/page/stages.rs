//! How long the stages took, compared with the last runs.

use maud::{Markup, html};

use super::super::RunReport;
use super::bars::lying;
use super::document::took;
use crate::base::text::{duration, grouped_whole};
use crate::run::history::{RunLine, median};

/// An expectation is that of so many runs, the last ones: as many as `estimate` takes.
const RUNS: usize = 5;
/// Formatting that is shorter tells nothing of the next one.
const TELLING_SECONDS: f64 = 0.5;
/// Fewer rows tell nothing either.
const TELLING_ROWS: u64 = 1_000;

/// One stage.
struct StageLine {
    name: &'static str,
    seconds: f64,
    /// Its pace in words.
    pace: String,
    /// The seconds that the last runs let expect, and how many runs these are.
    expected: Option<(f64, usize)>,
}

/// The section about times. `runs` are the runs of the job, the oldest first.
pub(super) fn section(report: &RunReport, runs: &[RunLine]) -> Markup {
    let stages = stages(report, runs);
    let longest = stages
        .iter()
        .fold(0.0, |most: f64, stage| most.max(stage.seconds));
    let longest = longest.max(f64::MIN_POSITIVE);
    html! {
        section aria-labelledby="time" {
            h2 id="time" { "Time" }
            table.stages {
                caption { "Stages overlap: the whole run is shorter than their sum" }
                thead {
                    tr {
                        th scope="col" { "Stage" }
                        th.number scope="col" { "Took" }
                        th scope="col" { "Pace" }
                        th scope="col" { "Expected" }
                    }
                }
                tbody {
                    @for stage in &stages {
                        tr {
                            th scope="row" { (stage.name) (lying(0.0, stage.seconds / longest, "fill written")) }
                            td.number { (took(stage.seconds)) }
                            td { (stage.pace) }
                            td { (stage.expectation()) }
                        }
                    }
                }
            }
        }
    }
}

impl StageLine {
    fn expectation(&self) -> String {
        let Some((seconds, runs)) = self.expected else {
            return "–".to_owned();
        };
        let of = if runs == 1 { "run" } else { "runs" };
        format!("{}, as the last {runs} {of}", duration(seconds))
    }
}

fn stages(report: &RunReport, runs: &[RunLine]) -> Vec<StageLine> {
    let seconds = report.seconds;
    let is_before = |run: &&RunLine| run.run_id.as_deref() != Some(&*report.run_id);
    let before = || runs.iter().rev().filter(is_before);
    let delivered = report.parts.iter().filter(|part| part.is_delivered());
    let sent = delivered.fold(0, |sum: u64, part| sum.saturating_add(part.bytes));
    let mut stages = vec![
        StageLine {
            name: "Format",
            seconds: seconds.format,
            pace: pace(report.rows_read as f64, seconds.format, " rows/s"),
            expected: expected(report.rows_read as f64, before().filter_map(rows_a_second)),
        },
        StageLine {
            name: "Upload",
            seconds: seconds.upload,
            pace: megabytes_a_second(sent, seconds.upload),
            expected: expected(
                sent as f64 / 1e6,
                before().filter_map(|run| run.telling_speed),
            ),
        },
        StageLine {
            name: "List",
            seconds: seconds.list,
            pace: String::new(),
            expected: None,
        },
    ];
    stages.retain(|stage| stage.seconds > 0.0);
    stages.push(StageLine {
        name: "Whole run",
        seconds: seconds.total,
        pace: String::new(),
        expected: None,
    });
    stages
}

fn rows_a_second(run: &RunLine) -> Option<f64> {
    let (rows, seconds) = (run.rows_read?, run.seconds?.format);
    (rows >= TELLING_ROWS && seconds >= TELLING_SECONDS).then(|| rows as f64 / seconds)
}

/// The seconds for `amount` at the median of these paces.
fn expected(amount: f64, paces: impl Iterator<Item = f64>) -> Option<(f64, usize)> {
    let paces: Vec<f64> = paces.take(RUNS).collect();
    let runs = paces.len();
    let pace = median(paces).filter(|pace| *pace > 0.0)?;
    (amount > 0.0).then(|| (amount / pace, runs))
}

fn pace(amount: f64, seconds: f64, unit: &str) -> String {
    if amount < 1.0 || seconds < 0.05 {
        return String::new();
    }
    format!("{}{unit}", grouped_whole(amount / seconds))
}

fn megabytes_a_second(bytes: u64, seconds: f64) -> String {
    if bytes == 0 || seconds < 0.05 {
        return String::new();
    }
    format!("{:.1} MB/s", bytes as f64 / 1e6 / seconds)
}
