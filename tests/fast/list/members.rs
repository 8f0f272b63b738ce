//! Attach and mirror end with exactly the right members.

use super::stage::{FILE, JobText, Stage, bad_weather, people, seeds};
use klaviyo_export_sandbox::api::{ApiFault, ApiFaults};
use serde_json::json;

const IMPORT_JOB: &str = "attach = \"import-job\"";
const MEMBERS: &str = "attach = \"members\"";
const ALL_MAY_GO: &str = "max-removals = { percent = 100, members = 1000000 }";

/// Attaches `rows` people by `attach`, with others on the list before; then a third of the audience leaves.
fn attach_and_mirror(rows: usize, attach: &str, weather: Option<u64>) {
    let stage = Stage::new();
    let list = stage.vip();
    stage.join_list(
        &list,
        &["old1@example.com", "old2@example.com", "n1@example.com"],
    );
    if let Some(seed) = weather {
        stage.api().set_faults(bad_weather(seed));
    }
    let wait = "wait-for-import = \"20s\"";
    stage.job(
        &JobText::list(&format!("{attach}\nmirror = \"tracked\"\n{ALL_MAY_GO}")).klaviyo(wait),
    );
    stage.audience(people(1..=rows));
    let outcome = stage.run().exits(0);
    let old = ["old1@example.com", "old2@example.com"].map(str::to_owned);
    // Who was on the list before this job is not its business.
    let with_old = |numbers: std::ops::RangeInclusive<usize>| {
        let mut all = people(numbers);
        all.extend(old.clone());
        all
    };
    if rows == 0 {
        assert_eq!(outcome.report()["rows_written"], 0);
        stage.assert_members(["old1@example.com", "old2@example.com", "n1@example.com"]);
        return;
    }
    assert_eq!(outcome.report()["list"]["attached"], rows);
    assert_eq!(outcome.report()["list"]["removed"], 0);
    stage.assert_members(with_old(1..=rows));
    let left = rows.div_ceil(3).max(1);
    stage.audience(people(left..=rows));
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["removed"], left - 1);
    stage.assert_members(with_old(left..=rows));
    stage.job(
        &JobText::list(&format!(
            "{attach}\nmirror = \"exact\"\nmax-removals = {{ percent = 100, members = 1000000 }}"
        ))
        .klaviyo(wait),
    );
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["removed"], 2, "{report:#}");
    stage.assert_members(people(left..=rows));
    if weather.is_some() {
        let calls = stage.calls();
        let struck = calls.iter().filter(|call| call.fault.is_some()).count();
        println!("{struck} of {} calls failed", calls.len());
        assert!(struck > 0 || calls.len() < 20);
    }
}

macro_rules! sizes {
    ($($name:ident: $rows:expr, $attach:expr, $weather:expr;)*) => {
        $(#[test] fn $name() { attach_and_mirror($rows, $attach, $weather); })*
    };
}

sizes! {
    nobody_by_import_jobs: 0, IMPORT_JOB, None;
    one_by_import_jobs: 1, IMPORT_JOB, None;
    one_less_than_a_job: 9_999, IMPORT_JOB, None;
    one_job: 10_000, IMPORT_JOB, None;
    one_more_than_a_job: 10_001, IMPORT_JOB, None;
    one_more_than_a_job_in_bad_weather: 10_001, IMPORT_JOB, Some(1);
    nobody_by_ids: 0, MEMBERS, None;
    one_by_ids: 1, MEMBERS, None;
    one_by_ids_in_bad_weather: 1, MEMBERS, Some(2);
    one_less_than_a_job_by_ids: 9_999, MEMBERS, None;
    ten_thousand_by_ids: 10_000, MEMBERS, None;
    ten_thousand_and_one_by_ids_in_bad_weather: 10_001, MEMBERS, Some(3);
}

#[test]
#[ignore = "a minute: tests/run --all"]
fn a_quarter_of_a_million_by_import_jobs() {
    attach_and_mirror(250_000, IMPORT_JOB, None);
}

#[test]
#[ignore = "a minute: tests/run --all"]
fn a_quarter_of_a_million_by_import_jobs_in_bad_weather() {
    attach_and_mirror(250_000, IMPORT_JOB, Some(4));
}

#[test]
#[ignore = "a minute: tests/run --all"]
fn a_quarter_of_a_million_by_ids_in_bad_weather() {
    attach_and_mirror(250_000, MEMBERS, Some(5));
}

/// Six, or as many in proportion as `KLAVIYO_EXPORT_TEST_SEEDS` says.
#[test]
fn every_bad_weather_ends_well() {
    for seed in 10..10 + seeds(6) {
        attach_and_mirror(
            1_500,
            if seed % 2 == 0 { IMPORT_JOB } else { MEMBERS },
            Some(seed),
        );
    }
}

#[test]
fn who_has_any_identifier_of_the_audience_stays() {
    for mirror in ["exact", "tracked"] {
        let stage = Stage::new();
        let list = stage.vip();
        stage.job(&JobText::list(&format!(
            "mirror = \"{mirror}\"\n{ALL_MAY_GO}"
        )));
        // The first run puts all of them on the list.
        stage.audience_of(&[
            ["ana@example.com", "+436641234567", ""],
            ["bob@example.com", "", "b-1"],
            ["two@example.com", "", ""],
            ["gone@example.com", "", ""],
            ["moved@example.com", "", "m-1"],
        ]);
        stage.run().exits(0);
        let profiles = stage.api().profiles();
        let of = |email: &str| {
            let mut all = profiles.iter();
            all.find(|it| it.text("email") == Some(email))
                .unwrap()
                .id
                .clone()
        };
        stage
            .api()
            .add_secondary_email(&of("two@example.com"), "zwei@example.com");
        // They come again by another of their identifiers.
        stage.audience_of(&[
            ["", "+436641234567", ""],
            ["", "", "b-1"],
            ["zwei@example.com", "", ""],
            ["moved@example.com", "", ""],
        ]);
        let report = stage.run().exits(0).report();
        assert_eq!(report["list"]["removed"], 1, "{mirror}: {report:#}");
        assert_eq!(report["list"]["rejected"], 0, "{mirror}: {report:#}");
        assert_eq!(stage.emails(&list).len(), 4, "{mirror}");
        assert!(
            !stage.emails(&list).contains("gone@example.com"),
            "{mirror}"
        );
        assert_eq!(
            stage.ids_in(&stage.run_id(), "removed.csv"),
            [of("gone@example.com")]
        );
        // And the next run does not remove them either.
        let report = stage.run().exits(0).report();
        assert_eq!(report["list"]["removed"], 0, "{mirror}: {report:#}");
        assert_eq!(stage.emails(&list).len(), 4, "{mirror}");
    }
}

#[test]
fn a_second_address_is_found_when_members_are_added_by_ids() {
    let stage = Stage::new();
    let list = stage.vip();
    let two = stage.api().add_profile(&[("email", "two@example.com")]);
    stage.api().add_secondary_email(&two, "zwei@example.com");
    stage.job(&JobText::list(MEMBERS).klaviyo("wait-for-import = \"5s\""));
    stage.audience(["zwei@example.com", "ana@example.com"]);
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["unresolved"], 0, "{report:#}");
    assert_eq!(report["list"]["attached"], 2, "{report:#}");
    assert_eq!(stage.emails(&list).len(), 2);
}

#[test]
fn who_has_no_profile_is_told_when_the_wait_is_over() {
    let stage = Stage::new();
    // Nothing is imported: the profiles of the files never exist.
    let ana = stage.api().add_profile(&[("email", "ana@example.com")]);
    stage.job(&JobText {
        list: format!("name = \"VIP\"\n{MEMBERS}"),
        klaviyo: "wait-for-import = \"1s\"".to_owned(),
        ..JobText::default()
    });
    stage.audience(["ana@example.com", "late@example.com"]);
    let late = || {
        stage
            .api()
            .profiles()
            .into_iter()
            .find(|it| it.text("email") == Some("late@example.com"))
    };
    // The import brings the profile, and somebody deletes it at once.
    let mut child = stage.start(&["run", FILE, "--json"]);
    while child.try_wait().unwrap().is_none() {
        if let Some(profile) = late() {
            stage.api().delete_profile(&profile.id);
        }
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    let outcome = super::workspace::Outcome::of(child).exits(0);
    let report = outcome.report();
    assert!(
        stage
            .api()
            .members(&stage.vip())
            .iter()
            .any(|it| it.id == ana)
    );
    if report["list"]["unresolved"] == 1 {
        let rejects = stage.workspace.of_last_run("vip", "attach-rejects.csv");
        assert!(
            rejects.contains("late@example.com,,,unresolved"),
            "{rejects}"
        );
    }
}

#[test]
fn tracked_removes_only_whom_this_job_put_there() {
    let stage = Stage::new();
    let list = stage.vip();
    stage.join_list(&list, &["other@example.com"]);
    stage.job(&JobText::list(&format!(
        "mirror = \"tracked\"\n{ALL_MAY_GO}"
    )));
    stage.audience(["ana@example.com", "bob@example.com"]);
    stage.run().exits(0).reports(&[("status", json!("done"))]);
    stage.audience(["ana@example.com"]);
    stage.run().exits(0);
    stage.assert_members(["ana@example.com", "other@example.com"]);
    // One who is removed and comes back is on the list again, and goes again.
    stage.audience(["ana@example.com", "bob@example.com"]);
    stage.run().exits(0);
    stage.assert_members(["ana@example.com", "bob@example.com", "other@example.com"]);
    stage.audience(["bob@example.com"]);
    stage.run().exits(0);
    stage.assert_members(["bob@example.com", "other@example.com"]);
}

#[test]
fn tracked_remembers_whom_a_run_put_there_that_another_took_the_place_of() {
    let stage = Stage::new();
    stage.job(&JobText::list(&format!(
        "mirror = \"tracked\"\n{ALL_MAY_GO}"
    )));
    stage.audience(["ana@example.com", "eva@example.com"]);
    stage.run().exits(0);
    // Bob is put on the list by a run that fails before its mirror is done.
    stage.audience(["bob@example.com", "eva@example.com"]);
    let refuse = ApiFaults::none()
        .always(ApiFault::ServerError)
        .only("get_profiles");
    stage.api().set_faults(refuse);
    stage.job(&JobText {
        give_up_after: "1s",
        ..JobText::list(&format!("mirror = \"tracked\"\n{ALL_MAY_GO}"))
    });
    stage.run().exits(16);
    stage.api().set_faults(ApiFaults::none());
    stage.assert_members(["ana@example.com", "bob@example.com", "eva@example.com"]);
    stage.audience(["cid@example.com", "eva@example.com"]);
    stage.run().exits(0);
    stage.assert_members(["cid@example.com", "eva@example.com"]);
}
