//! How many of the audience get no e-mail: exact for a small audience, reckoned for a large one, and never in the way.

use std::time::{Duration, Instant};

use klaviyo_export_sandbox::api::{ApiFault, ApiFaults, ApiSettings, EmailStanding};
use serde_json::{Value, json};

use super::stage::{FILE, JOB, JobText, Stage, people, quick};

/// A stage with the audience `1..=rows`, of whom every third unsubscribed and every tenth of the others is suppressed.
fn stage_of(rows: usize) -> Stage {
    let stage = Stage::new();
    stage.job(&JobText::default());
    stage.audience(people(1..=rows));
    for number in 1..=rows {
        let standing = match number {
            _ if number % 3 == 0 => EmailStanding::Unsubscribed,
            _ if number % 10 == 0 => EmailStanding::Suppressed("HARD_BOUNCE"),
            _ if number % 10 == 1 => EmailStanding::Subscribed,
            _ => continue,
        };
        let email = format!("n{number}@example.com");
        stage.api().set_email_standing(&email, standing);
    }
    stage
}

/// The calls that asked how people stand.
fn looks(stage: &Stage) -> Vec<String> {
    let calls = stage.calls().into_iter();
    calls
        .filter(|call| call.target.contains("subscriptions"))
        .map(|call| call.target)
        .collect()
}

/// Everything that a run leaves in its folder but the rows that it sends.
fn left(stage: &Stage) -> String {
    let folder = stage.workspace.last_run(JOB);
    let files = std::fs::read_dir(&folder).unwrap().flatten();
    let texts = files
        .filter(|file| file.file_type().unwrap().is_file())
        .map(|file| String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).into_owned());
    texts.collect()
}

#[test]
fn a_small_audience_is_counted_exactly_and_nobody_is_named() {
    let stage = stage_of(250);
    // Others of the account are nobody's business.
    stage
        .api()
        .set_email_standing("else@example.com", EmailStanding::Unsubscribed);
    let outcome = stage.execute(&["run", FILE, "-vv"]).exits(0);
    let report: Value =
        serde_json::from_str(&stage.workspace.of_last_run(JOB, "report.json")).unwrap();
    // 3, 6 … 249; and 10, 20, 40 … 250 without the multiples of three.
    assert_eq!(
        report["list"]["no_email"],
        json!({"of": 250, "looked_up": 250, "found": 100, "unsubscribed": 83, "suppressed": 17,
            "is_estimate": false, "only_sent": false})
    );
    let line = "  no e-mail  100 of 250 e-mail addresses: 83 unsubscribed, 17 suppressed";
    assert!(outcome.stdout.contains(line), "{}", outcome.stdout);
    assert_eq!(looks(&stage).len(), 3);
    for text in [&outcome.stdout, &outcome.stderr, &left(&stage)] {
        assert!(!text.contains("@example.com"), "{text}");
    }
    let page = stage.workspace.of_last_run(JOB, "report.html");
    assert!(
        page.contains("No e-mail") && page.contains(">100<"),
        "{page}"
    );
}

#[test]
fn of_a_large_audience_a_part_is_looked_up_in_a_hundred_calls_at_most() {
    let stage = stage_of(10_500);
    let report = stage.run().exits(0).report();
    let found = &report["list"]["no_email"];
    let number = |key: &str| found[key].as_u64().unwrap();
    assert_eq!(
        (number("of"), &found["is_estimate"]),
        (10_500, &json!(true))
    );
    let looked_up = number("looked_up");
    assert!((4_500..=10_000).contains(&looked_up), "{found}");
    // A third, and a tenth of the rest.
    let expected = [("unsubscribed", 3_500.0), ("suppressed", 700.0)];
    for (key, expected) in expected {
        let share = number(key) as f64 / expected;
        assert!((share - 1.0).abs() < 0.15, "{key}: {found}");
    }
    let calls = looks(&stage).len() as u64;
    assert_eq!(calls, looked_up.div_ceil(100));
    let text = stage.workspace.run(&["status", FILE]).exits(0).stdout;
    assert!(!text.contains("@example.com"), "{text}");
    let page = stage.workspace.of_last_run(JOB, "report.html");
    assert!(page.contains("reckoned from a part of it"), "{page}");
    // The next night looks up the same people.
    let again = stage.run().exits(0).report();
    assert_eq!(again["list"]["no_email"], *found);
}

#[test]
fn ten_thousand_are_looked_up_all() {
    let stage = stage_of(10_000);
    let report = stage.run().exits(0).report();
    let found = &report["list"]["no_email"];
    assert_eq!(
        (&found["looked_up"], &found["is_estimate"]),
        (&json!(10_000), &json!(false))
    );
    assert_eq!(found["unsubscribed"], 3_333);
    assert_eq!(looks(&stage).len(), 100);
}

#[test]
fn every_way_of_adding_counts() {
    for (attach, sftp, klaviyo) in [
        ("import-job", true, ""),
        ("members", true, "wait-for-import = \"20s\""),
        ("import-job", false, "deliver = \"api\""),
    ] {
        let stage = stage_of(30);
        stage.job(&JobText {
            sftp,
            ..JobText::list(&format!("attach = \"{attach}\"")).klaviyo(klaviyo)
        });
        let report = stage.run().exits(0).report();
        let found = &report["list"]["no_email"];
        let counts = ["unsubscribed", "suppressed"].map(|key| found[key].as_u64());
        assert_eq!(counts, [Some(10), Some(2)], "{attach} {klaviyo}");
        assert_eq!(looks(&stage).len(), 1);
    }
}

#[test]
fn trouble_is_given_up_soon_and_the_run_is_done() {
    for fault in [
        ApiFault::Unavailable,
        ApiFault::Drop,
        ApiFault::TooManyRequests {
            retry_after_seconds: 50,
        },
        ApiFault::TooManyRequests {
            retry_after_seconds: 80_000,
        },
    ] {
        // At the pace of a clock: a wait of 50 seconds would be one.
        let stage = Stage::with(ApiSettings {
            speed: 1,
            ..quick()
        });
        stage.api().add_list("VIP");
        stage.job(&JobText {
            give_up_after: "10m",
            ..JobText::default()
        });
        stage.audience(people(1..=3));
        let faults = ApiFaults::none().always(fault).only("get_profiles");
        stage.api().set_faults(faults);
        let begun = Instant::now();
        let outcome = stage.execute(&["run", FILE, "--json", "-v"]).exits(0);
        assert!(begun.elapsed() < Duration::from_secs(30), "{fault:?}");
        assert_eq!(outcome.report()["list"]["attached"], 3);
        assert_eq!(outcome.report()["list"]["no_email"], Value::Null);
        assert_eq!(outcome.report()["warnings"], json!([]), "{fault:?}");
        let said = &outcome.stderr;
        assert!(!said.to_lowercase().contains("warn"), "{said}");
        let note = "how many of the audience get no e-mail is not known: ";
        assert!(said.contains(note), "{said}");
        assert!(!said.contains("@example.com"), "{said}");
        let page = stage.workspace.of_last_run(JOB, "report.html");
        assert!(page.contains("not known"), "{page}");
        stage.assert_members(people(1..=3));
    }
}

#[test]
fn trouble_of_a_moment_is_waited_out() {
    let stage = stage_of(150);
    let faults = ApiFaults::none()
        .nth(ApiFault::ServerError, 1)
        .nth(ApiFault::Drop, 3)
        .only("get_profiles");
    stage.api().set_faults(faults);
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["no_email"]["unsubscribed"], 50);
}

#[test]
fn a_night_of_changes_tells_whom_it_counted() {
    for (mirror, expected) in [("off", (1, 1, true)), ("tracked", (4, 2, false))] {
        let stage = Stage::new();
        stage.job(&JobText {
            top: "[delta]\nsend = \"changed\"".to_owned(),
            ..JobText::list(&format!("mirror = \"{mirror}\""))
        });
        for email in ["n1@example.com", "n4@example.com"] {
            stage
                .api()
                .set_email_standing(email, EmailStanding::Unsubscribed);
        }
        stage.audience(people(1..=3));
        let report = stage.run().exits(0).report();
        assert_eq!(report["list"]["no_email"]["of"], 3);
        stage.audience(people(1..=4));
        let report = stage.run().exits(0).report();
        let found = &report["list"]["no_email"];
        let (of, unsubscribed, only_sent) = expected;
        assert_eq!(found["of"], of, "{found}");
        assert_eq!(found["unsubscribed"], unsubscribed, "{found}");
        assert_eq!(found["only_sent"], only_sent, "{found}");
    }
}

#[test]
fn a_plan_asks_nobody_and_phones_alone_need_no_call() {
    let stage = Stage::new();
    stage.job(&JobText::default());
    stage.audience(people(1..=3));
    stage.execute(&["run", FILE, "--dry-run"]).exits(0);
    assert_eq!(looks(&stage).len(), 0);
    stage.audience_of(&[["", "+15005550006", ""], ["", "+15005550007", ""]]);
    let outcome = stage.execute(&["run", FILE]).exits(0);
    assert_eq!(looks(&stage).len(), 0);
    assert!(!outcome.stdout.contains("no e-mail"), "{}", outcome.stdout);
}
