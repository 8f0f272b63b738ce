//! One night after another.

use std::collections::BTreeMap;

use klaviyo_export_sandbox::{Fault, Faults};
use serde_json::json;

use super::{BODY, DELTA, JOB, Job, People, counts, lines, people, warnings};
use crate::support::list_stage::seeds;
use crate::support::random::Random;

/// Neither keys nor the snapshot fit in memory.
const TINY: &str = "[normalize]\ndedupe-memory = \"1B\"\n[parts]";

#[test]
fn a_night_sends_what_is_new_or_changed() {
    let job = Job::new();
    let mut rows = people(100);
    let (first, sent) = job.night(&rows, &[]);
    assert_eq!(sent.len(), 100);
    assert!(warnings(&first).contains("every row is sent: no earlier run has left a snapshot"));
    assert_eq!(first.report()["rows_new"], json!(null));

    let (same, sent) = job.night(&rows, &[]);
    assert_eq!(sent, [""; 0]);
    counts(&same, [100, 0, 0, 0]);
    assert_eq!(same.report()["parts"], json!([]));

    rows.insert(7, "Rome");
    rows.insert(500, "Lima");
    rows.remove(&9);
    let (third, sent) = job.night(&rows, &[]);
    assert_eq!(sent, lines(&[(7, "Rome"), (500, "Lima")]));
    counts(&third, [98, 1, 1, 1]);

    // What the last run sent counts, not what the first one did.
    rows.insert(7, "Oslo");
    rows.insert(9, "Oslo");
    let (fourth, sent) = job.night(&rows, &[]);
    assert_eq!(sent, lines(&[(7, "Oslo"), (9, "Oslo")]));
    counts(&fourth, [99, 1, 1, 0]);

    let text = job.workspace.run(&["run", "vip.toml"]).exits(0).stdout;
    assert!(text.contains("unchanged  101 rows"), "{text}");
    let status = job.workspace.run(&["status", "vip.toml"]).exits(0).stdout;
    assert!(
        status.contains("next: nothing; the next run sends what has changed"),
        "{status}"
    );
    assert!(
        status.contains("compared   0 new, 0 changed, 101 unchanged, 0 left"),
        "{status}"
    );
    let runs = job
        .workspace
        .run(&["runs", "vip.toml", "--json"])
        .exits(0)
        .stdout;
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    assert_eq!(runs[0]["rows_unchanged"], 101);
}

#[test]
fn full_sends_every_row_once() {
    let job = Job::new();
    let rows = people(50);
    job.night(&rows, &[]);
    let (full, sent) = job.night(&rows, &["--full"]);
    assert_eq!(sent.len(), 50);
    assert!(warnings(&full).contains("every row is sent: --full was given"));
    counts(&full, [0, 0, 50, 0]);
    assert_eq!(full.report()["rows_again"], 50);
    assert_eq!(job.night(&rows, &[]).1.len(), 0);
    job.says(BODY, &format!("{DELTA}full-every = \"1ms\"\n"));
    let (due, sent) = job.night(&rows, &[]);
    assert_eq!(sent.len(), 50);
    assert!(
        warnings(&due).contains("(full-every)"),
        "{}",
        warnings(&due)
    );
    job.says(BODY, &format!("{DELTA}full-every = \"never\"\n"));
    assert_eq!(job.night(&rows, &[]).1.len(), 0);
}

#[test]
fn another_rule_or_column_sends_every_row_and_says_why() {
    let body = |from: &str, to: &str| {
        assert!(BODY.contains(from), "{from}");
        BODY.replace(from, to)
    };
    for (changed, because) in [
        (
            body("\"City\"", "\"Town\""),
            "the columns or their headers have changed",
        ),
        (
            body("city = \"City\"\n", ""),
            "the columns or their headers have changed",
        ),
        (
            body("[columns]", "primary-key = \"email\"\n[columns]"),
            "the columns or their headers have changed",
        ),
        (
            body("[parts]", "[normalize]\ndefault-region = \"DE\"\n[parts]"),
            "the rules in [normalize] have changed",
        ),
        (
            body("[parts]", "[normalize]\nnull-values = [\"x\"]\n[parts]"),
            "the rules in [normalize] have changed",
        ),
        (
            body("[parts]", "[normalize]\nduplicates = \"last\"\n[parts]"),
            "the rules in [normalize] have changed",
        ),
    ] {
        let job = Job::new();
        let rows = people(10);
        job.night(&rows, &[]);
        job.says(&changed, DELTA);
        let (night, sent) = job.night(&rows, &[]);
        assert_eq!(sent.len(), 10, "{changed}");
        let told = format!("every row is sent: {because} since the last run");
        assert!(warnings(&night).contains(&told), "{}", warnings(&night));
        assert_eq!(job.night(&rows, &[]).1.len(), 0, "{changed}");
        // Back again: that is another change.
        job.says(BODY, DELTA);
        assert_eq!(job.night(&rows, &[]).1.len(), 10, "{changed}");
    }
    // How large parts are, or how it logs in, is no such thing.
    let job = Job::new();
    job.night(&people(10), &[]);
    job.says(&body("max-rows = 40", "max-rows = 7"), DELTA);
    assert_eq!(job.night(&people(10), &[]).1.len(), 0);
}

#[test]
fn duplicates_rejects_and_shared_identifiers_are_compared_as_they_are_sent() {
    for duplicates in ["first", "last"] {
        let rules = format!(
            "[normalize]\nduplicates = \"{duplicates}\"\nmax-rejected = {{ percent = 100, rows = 1000000 }}\n[parts]"
        );
        let body = BODY.replace("[columns]", "primary-key = \"external_id\"\n[columns]");
        let job = Job::with(&body.replace("[parts]", &rules), DELTA);
        let text = "key,mail,city\nk1,a@example.com,Oslo\nk1,b@example.com,Rome\nk2,a@example.com,Lima\n,,Bonn\nk3,c@example.com,Kiel\n";
        job.workspace.write("a.csv", text);
        let first = job.run(&[]).exits(0).report();
        assert_eq!(first["duplicates"], 1);
        assert_eq!(first["rows_rejected"], 1);
        assert_eq!(first["rows_written"], 3);
        let again = job.run(&[]).exits(0);
        counts(&again, [3, 0, 0, 0]);
        // The other of the two rows of a key is the one that is sent now.
        let swapped = text.replace(
            "k1,a@example.com,Oslo\nk1,b@example.com,Rome",
            "k1,b@example.com,Rome\nk1,a@example.com,Oslo",
        );
        job.workspace.write("a.csv", swapped);
        let report = job.run(&[]).exits(0).report();
        assert!(report["rows_changed"].as_u64().unwrap() >= 1, "{report:#}");
        assert_eq!(report["rows_new"], 0);
    }
}

/// Keys find room in memory or wait on disk, and so does the snapshot: each of them in the first memory and in the last one,
/// the snapshot alone in the third, and in the second one the snapshot once there are no keys any more.
#[test]
fn rows_are_compared_whatever_fits_in_memory() {
    for memory in ["2000", "200000", "380000", "\"1.5GB\""] {
        for duplicates in ["first", "last"] {
            let rules = format!(
                "[normalize]\ndedupe-memory = {memory}\nduplicates = \"{duplicates}\"\n[parts]"
            );
            let body = BODY.replace("max-rows = 40", "max-rows = 2500");
            let job = Job::with(&body.replace("[parts]", &rules), DELTA);
            let mut rows = people(6_000);
            job.night(&rows, &[]);
            rows.insert(5_999, "Rome");
            rows.insert(9_000, "Rome");
            rows.remove(&3);
            let (night, sent) = job.night(&rows, &[]);
            let expected = lines(&[(5_999, "Rome"), (9_000, "Rome")]);
            assert_eq!(sent, expected, "{memory} {duplicates}");
            counts(&night, [5_998, 1, 1, 1]);
            assert_eq!(job.night(&rows, &["--full"]).1.len(), 6_000);
        }
    }
}

#[test]
fn a_trial_sends_changed_rows_and_forgets_nothing() {
    let job = Job::new();
    let mut rows = people(30);
    job.night(&rows, &[]);
    rows.insert(2, "Rome");
    rows.insert(20, "Rome");
    let (trial, sent) = job.night(&rows, &["--limit", "10"]);
    assert_eq!(sent, lines(&[(2, "Rome")]));
    assert_eq!(trial.report()["rows_left"], 0);
    // The trial was no night: both are sent, the first of them a second time.
    let (_, sent) = job.night(&rows, &[]);
    assert_eq!(sent, lines(&[(2, "Rome"), (20, "Rome")]));
    rows.insert(2, "Lima");
    job.night(&rows, &["--limit", "10"]);
    rows.insert(2, "Rome");
    let (_, sent) = job.night(&rows, &[]);
    assert_eq!(
        sent,
        lines(&[(2, "Rome")]),
        "the trial has sent something else"
    );
}

#[test]
fn what_an_unfinished_run_may_have_sent_is_sent_again() {
    let job = Job::new();
    let old = people(100);
    job.night(&old, &[]);
    let mut new = old.clone();
    for key in 0..90 {
        new.insert(key, "Rome");
    }
    new.remove(&99);
    job.audience(&new);
    // The first part arrives, the others do not.
    let faults = Faults::none()
        .times(Fault::DenyStat, 1)
        .always(Fault::CutAfter { bytes: 3 });
    job.server.0.set_faults(faults);
    job.run(&[]).exits(14);
    job.server.0.set_faults(Faults::none());
    // Everything is as it was two nights ago: nothing has changed, and no guard stops what is sent again.
    job.says(
        BODY,
        "[delta]\nsend = \"changed\"\nmax-changed = { percent = 50, rows = 50 }\n",
    );
    let (night, sent) = job.night(&old, &[]);
    assert_eq!(sent.len(), 91, "{}", night.stdout);
    counts(&night, [9, 0, 91, 0]);
    assert_eq!(night.report()["rows_again"], 91);
    let status = job.workspace.run(&["status", "vip.toml"]).exits(0);
    let compared = "0 new, 0 changed, 91 sent again, 9 unchanged, 0 left";
    assert!(status.stdout.contains(compared), "{}", status.stdout);
    assert!(
        lines(&[(0, "Oslo"), (89, "Oslo"), (99, "Oslo")])
            .iter()
            .all(|line| sent.contains(line))
    );
    assert_eq!(job.night(&old, &[]).1.len(), 0);
}

#[test]
fn an_unfinished_run_continues_as_it_began() {
    for flags in [&[][..], &["--full"]] {
        let job = Job::new();
        let mut rows = people(100);
        job.night(&rows, &[]);
        for key in 0..60 {
            rows.insert(key, "Rome");
        }
        job.audience(&rows);
        job.server
            .0
            .set_faults(Faults::none().always(Fault::CutAfter { bytes: 3 }));
        let before = job.received();
        job.run(flags).exits(14);
        job.server.0.set_faults(Faults::none());
        // Whether every row is sent was decided when it began.
        let outcome = job.run(&[]).exits(0);
        let report = outcome.report();
        assert_eq!(
            report["rows_written"],
            if flags.is_empty() { 60 } else { 100 }
        );
        assert_eq!(
            job.rows_since(&before).len(),
            if flags.is_empty() { 60 } else { 100 }
        );
        assert_eq!(job.night(&rows, &[]).1.len(), 0);
    }
}

/// The state that a server holds: of each key the row that arrived last.
fn state(job: &Job) -> BTreeMap<String, String> {
    let received = job.server.received();
    let rows = received.iter().flat_map(|file| file.lines().skip(1));
    rows.map(|row| {
        let key = row.split(',').nth(1).unwrap();
        (key.to_owned(), row.to_owned())
    })
    .collect()
}

/// A night of chance: people come, go and move.
fn changes(rows: &mut People, random: &mut Random) {
    const CITIES: [&str; 4] = ["Oslo", "Rome", "Lima", "Bonn"];
    for _ in 0..random.below(12) {
        let key = u32::try_from(random.below(200)).unwrap();
        match random.below(4) {
            0 => {
                rows.remove(&key);
            }
            city => {
                rows.insert(key, CITIES[city]);
            }
        }
    }
}

/// Thirty nights, or in proportion to the seeds: whatever fails or is killed, after a good night the server has for everybody
/// in the audience what a full send would have left.
#[test]
fn after_every_good_night_the_server_has_what_a_full_send_would_leave() {
    for seed in 0..seeds(2) {
        let mut random = Random::new(seed);
        let job = if seed % 2 == 0 {
            Job::new()
        } else {
            // The snapshot does not fit in memory.
            Job::with(&BODY.replace("[parts]", TINY), DELTA)
        };
        let mut rows = people(150);
        for night in 0..15 {
            changes(&mut rows, &mut random);
            job.audience(&rows);
            match random.below(5) {
                0 => {
                    let cut = Faults::none()
                        .times(Fault::DenyStat, u32::try_from(random.below(3)).unwrap())
                        .always(Fault::CutAfter { bytes: 3 });
                    job.server.0.set_faults(cut);
                    job.run(&[]);
                    job.server.0.set_faults(Faults::none());
                    // The next night comes with another audience, or the same.
                    if random.below(2) == 0 {
                        changes(&mut rows, &mut random);
                        job.audience(&rows);
                    }
                }
                1 => {
                    let mut command = job.workspace.command(&["run", "vip.toml"]);
                    let mut child = command.spawn().unwrap();
                    let wait = random.below(60) as u64;
                    std::thread::sleep(std::time::Duration::from_millis(wait));
                    let _ = child.kill();
                    child.wait().unwrap();
                    if random.below(2) == 0 {
                        changes(&mut rows, &mut random);
                        job.audience(&rows);
                    }
                }
                _ => {}
            }
            job.run(&[]).exits(0);
            let state = state(&job);
            for (key, city) in &rows {
                let expected = lines(&[(*key, city)]);
                let found = &state[&format!("\"k{key}\"")];
                assert_eq!(found, &expected[0], "seed {seed}, night {night}");
            }
        }
        let files = std::fs::read_dir(job.workspace.path("state").join(JOB)).unwrap();
        let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        assert!(names.iter().any(|name| name == "snapshot"), "{names:?}");
    }
}

#[test]
fn send_remembers_by_name() {
    let job = Job::new();
    let flags = job.server.flags();
    let send = |more: &[&str]| {
        let before = job.received();
        let files = [
            "send",
            "a.csv",
            "--delta",
            "once",
            "--map",
            "key=ExternalID",
        ];
        let arguments = [&files[..], more].concat();
        let arguments = crate::support::workspace::join(&arguments, &flags);
        job.workspace.run(&arguments).exits(0);
        job.rows_since(&before).len()
    };
    let mut rows = people(20);
    job.audience(&rows);
    assert_eq!(send(&[]), 20);
    assert_eq!(send(&[]), 0);
    rows.insert(3, "Rome");
    job.audience(&rows);
    assert_eq!(send(&[]), 1);
    assert_eq!(send(&["--full"]), 20);
}

#[test]
fn those_who_left_get_a_property() {
    for body in [BODY, &BODY.replace("[parts]", TINY)] {
        those_who_left_from(body);
    }
}

fn those_who_left_from(body: &str) {
    let delta = format!("{DELTA}left-property = \"In Audience\"\n");
    let job = Job::with(body, &delta);
    let mut rows = people(100);
    let (_, sent) = job.night(&rows, &[]);
    assert_eq!(sent[0], "\"n0@example.com\",\"k0\",Oslo,true");
    rows.remove(&3);
    rows.remove(&4);
    rows.insert(5, "Rome");
    let before = job.received();
    let (night, sent) = job.night(&rows, &[]);
    assert_eq!(
        sent,
        [
            "\"n3@example.com\",\"k3\",false",
            "\"n4@example.com\",\"k4\",false",
            "\"n5@example.com\",\"k5\",Rome,true",
        ]
    );
    counts(&night, [97, 0, 1, 2]);
    let headers: Vec<String> = job
        .received()
        .difference(&before)
        .map(|name| std::fs::read_to_string(job.server.0.profiles().join(name)).unwrap())
        .map(|text| text.lines().next().unwrap().to_owned())
        .collect();
    assert_eq!(
        headers,
        [
            "Email,ExternalID,City,In Audience",
            "Email,ExternalID,In Audience"
        ]
    );
    // Who comes back is a newcomer; who has left is not told twice.
    rows.insert(3, "Oslo");
    let (_, sent) = job.night(&rows, &[]);
    assert_eq!(sent, ["\"n3@example.com\",\"k3\",Oslo,true"]);
    assert_eq!(job.night(&rows, &[]).1.len(), 0);
    // An unfinished night tells it when it continues.
    rows.remove(&50);
    job.audience(&rows);
    job.server
        .0
        .set_faults(Faults::none().always(Fault::CutAfter { bytes: 3 }));
    job.run(&[]).exits(14);
    job.server.0.set_faults(Faults::none());
    let (_, sent) = job.night(&rows, &[]);
    assert_eq!(sent, ["\"n50@example.com\",\"k50\",false"]);
    // A plan has them too.
    rows.remove(&51);
    job.audience(&rows);
    let plan = job.run(&["--dry-run"]).exits(0).report();
    let before = job.received();
    job.run(&["--apply", plan["run_id"].as_str().unwrap()])
        .exits(0);
    assert_eq!(
        job.rows_since(&before),
        ["\"n51@example.com\",\"k51\",false"]
    );
    // The identifiers of one run alone are kept.
    let state = job.workspace.path("state").join(JOB).join("runs");
    let runs = std::fs::read_dir(state)
        .unwrap()
        .map(|run| run.unwrap().path());
    let with_identifiers = runs.filter(|run| {
        let files = std::fs::read_dir(run.join("parts")).unwrap();
        files
            .map(|file| file.unwrap().path())
            .any(|path| path.extension().is_some_and(|end| end == "ids"))
    });
    assert!(
        with_identifiers.count() <= 2,
        "those of the last run, and of its plan"
    );
}

#[test]
fn an_estimate_tells_how_much_has_changed() {
    let job = Job::new();
    let mut rows = people(200);
    let estimate = || job.workspace.run(&["estimate", "vip.toml"]).exits(0).stdout;
    job.audience(&rows);
    let preview = || job.workspace.run(&["preview", "vip.toml"]).exits(0).stdout;
    assert!(
        !estimate().contains("since the last run") && !preview().contains("since the last run"),
        "there is no last run"
    );
    job.night(&rows, &[]);
    rows.insert(3, "Rome");
    rows.insert(900, "Rome");
    job.audience(&rows);
    let told = estimate().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("1.0 % of the rows that were read are new or changed since the last run"),
        "{told}"
    );
    assert!(
        preview().contains("note: 2 of 201 rows are new or changed since the last run"),
        "{}",
        preview()
    );
}

/// The people who left are told from the identifiers of the last run that is done, which is not among the runs that `keep-runs` keeps.
#[test]
fn failed_runs_do_not_remove_the_run_that_is_compared_with() {
    let job = Job::with(
        &BODY.replace("[parts]", "[state]\nkeep-runs = 1\n[parts]"),
        &format!("{DELTA}left-property = \"In Audience\"\n"),
    );
    let mut rows = people(50);
    job.night(&rows, &[]);
    rows.remove(&7);
    job.audience(&rows);
    let cut = Faults::none().always(Fault::CutAfter { bytes: 3 });
    job.server.0.set_faults(cut);
    for _ in 0..3 {
        job.run(&["--fresh"]).exits(14);
    }
    job.server.0.set_faults(Faults::none());
    let before = job.received();
    job.run(&["--fresh"]).exits(0);
    let left = "\"n7@example.com\",\"k7\",false".to_owned();
    assert!(job.rows_since(&before).contains(&left));
}
