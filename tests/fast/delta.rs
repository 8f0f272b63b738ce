//! Only what changed: rows that Klaviyo has already are not sent again, and nothing is ever left out that it does not have.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "the helpers of tests may panic as well; a kill comes at any time"
)]

mod guards;
mod known;
mod lists;
mod nights;
mod plans;
mod shards;
mod snapshots;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;

use crate::support::workspace::{Outcome, Server, Workspace};

/// The name of the job.
const JOB: &str = "vip";
/// Its columns and rules.
const BODY: &str = "[audience]\nfiles = [\"a.csv\"]\non-empty = \"skip\"\n[columns]\nkey = \"ExternalID\"\nmail = \"Email\"\ncity = \"City\"\n[parts]\nmax-rows = 40\n[retry]\nfirst = \"1ms\"\nmax = \"5ms\"\ngive-up-after = \"200ms\"\n";
/// Limits that no test reaches by accident.
const DELTA: &str = "[delta]\nsend = \"changed\"\nmax-changed = { percent = 100, rows = 1000000 }\nmax-shrink = { percent = 100 }\n";

/// Rows of an audience: the key, and what belongs to it.
type People = BTreeMap<u32, &'static str>;

/// `count` people who live in the same city.
fn people(count: u32) -> People {
    (0..count).map(|key| (key, "Oslo")).collect()
}

/// A job that sends changed rows, and its server.
struct Job {
    workspace: Workspace,
    server: Server,
}

impl Job {
    fn new() -> Self {
        Self::with(BODY, DELTA)
    }

    fn with(body: &str, delta: &str) -> Self {
        let workspace = Workspace::new();
        let server = workspace.server();
        let job = Self { workspace, server };
        job.says(body, delta);
        job
    }

    /// Writes the job file anew.
    fn says(&self, body: &str, delta: &str) {
        self.workspace
            .job(JOB, &format!("{body}{delta}"), Some(&self.server));
    }

    /// Writes the audience.
    fn audience(&self, people: &People) {
        let mut text = "key,mail,city\n".to_owned();
        for (key, city) in people {
            writeln!(text, "k{key},n{key}@example.com,{city}").unwrap();
        }
        self.workspace.write("a.csv", text);
    }

    fn run(&self, flags: &[&str]) -> Outcome {
        let arguments = [&["run", "vip.toml", "--json"], flags].concat();
        self.workspace.run(&arguments)
    }

    /// Runs, and gives the rows that arrived, in the order of the keys.
    fn night(&self, people: &People, flags: &[&str]) -> (Outcome, Vec<String>) {
        self.audience(people);
        let before = self.received();
        let outcome = self.run(flags).exits(0);
        (outcome, self.rows_since(&before))
    }

    /// The names of the files that arrived.
    fn received(&self) -> BTreeSet<OsString> {
        let files = std::fs::read_dir(self.server.0.profiles()).unwrap();
        files.map(|file| file.unwrap().file_name()).collect()
    }

    /// The rows of all files that arrived after these, in order.
    fn rows_since(&self, before: &BTreeSet<OsString>) -> Vec<String> {
        let mut rows = Vec::new();
        for name in self.received().difference(before) {
            let text = std::fs::read_to_string(self.server.0.profiles().join(name)).unwrap();
            rows.extend(text.lines().skip(1).map(str::to_owned));
        }
        rows.sort();
        rows
    }
}

/// The lines in which these people are sent.
fn lines(people: &[(u32, &str)]) -> Vec<String> {
    let line = |(key, city): &(u32, &str)| format!("\"n{key}@example.com\",\"k{key}\",{city}");
    let mut lines: Vec<String> = people.iter().map(line).collect();
    lines.sort();
    lines
}

/// The warnings of a report, as one text.
fn warnings(outcome: &Outcome) -> String {
    outcome.report()["warnings"].to_string()
}

/// The reports of the counts, with what they must be.
#[track_caller]
fn counts(outcome: &Outcome, [unchanged, new, changed, left]: [u64; 4]) {
    let report = outcome.report();
    let found = ["rows_unchanged", "rows_new", "rows_changed", "rows_left"]
        .map(|key| report[key].as_u64().unwrap_or(u64::MAX));
    assert_eq!(found, [unchanged, new, changed, left], "{report:#}");
    assert_eq!(report["rows_written"], new + changed);
}
