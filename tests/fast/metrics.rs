//! The numbers of the last run as a text file of Prometheus. A foreign parser reads it in `tests/servers/metrics.rs`.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "the helpers of tests may panic as well; counts and seconds are whole numbers"
)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::workspace::{Outcome, Server, Workspace};

const BODY: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nmail = \"Email\"\ncity = \"City\"\n[metrics]\nfile = \"m/vip.prom\"\n";
const GOOD: &str =
    "mail,city\nann@example.com,Oslo\nann@example.com,Rome\nnobody,Lima\nbo@example.com,\\N\n";

struct Job {
    workspace: Workspace,
    server: Server,
}

impl Job {
    fn new(body: &str) -> Self {
        let workspace = Workspace::with(&[("a.csv", GOOD), ("m/other.prom", "")]);
        let server = workspace.server();
        workspace.job("vip", body, Some(&server));
        Self { workspace, server }
    }

    fn run(&self, flags: &[&str]) -> Outcome {
        self.workspace.run(&[&["run", "vip.toml"], flags].concat())
    }

    /// The samples of the file, each under its name and labels, the job's aside.
    fn samples(&self, file: &str) -> BTreeMap<String, f64> {
        let text = std::fs::read_to_string(self.workspace.path(file)).unwrap();
        let mut samples = BTreeMap::new();
        let mut typed = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(kind, "gauge", "{line}");
                name.clone_into(&mut typed);
            } else if !line.starts_with("# HELP ") {
                let (key, value) = line.rsplit_once(' ').unwrap();
                assert!(
                    key.starts_with(&format!("{typed}{{")),
                    "{line} below {typed}"
                );
                assert!(key.contains("job=\"vip\""), "{line}");
                let key = key.replace("job=\"vip\",", "").replace("{job=\"vip\"}", "");
                let key = key.strip_prefix("klaviyo_export_").unwrap().to_owned();
                assert!(
                    samples.insert(key, value.parse().unwrap()).is_none(),
                    "{line}"
                );
            }
        }
        samples
    }
}

/// The names in the folder of metrics.
fn names(job: &Job) -> Vec<String> {
    let files = std::fs::read_dir(job.workspace.path("m")).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_file_has_the_numbers_of_the_last_run_and_outlives_a_failed_one() {
    let job = Job::new(BODY);
    let report = job.run(&["--json"]).exits(0).report();
    let samples = job.samples("m/vip.prom");
    for (name, value) in [
        ("last_run_exit_code", 0.0),
        ("last_run_rows{fate=\"read\"}", 4.0),
        ("last_run_rows{fate=\"written\"}", 2.0),
        ("last_run_rows{fate=\"rejected\"}", 1.0),
        ("last_run_rows{fate=\"duplicate\"}", 1.0),
        ("last_run_rejected_rows{reason=\"no-identifier\"}", 1.0),
        ("last_run_repaired_cells{code=\"null-value\"}", 1.0),
        ("last_run_parts{state=\"written\"}", 1.0),
        ("last_run_parts{state=\"delivered\"}", 1.0),
        ("last_run_part_attempts", 1.0),
        ("last_run_size_bytes", report["bytes"].as_f64().unwrap()),
        (
            "last_run_duration_seconds{stage=\"total\"}",
            report["seconds"]["total"].as_f64().unwrap(),
        ),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name} of {samples:#?}");
    }
    let at = |report: &serde_json::Value, key: &str| {
        let time: jiff::Timestamp = report[key].as_str().unwrap().parse().unwrap();
        time.as_second() as f64
    };
    assert_eq!(
        samples["last_success_timestamp_seconds"],
        at(&report, "finished_at")
    );
    assert_eq!(
        samples["last_run_start_timestamp_seconds"],
        at(&report, "started_at")
    );
    assert!(!samples.contains_key("snapshot_timestamp_seconds"));
    let mode = std::fs::metadata(job.workspace.path("m/vip.prom")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o644);
    assert_eq!(
        names(&job),
        ["other.prom", "vip.prom"],
        "no temporary file is left"
    );
    // The old file is no memory: it may be gone.
    std::fs::remove_file(job.workspace.path("m/vip.prom")).unwrap();
    std::fs::rename(job.workspace.path("a.csv"), job.workspace.path("b.csv")).unwrap();
    job.run(&[]).exits(12);
    let failed = job.samples("m/vip.prom");
    assert_eq!(failed["last_run_exit_code"], 12.0);
    assert_eq!(
        failed["last_success_timestamp_seconds"],
        samples["last_success_timestamp_seconds"]
    );
    assert!(
        !failed.keys().any(|name| name.starts_with("last_run_rows")),
        "{failed:#?}"
    );
    // Trials and dry runs are not the last run.
    std::fs::rename(job.workspace.path("b.csv"), job.workspace.path("a.csv")).unwrap();
    job.run(&["--limit", "1"]).exits(0);
    job.run(&["--dry-run"]).exits(0);
    assert_eq!(job.samples("m/vip.prom"), failed);
}

#[test]
fn a_first_failure_has_no_last_success_and_a_success_before_the_key_counts() {
    let job = Job::new(BODY);
    std::fs::rename(job.workspace.path("a.csv"), job.workspace.path("b.csv")).unwrap();
    job.run(&[]).exits(12);
    assert!(
        !job.samples("m/vip.prom")
            .contains_key("last_success_timestamp_seconds")
    );
    let job = Job::new(&BODY.replace("[metrics]\nfile = \"m/vip.prom\"\n", ""));
    let good = job.run(&["--json"]).exits(0).report();
    job.workspace.job("vip", BODY, Some(&job.server));
    std::fs::rename(job.workspace.path("a.csv"), job.workspace.path("b.csv")).unwrap();
    job.run(&[]).exits(12);
    let samples = job.samples("m/vip.prom");
    let at: jiff::Timestamp = good["finished_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        samples["last_success_timestamp_seconds"],
        at.as_second() as f64
    );
}

#[test]
fn a_job_that_sends_changes_tells_the_age_of_its_snapshot() {
    let job = Job::new(&format!("{BODY}[delta]\nsend = \"changed\"\n[guard]\n"));
    let first = job.run(&["--json"]).exits(0).report();
    job.run(&[]).exits(0);
    let samples = job.samples("m/vip.prom");
    let began: jiff::Timestamp = first["started_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        samples["last_full_send_timestamp_seconds"],
        began.as_second() as f64
    );
    assert!(samples["snapshot_timestamp_seconds"] >= began.as_second() as f64);
    assert_eq!(samples["last_run_rows{fate=\"unchanged\"}"], 2.0);
    assert_eq!(samples["last_run_rows{fate=\"new\"}"], 0.0);
}

#[test]
fn a_file_that_cannot_be_written_is_a_note() {
    let job = Job::new(&BODY.replace("m/vip.prom", "none/vip.prom"));
    let checked = job.workspace.run(&["check", "vip.toml"]).exits(0);
    assert!(
        checked
            .stdout
            .contains("none cannot be written: No such file"),
        "{}",
        checked.stdout
    );
    let outcome = job.run(&["--json"]).exits(0);
    let warnings = outcome.report()["warnings"].to_string();
    assert!(
        warnings.contains("the metrics were not written: "),
        "{warnings}"
    );
    assert!(
        outcome
            .stderr
            .contains("none/vip.prom: cannot replace it: "),
        "{}",
        outcome.stderr
    );
    assert!(
        job.workspace
            .of_last_run("vip", "report.json")
            .contains("the metrics were not written")
    );
}

#[test]
fn each_shard_has_a_file_and_a_label() {
    let job = Job::new(&BODY.replace("a.csv", "in/*.csv"));
    job.workspace.write("in/1.csv", GOOD);
    job.workspace.write("in/2.csv", GOOD);
    for shard in ["1/2", "2/2"] {
        job.run(&["--shard", shard, "--run-group", "g"]).exits(0);
    }
    assert_eq!(
        names(&job),
        ["other.prom", "vip-01of02.prom", "vip-02of02.prom"]
    );
    let samples = job.samples("m/vip-02of02.prom");
    assert_eq!(
        samples["last_run_exit_code{shard=\"2/2\"}"], 0.0,
        "{samples:#?}"
    );
}
