//! The estimate as a person reads it: a line a way, the advice, and what it leaves out.

use super::times::{Estimate, EstimatePlan, SOME_LEAVERS};
use crate::base::text::{duration, rounded};
use crate::cli::console::printable;
use crate::cli::table::{Side, aligned, folded};
use crate::job::file::{Attach, Deliver, Mirror};
use crate::run::report::{count, grouped, megabytes};

/// The number of seconds of the list stage from which advice on saving them is worth a line.
const WORTH_ADVICE: f64 = 60.0;

impl Estimate {
    /// The estimate as text for a terminal of `columns` columns.
    pub fn to_text(&self, columns: usize) -> String {
        let mut text = folded(&self.head(), columns, 2);
        text.push('\n');
        let mut rows = vec![
            row("by SFTP", self.sftp.seconds, self.by_sftp()),
            row(
                "by the API",
                self.import_jobs.seconds,
                format!(
                    "{}, {}",
                    count(self.import_jobs.jobs, "import job"),
                    megabytes(self.import_jobs.bytes)
                ),
            ),
            row(
                "one by one",
                self.one_by_one.seconds,
                format!(
                    "{} profiles an hour, for comparison",
                    grouped(self.one_by_one.profiles_per_hour)
                ),
            ),
        ];
        rows.extend(self.of_list());
        text.push_str(&aligned(&rows, &[Side::Left, Side::Right]));
        text.push('\n');
        if let Some(no_email) = &self.no_email {
            let told = format!("no e-mail: {}", no_email.to_text());
            text.push_str(&folded(&told, columns, 11));
        }
        text.push_str(&folded(&format!("advice: {}", self.advice), columns, 8));
        for note in &self.notes {
            text.push_str(&folded(&format!("note: {}", printable(note)), columns, 6));
        }
        text
    }

    fn head(&self) -> String {
        format!("{}: {}", self.job, self.size())
    }

    /// The rows, bytes and parts, and how well they are known.
    pub(crate) fn size(&self) -> String {
        let (rows, parts) = (
            count(self.about(self.rows), "row"),
            count(self.parts, "part"),
        );
        let bytes = megabytes(self.bytes);
        let read = count(self.rows_read, "row");
        if self.exact {
            format!("{rows} and {bytes} in {parts}, of {read} read")
        } else {
            format!("about {rows} and {bytes} in {parts}, by the first {read}")
        }
    }

    /// A number as exact as it is known: what is not counted has three digits.
    fn about(&self, number: u64) -> u64 {
        if self.exact { number } else { rounded(number) }
    }

    fn by_sftp(&self) -> String {
        let speed = self.sftp.megabytes_per_second;
        let why = match self.sftp.measured_runs {
            0 => "assumed".to_owned(),
            1 => "as the last run".to_owned(),
            runs => format!("as the last {runs} runs"),
        };
        format!("{} at {speed:.1} MB/s, {why}", megabytes(self.bytes))
    }

    fn of_list(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        if let Some(attach) = &self.attach {
            let what = match attach.attach {
                Attach::Column => "by a column in the files".to_owned(),
                _ if attach.calls == 0 => "along with the import jobs".to_owned(),
                Attach::ImportJob => {
                    format!("{} with the identifiers", count(attach.calls, "import job"))
                }
                Attach::Members => format!(
                    "{}, once the profiles are there",
                    count(attach.calls, "call")
                ),
            };
            rows.push(row("list: attach", attach.seconds, what));
        }
        let Some(mirror) = &self.mirror else {
            return rows;
        };
        let what = match mirror.members {
            Some(members) if mirror.members_known => {
                format!("{} read", count(members, "member"))
            }
            Some(members) => format!(
                "{} read, if they are as many as rows",
                count(self.about(members), "member")
            ),
            None => format!("for each {} who leave", grouped(SOME_LEAVERS)),
        };
        rows.push(row("list: mirror", mirror.seconds, what));
        rows.push(row(
            "list: removals",
            mirror.removal_seconds,
            format!("{} at most, by max-removals", grouped(mirror.removals)),
        ));
        rows
    }

    /// Which way to use and why, and what of the list takes longest.
    pub(super) fn advice(&self, plan: &EstimatePlan) -> String {
        let jobs = count(self.import_jobs.jobs, "import job");
        let time = duration(self.import_jobs.seconds);
        let mut advice = match (self.rows, self.advised) {
            (0, _) => return "there is nothing to send".to_owned(),
            (_, Deliver::Api) => format!(
                "deliver = \"api\": it takes {time} for {jobs}; Klaviyo may need hours to import a file"
            ),
            (_, Deliver::Sftp) => format!(
                "deliver = \"sftp\": {jobs} would use up the account's limits for {time}, and a file uses none"
            ),
        };
        if self.advised == plan.deliver {
            advice.push_str(", as in the job");
        }
        if let Some(longest) = self.longest_of_list() {
            advice.push_str("; ");
            advice.push_str(&longest);
        }
        advice
    }

    fn longest_of_list(&self) -> Option<String> {
        let attach = self.attach.as_ref()?;
        let reading = self.mirror.as_ref();
        let reading = reading.filter(|mirror| mirror.mirror == Mirror::Exact);
        // What is over soon needs no advice.
        match reading {
            Some(mirror) if mirror.seconds.max(attach.seconds) < WORTH_ADVICE => None,
            None if attach.seconds < WORTH_ADVICE => None,
            Some(mirror) if mirror.seconds >= attach.seconds => Some(format!(
                "for the list, reading its members takes longest ({}): mirror = \"tracked\" does not read them",
                duration(mirror.seconds)
            )),
            _ if attach.attach == Attach::Members => Some(format!(
                "for the list, looking up profiles takes longest ({}): attach = \"import-job\" does not look them up",
                duration(attach.seconds)
            )),
            _ => Some(format!(
                "for the list, attaching takes longest ({})",
                duration(attach.seconds)
            )),
        }
    }
}

fn row(what: &str, seconds: f64, how: String) -> Vec<String> {
    vec![what.to_owned(), duration(seconds), how]
}
