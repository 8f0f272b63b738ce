//! The guard on drift: a night that is not like the last ones stops before the first byte, unless the job or a person says
//! otherwise.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "the helpers of tests may panic as well; audiences are made of text"
)]

use serde_json::{Value, json};

use crate::support::workspace::{Outcome, Server, Workspace, rows};

const BODY: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nkey = \"ExternalID\"\nmail = \"Email\"\ncity = \"City\"\n[normalize]\nmax-rejected = { percent = 100 }\n[parts]\nmax-rows = 40\n";
const GUARD: &str = "[guard]\nagainst-last = 5\n";

/// An audience: its rows, how many of them are rejected, and in how many the city is blank.
#[derive(Clone, Copy)]
struct Night {
    rows: usize,
    rejected: usize,
    blank: usize,
}

/// A usual night.
const USUAL: Night = Night {
    rows: 200,
    rejected: 10,
    blank: 4,
};

/// As many rows, another city.
const fn night(rows: usize, rejected: usize, blank: usize) -> Night {
    Night {
        rows,
        rejected,
        blank,
    }
}

/// A job with a guard, and its server.
struct Job {
    workspace: Workspace,
    server: Server,
}

impl Job {
    fn new(guard: &str) -> Self {
        let workspace = Workspace::new();
        let server = workspace.server();
        let job = Self { workspace, server };
        job.says(&format!("{BODY}{guard}"));
        job
    }

    fn says(&self, body: &str) {
        self.workspace.job("vip", body, Some(&self.server));
    }

    fn audience(&self, night: Night) {
        let row = |n: usize| {
            let identifier = if n < night.rejected {
                ",".to_owned()
            } else {
                format!("k{n},n{n}@example.com")
            };
            let city = if n < night.rejected + night.blank {
                "" // Of a rejected row it is not counted.
            } else {
                "Oslo"
            };
            format!("{identifier},{city},x\n")
        };
        let text: String = (0..night.rows).map(row).collect();
        self.workspace
            .write("a.csv", format!("key,mail,city,other\n{text}"));
    }

    fn run(&self, night: Night, flags: &[&str]) -> Outcome {
        self.audience(night);
        self.workspace.run(&[&["run", "vip.toml"], flags].concat())
    }

    /// A number of usual nights.
    fn after(guard: &str, nights: usize) -> Self {
        let job = Self::new(guard);
        for _ in 0..nights {
            job.run(USUAL, &[]).exits(0);
        }
        job
    }

    /// The number of files that the server has, and of its events.
    fn server_has(&self) -> (usize, usize) {
        (self.server.received().len(), self.server.0.journal().len())
    }

    /// Runs the command that was printed.
    fn types(&self, command: &str) -> Outcome {
        let words = shlex::split(command).unwrap();
        let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        self.workspace.run(&words)
    }
}

/// A night that has drifted, the limit that it breaks, and the words for it.
const DRIFTS: [(Night, &str, &str); 4] = [
    (
        night(100, 10, 4),
        "rejected = \"off\", blank = \"off\"",
        "rows: 100; median of the last 4 runs 200 (-50 %, limit 30 %)",
    ),
    (
        night(301, 10, 4),
        "rows = \"1.5x\"",
        "rows: 301; median of the last 4 runs 200 (1.5x, limit 1.5x)",
    ),
    (
        night(200, 31, 4),
        "rows = \"off\"",
        "rejected: 31; median of the last 4 runs 10 (3.1x, limit 3x)",
    ),
    (
        night(200, 10, 190),
        "rows = \"30%\"",
        "blank cells in `City`: 100 %; median of the last 4 runs 2.1 % (47.5x, limit 3x)",
    ),
];

#[test]
fn a_night_of_drift_stops_before_the_first_byte_and_a_person_may_approve() {
    for (drifted, limits, words) in DRIFTS {
        let guard = format!("{GUARD}max-drift = {{ {limits} }}\n");
        let job = Job::after(&guard, 4);
        let before = job.server_has();
        let stopped = job.run(drifted, &[]).exits(17);
        assert_eq!(stopped.error(), format!("{words}; nothing was sent"));
        assert!(stopped.hint().contains("max-drift"), "{}", stopped.hint());
        // The program has not even connected.
        assert_eq!(job.server_has(), before, "{words}");
        // The same again is stopped again, with the same run.
        let again = job.workspace.run(&["run", "vip.toml"]).exits(17);
        assert_eq!(again.next(), stopped.next());
        assert_eq!(job.server_has(), before);
        let status = job.workspace.run(&["status", "vip.toml"]).exits(0);
        assert_eq!(status.next(), stopped.next());
        assert!(
            stopped.next().contains(" --approve-drift "),
            "{}",
            stopped.next()
        );
        // Exactly what was formatted is sent: the audience may be gone by then.
        job.workspace.write("a.csv", "key,mail,city\n");
        let approved = job.types(stopped.next()).exits(0);
        assert!(
            approved
                .stdout
                .contains(&format!("note       approved drift: {words}")),
            "{}",
            approved.stdout
        );
        let written = drifted.rows - drifted.rejected;
        let sent = &job.server.received()[before.0..];
        let sent: usize = sent.iter().map(|part| rows(part).len()).sum();
        assert_eq!(sent, written);
        // What a person has approved of is no drift, and what was usual before is none either.
        job.run(drifted, &[]).exits(0);
        job.run(USUAL, &[]).exits(0);
        let done = job.types(stopped.next()).exits(2);
        assert!(
            done.error().contains("has nothing that waits for approval"),
            "{}",
            done.error()
        );
    }
}

#[test]
fn a_job_that_only_warns_delivers_and_tells() {
    let job = Job::after(&format!("{GUARD}action = \"warn\"\n"), 3);
    let before = job.server.received().len();
    let outcome = job.run(night(100, 40, 60), &["--json"]).exits(0);
    let report = outcome.report();
    let warnings = report["warnings"].to_string();
    for words in [
        "drift: rows: 100; median of the last 3 runs 200 (-50 %, limit 30 %)",
        "rejected: 40; median of the last 3 runs 10 (4x, limit 3x)",
        "blank cells in `City`: 100 %",
    ] {
        assert!(warnings.contains(words), "{warnings}");
    }
    let drift = &report["drift"];
    assert_eq!(
        (&drift["runs"], &drift["approved"]),
        (&json!(3), &json!(false))
    );
    assert_eq!(
        drift["found"][0],
        json!({"count": "rows", "column": null, "value": 100.0, "median": 200.0, "limit": "30%", "runs": 3})
    );
    assert_eq!(drift["found"][2]["column"], "City");
    assert_eq!(job.server.received().len(), before + 2);
}

#[test]
fn nights_that_delivered_nothing_are_no_measure_and_too_few_do_not_judge() {
    let job = Job::after(GUARD, 2);
    // None of these counts: a plan, a trial, a run that a signal or an error ended.
    job.run(USUAL, &["--dry-run"]).exits(0);
    job.run(USUAL, &["--limit", "150"]).exits(0);
    job.workspace
        .write("a.csv", "key,mail,city\n\"not closed\n");
    job.workspace.run(&["run", "vip.toml"]).exits(12);
    let third = job.run(night(20, 0, 0), &["--json"]).exits(0).report();
    assert_eq!(third["drift"], Value::Null);
    // 200, 200 and 20: the median is 200.
    let fourth = job.run(night(20, 0, 0), &[]).exits(17);
    assert!(
        fourth
            .error()
            .starts_with("rows: 20; median of the last 3 runs 200"),
        "{}",
        fourth.error()
    );
    // A trial is not judged.
    job.run(USUAL, &["--limit", "20", "--fresh"]).exits(0);
}

#[test]
fn the_look_before_a_run_tells_the_drift() {
    let job = Job::after(GUARD, 3);
    job.audience(night(100, 10, 4));
    let words = "a run would stop before anything is sent: rows: 100; median of the last 3 runs 200 (-50 %, limit 30 %)";
    for arguments in [
        &["run", "vip.toml", "--dry-run"][..],
        &["preview", "vip.toml"],
        &["estimate", "vip.toml"],
    ] {
        let told = job.workspace.run(arguments).exits(0);
        // Long lines are wrapped.
        let text = told.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{arguments:?}\n{}", told.stdout);
    }
    // Of a part of the rows only the shares of blank cells can be told.
    job.audience(night(400, 0, 100));
    let part = job
        .workspace
        .run(&["preview", "vip.toml", "--limit", "100", "--json"])
        .exits(0);
    let notes = part.report()["notes"].to_string();
    assert!(
        notes.contains("drift of the rows that were read") && !notes.contains("rows: 100;"),
        "{notes}"
    );
    // Without a guard nothing is compared.
    job.says(BODY);
    let plain = job.workspace.run(&["preview", "vip.toml"]).exits(0);
    assert!(!plain.stdout.contains("drift"), "{}", plain.stdout);
    job.workspace.run(&["run", "vip.toml"]).exits(0);
}

#[test]
fn a_plan_that_is_applied_is_approved() {
    let job = Job::after(GUARD, 3);
    let plan = job
        .run(night(100, 10, 4), &["--dry-run", "--json"])
        .exits(0)
        .report();
    assert_eq!(plan["drift"]["found"].as_array().unwrap().len(), 1);
    let run = plan["run_id"].as_str().unwrap();
    let applied = job
        .workspace
        .run(&["run", "vip.toml", "--apply", run, "--json"])
        .exits(0)
        .report();
    assert_eq!(applied["drift"]["approved"], true, "{applied:#}");
}

#[test]
fn a_limit_that_was_raised_lets_the_formatted_parts_go() {
    let job = Job::after(GUARD, 3);
    let stopped = job.run(night(100, 10, 4), &["--json"]).exits(17).report();
    job.says(&format!("{BODY}{GUARD}max-drift = {{ rows = \"60%\" }}\n"));
    let sent = job
        .workspace
        .run(&["run", "vip.toml", "--json"])
        .exits(0)
        .report();
    assert_eq!(sent["run_id"], stopped["run_id"]);
    assert_eq!(sent["drift"]["found"], json!([]));
}

#[test]
fn changed_rows_are_judged_by_what_was_read() {
    let delta = "[delta]\nsend = \"changed\"\nmax-changed = { percent = 100, rows = 1000000 }\nmax-shrink = { percent = 100 }\n";
    let job = Job::after(&format!("{GUARD}{delta}"), 3);
    // Nothing is sent, and that is as usual.
    let quiet = job.run(USUAL, &["--json"]).exits(0).report();
    assert_eq!(
        (&quiet["rows_unchanged"], &quiet["drift"]["found"]),
        (&json!(190), &json!([]))
    );
    let stopped = job.run(night(100, 10, 4), &[]).exits(17);
    assert!(
        stopped
            .error()
            .starts_with("rows: 100; median of the last 4 runs 200"),
        "{}",
        stopped.error()
    );
    // Both guards strike, one after the other; each is approved of by its own flag.
    let delta = delta.replace(
        "max-shrink = { percent = 100 }",
        "max-shrink = { percent = 10 }",
    );
    job.says(&format!("{BODY}{GUARD}{delta}"));
    let first = job.workspace.run(&["run", "vip.toml"]).exits(17);
    assert!(
        first.next().contains(" --approve-changes "),
        "{}",
        first.next()
    );
    assert_eq!(
        job.workspace.run(&["status", "vip.toml"]).next(),
        first.next()
    );
    let second = job.types(first.next()).exits(17);
    assert!(
        second.next().contains(" --approve-drift "),
        "{}",
        second.next()
    );
    assert!(
        !second.next().contains("--approve-changes"),
        "{}",
        second.next()
    );
    assert_eq!(
        job.workspace.run(&["status", "vip.toml"]).next(),
        second.next()
    );
    job.types(second.next()).exits(0);
}

#[test]
fn a_shard_is_compared_with_its_own_nights() {
    let job = Job::new(GUARD);
    job.says(&format!("{}{GUARD}", BODY.replace("a.csv", "in/*.csv")));
    let write = |name: &str, rows: usize| {
        job.audience(night(rows, 0, 0));
        let text = std::fs::read(job.workspace.path("a.csv")).unwrap();
        job.workspace.write(name, text);
    };
    write("in/1.csv", 200);
    write("in/2.csv", 50);
    let run = |shard: &str, group: &str| {
        let flags = ["run", "vip.toml", "--shard", shard, "--run-group", group];
        job.workspace.run(&flags)
    };
    for group in ["a", "b", "c"] {
        run("1/2", group).exits(0);
        run("2/2", group).exits(0);
    }
    write("in/2.csv", 20);
    run("1/2", "d").exits(0);
    let before = job.server_has();
    let stopped = run("2/2", "d").exits(17);
    assert!(
        stopped
            .error()
            .starts_with("rows: 20; median of the last 3 runs 50 (-60 %"),
        "{}",
        stopped.error()
    );
    assert_eq!(job.server_has(), before);
    let status = job
        .workspace
        .run(&["status", "vip.toml", "--shard", "2/2"])
        .exits(0);
    assert!(
        status.next().contains("--approve-drift"),
        "{}",
        status.next()
    );
    job.types(status.next()).exits(0);
    assert_eq!(job.server.received().len(), before.0 + 1);
}

#[test]
fn a_night_of_drift_adds_nobody_through_the_api() {
    let workspace = Workspace::new();
    let server = workspace.server();
    let job = Job { workspace, server };
    let api = job.server.api_section();
    job.says(&format!("{BODY}{GUARD}{api}deliver = \"api\"\n"));
    for _ in 0..3 {
        job.run(USUAL, &[]).exits(0);
    }
    job.audience(night(400, 10, 4));
    let requests = job.server.0.api().profiles().len();
    job.workspace.run(&["run", "vip.toml"]).exits(17);
    assert_eq!(job.server.0.api().profiles().len(), requests);
}

#[test]
fn a_column_that_the_source_has_lost_is_missed() {
    let body = BODY.replace("[columns]", "unlisted = \"keep\"\n[columns]");
    let job = Job::new(GUARD);
    job.says(&format!("{body}{GUARD}"));
    for _ in 0..3 {
        job.run(USUAL, &[]).exits(0);
    }
    let text = std::fs::read_to_string(job.workspace.path("a.csv")).unwrap();
    job.workspace.write(
        "a.csv",
        text.replace(",x\n", "\n").replace(",other\n", "\n"),
    );
    let stopped = job.workspace.run(&["run", "vip.toml"]).exits(17);
    assert!(
        stopped
            .error()
            .starts_with("column `other`: gone; each of the last 3 runs had it"),
        "{}",
        stopped.error()
    );
}

#[test]
fn limits_that_cannot_be_are_refused_with_their_key() {
    for (line, key, problem) in [
        (
            "max-drift = { rows = \"0.5x\" }",
            "max-drift",
            "not a limit of drift",
        ),
        (
            "max-drift = { rows = 30 }",
            "max-drift",
            "not a limit of drift",
        ),
        ("max-drift = { colums = \"3x\" }", "colums", "known here"),
        (
            "against-last = 2",
            "guard.against-last",
            "must be at least 3",
        ),
        (
            "against-last = 31",
            "guard.against-last",
            "30 runs that are kept",
        ),
        ("action = \"stop\"", "action", "must be"),
    ] {
        let job = Job::new(&format!("[guard]\n{line}\n"));
        let refused = job.run(USUAL, &[]).exits(10);
        assert!(
            refused.error().contains(key) && refused.error().contains(problem),
            "{}",
            refused.error()
        );
    }
}

/// Rows with every kind of blank cell: empty, spaces, a null word, a value that is removed.
const BLANKS: &str = "key,mail,phone,city,born,tier\nk1,a@example.com,+16502530000,,01.02.2003,\nk2,nobody,12, ,soon,\\N\n,c@example.com,,\"\",,gold\nk1,d@example.com,,Rome,31.12.1999,\"two, words\"\n,,,Oslo,,\nk5,e@example.com,+16502530001,Oslo,,\n";

#[test]
fn blank_cells_are_counted_as_they_are_sent() {
    let body = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nkey = \"ExternalID\"\nmail = \"Email\"\nphone = \"PhoneNumber\"\ncity = \"City\"\nborn = { to = \"Birthday\", type = \"date:%d.%m.%Y\" }\ntier = \"Tier\"\n[normalize]\nduplicates = \"first\"\n";
    let workspace = Workspace::with(&[("a.csv", BLANKS)]);
    let job = workspace.job("vip", body, None);
    for (flags, rows_read) in [(&[][..], 6), (&["--limit", "2"], 2), (&["--limit", "5"], 5)] {
        let flags = [&["run", &*job, "--dry-run", "--json"], flags].concat();
        let report = workspace.run(&flags).exits(0).report();
        assert_eq!(report["rows_read"], rows_read);
        assert_eq!(report["duplicates"], 0, "email is the key");
        let parts = workspace.parts("vip");
        let sent: Vec<_> = parts.iter().flat_map(|part| rows(part)).collect();
        assert!(!sent.is_empty());
        for header in [
            "ExternalID",
            "Email",
            "PhoneNumber",
            "City",
            "Birthday",
            "Tier",
        ] {
            let blank = sent.iter().filter(|row| row[header].is_empty()).count();
            // The second k1 is blanked as a shared identifier, which is a count of its own.
            let shared = report["shared_identifiers"]["shared-external-id"]
                .as_u64()
                .unwrap_or(0);
            let shared = if header == "ExternalID" { shared } else { 0 };
            let counted = report["blank_cells"][header].as_u64().unwrap();
            assert_eq!(counted + shared, blank as u64, "{header} of {report:#}");
        }
    }
}
