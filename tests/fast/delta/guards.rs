//! Changes that are more than a job allows.

use super::{BODY, Job, lines, people};

#[test]
fn a_guard_stops_before_anything_is_sent_and_a_person_may_approve() {
    for (delta, keys, because) in [
        (
            "max-changed = { percent = 10, rows = 1000 }",
            0..10,
            "10 of 100 rows are new or changed (0 new), and max-changed allows less than 10 % and less than 1,000 rows",
        ),
        (
            "max-changed = { percent = 90, rows = 10 }",
            0..10,
            "10 of 100 rows are new or changed (0 new), and max-changed allows less than 90 % and less than 10 rows",
        ),
        (
            "max-changed = { percent = 10, rows = 1000 }",
            95..105,
            "10 of 105 rows",
        ),
    ] {
        let job = Job::with(BODY, &format!("[delta]\nsend = \"changed\"\n{delta}\n"));
        let mut rows = people(100);
        job.night(&rows, &[]);
        rows.insert(0, "Rome");
        let (_, sent) = job.night(&rows, &[]);
        assert_eq!(sent.len(), 1, "one row is fine");
        rows.insert(0, "Oslo");
        for key in keys.clone() {
            rows.insert(key, "Lima");
        }
        rows.insert(0, if keys.start == 0 { "Lima" } else { "Rome" });
        job.audience(&rows);
        let before = job.received();
        let stopped = job.workspace.run(&["run", "vip.toml"]);
        if because.contains("105") {
            // Nine and a half percent.
            stopped.exits(0);
            continue;
        }
        let stopped = stopped.exits(17);
        assert_eq!(stopped.error(), format!("{because}; nothing was sent"));
        assert!(
            stopped.hint().starts_with("look at the source"),
            "{}",
            stopped.hint()
        );
        assert_eq!(job.rows_since(&before), [""; 0]);
        // The same again is stopped again.
        job.workspace.run(&["run", "vip.toml"]).exits(17);
        assert_eq!(job.rows_since(&before), [""; 0]);
        let status = job.workspace.run(&["status", "vip.toml"]).exits(0);
        assert_eq!(status.next(), stopped.next());
        // What is printed is typed.
        let words = shlex::split(stopped.next()).unwrap();
        let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        assert_eq!(words[2], "--approve-changes");
        // The audience may be gone by then: exactly what that run found is sent.
        job.workspace.write("a.csv", "key,mail,city\n");
        job.workspace.run(&words).exits(0);
        assert_eq!(
            job.rows_since(&before),
            lines(&keys.map(|key| (key, "Lima")).collect::<Vec<_>>())
        );
        assert_eq!(job.night(&rows, &[]).1.len(), 0);
        job.workspace.run(&words).exits(2);
    }
}

#[test]
fn an_audience_that_shrinks_is_stopped() {
    let job = Job::with(BODY, "[delta]\nsend = \"changed\"\n");
    job.night(&people(100), &[]);
    job.night(&people(81), &[]);
    job.audience(&people(64));
    for flags in [&[][..], &["--full"]] {
        let stopped = job
            .workspace
            .run(&[&["run", "vip.toml"], flags].concat())
            .exits(17);
        let error = stopped.error();
        assert!(error.starts_with("the audience has 64 rows and had 81 in the last run: 17 fewer, and max-shrink allows less than 20 %"), "{error}");
    }
    // A dry run tells it, and does not fail.
    let dry = job
        .workspace
        .run(&["run", "vip.toml", "--dry-run"])
        .exits(0);
    assert!(
        dry.stdout.contains("max-shrink allows less than 20 %"),
        "{}",
        dry.stdout
    );
    job.audience(&people(66));
    job.workspace.run(&["run", "vip.toml"]).exits(0);
}

#[test]
fn limits_that_cannot_be_are_refused() {
    for (line, key) in [
        ("max-changed = { percent = 101 }", "delta.max-changed"),
        ("max-shrink = { percent = -1 }", "delta.max-shrink"),
        ("full-every = \"soon\"", "delta.full-every"),
        ("left-property = \"Gone\"", "delta.left-property"),
        (
            "send = \"changed\"\nleft-property = \"City\"",
            "delta.left-property",
        ),
        (
            "send = \"changed\"\nleft-property = \"Email\"",
            "delta.left-property",
        ),
    ] {
        let job = Job::with(BODY, &format!("[delta]\n{line}\n"));
        job.audience(&people(1));
        let refused = job.workspace.run(&["run", "vip.toml"]).exits(10);
        assert!(refused.error().contains(key), "{}", refused.error());
    }
}

#[test]
fn a_night_that_was_stopped_leaves_nothing_behind() {
    for deliver in ["sftp", "api"] {
        let job = Job::with(BODY, "");
        let api = job.server.api_section();
        job.says(
            BODY,
            &format!("[delta]\nsend = \"changed\"\n{api}deliver = \"{deliver}\"\n"),
        );
        let rows = people(100);
        job.audience(&rows);
        job.run(&[]).exits(0);
        // A broken export: every row is another one, and some are missing.
        let broken = (0..90).map(|key| (key, "-")).collect();
        job.audience(&broken);
        let profiles = job.server.0.api().profiles().len();
        job.run(&[]).exits(17);
        assert_eq!(job.server.0.api().profiles().len(), profiles);
        // It is mended: nothing has to be sent, and no guard strikes.
        job.audience(&rows);
        let report = job.run(&[]).exits(0).report();
        assert_eq!(report["rows_unchanged"], 100, "{deliver}: {report:#}");
    }
}
