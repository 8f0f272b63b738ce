//! The sandbox with its faults, a job that delivers to it, and what must have arrived.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test target uses a part of it, as a module of its own"
)]

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use klaviyo_export::run::report::RunReport;
use klaviyo_export::state::directory::JobDirectory;
use klaviyo_export::state::manifest::{RunManifest, RunStatus, read_manifest};
use klaviyo_export_sandbox::api::ApiSettings;
use klaviyo_export_sandbox::{Event, Faults, Sandbox, SandboxSettings};
use tempfile::TempDir;

use super::delivery::{
    self, JobOptions, Outcome, Target, Workspace, assert_bytes, audience_records, base_name,
    csv_files, records,
};

/// Rows of an audience are about this long.
pub const ROW: usize = 1_000;

/// A sandbox with faults, and a job that delivers to it.
pub struct Scene {
    pub sandbox: Sandbox,
    pub workspace: Workspace,
    _root: TempDir,
}

impl Scene {
    /// A delivery of a number of rows of [`ROW`] bytes, by `options`.
    pub fn new(rows: usize, options: &JobOptions, faults: Faults) -> Self {
        let root = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(SandboxSettings {
            root: root.path().to_owned(),
            port: 0,
            username: "SandBx_Usr001".to_owned(),
            faults,
            api: ApiSettings::default(),
        })
        .unwrap();
        let workspace = Workspace::new();
        workspace.audience(rows, ROW);
        let scene = Self {
            sandbox,
            workspace,
            _root: root,
        };
        scene.workspace.job(&scene.target(), options);
        scene
    }

    pub fn target(&self) -> Target {
        Target {
            port: self.sandbox.address().port(),
            username: self.sandbox.username().to_owned(),
            private_key: self.sandbox.private_key().to_owned(),
            trust: format!("host-key = [\"{}\"]", self.sandbox.host_key_fingerprint()),
            directory: "/profiles".to_owned(),
        }
    }

    pub fn run(&self) -> Outcome {
        self.workspace.run()
    }

    fn state(&self) -> JobDirectory {
        JobDirectory::new(&self.workspace.path("state"), delivery::JOB)
    }

    /// The manifest of the last run, if it came so far.
    pub fn last_run(&self) -> Option<RunManifest> {
        let last = self.state().run_ids().unwrap().pop()?;
        let path = self.state().run(&last).manifest();
        path.exists().then(|| read_manifest(&path).unwrap())
    }

    /// The report of a run that was done, but killed before it could exit.
    pub fn outcome_of_done(&self, run: &RunManifest) -> Option<Outcome> {
        (run.status == RunStatus::Done).then(|| Outcome {
            code: Some(0),
            stdout: fs::read_to_string(self.state().run(&run.run_id).report()).unwrap(),
            stderr: String::new(),
            took: Duration::ZERO,
        })
    }

    /// Everything in `/profiles`, and what was collected from it.
    pub fn received(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = csv_files(self.sandbox.profiles());
        files.extend(csv_files(self.sandbox.collected()));
        files
    }

    /// Fails unless every part arrived as it was spooled, together they are the audience, and nothing else is on the
    /// server but the report's leftovers.
    pub fn assert_delivered(&self, outcome: &Outcome) -> RunReport {
        let report = self.assert_rows(outcome);
        let spooled = self.workspace.spooled(delivery::JOB, &report.run_id);
        assert_bytes(&report, &spooled, &self.received());
        report
    }

    /// The same where the parts are not kept on this machine.
    pub fn assert_rows(&self, outcome: &Outcome) -> RunReport {
        outcome.assert_code(0);
        let report = outcome.report();
        let received = self.received();
        self.assert_only(&report, &received, outcome);
        let delivered = latest(&report).map(|name| &received[&name]);
        assert!(
            records(delivered) == audience_records(&self.workspace),
            "the union of the parts is not the audience"
        );
        report
    }

    /// Fails when there is a file that the report does not name.
    pub fn assert_only(
        &self,
        report: &RunReport,
        received: &BTreeMap<String, Vec<u8>>,
        outcome: &Outcome,
    ) {
        let mut expected: Vec<String> = latest(report)
            .chain(report.leftovers.iter().map(|path| base_name(path)))
            .collect();
        expected.sort();
        expected.dedup();
        let there: Vec<String> = received.keys().cloned().collect();
        assert_eq!(
            there,
            expected,
            "{outcome:#?}\n{:#?}",
            self.sandbox.journal()
        );
    }

    /// How many events are like this.
    pub fn count(&self, like: impl Fn(&Event) -> bool) -> usize {
        self.sandbox
            .journal()
            .iter()
            .filter(|event| like(event))
            .count()
    }

    pub fn opened(&self) -> usize {
        self.count(|event| matches!(event, Event::Opened { .. }))
    }

    pub fn wait_for(&self, what: &str, like: impl Fn(&Event) -> bool) {
        assert!(
            self.sandbox
                .wait_for(Duration::from_secs(20), |events| events.iter().any(&like)),
            "waited in vain for {what}: {:#?}",
            self.sandbox.journal()
        );
    }
}

/// The names under which the report says that parts were delivered.
fn latest(report: &RunReport) -> impl Iterator<Item = String> {
    report
        .parts
        .iter()
        .filter_map(|part| part.remote_path.as_deref().map(base_name))
}
