//! The list under `send = "changed"`: after each night it is what a full send would have left.

use std::collections::BTreeSet;

use klaviyo_export_sandbox::api::{ApiFault, ApiFaults};
use serde_json::json;

use crate::support::list_stage::{FILE, JobText, Stage, people, seeds};
use crate::support::random::Random;

const ALL_MAY_GO: &str = "max-removals = { percent = 100, members = 1000000 }";

fn job(list: &str) -> JobText {
    let mut job = JobText::list(list).klaviyo("wait-for-import = \"20s\"");
    job.give_up_after = "1s";
    job.parts = format!("max-rows = 500\n{}", super::DELTA);
    job
}

#[test]
fn newcomers_are_added_and_leavers_removed() {
    for attach in ["import-job", "members"] {
        for mirror in ["tracked", "exact"] {
            let stage = Stage::new();
            stage.job(&job(&format!(
                "attach = \"{attach}\"\nmirror = \"{mirror}\"\n{ALL_MAY_GO}"
            )));
            stage.audience(people(1..=50));
            stage.run().exits(0);
            stage.assert_members(people(1..=50));
            // Nothing has changed: nobody is touched.
            let report = stage.run().exits(0).report();
            assert_eq!(report["list"]["attached"], 0, "{report:#}");
            assert_eq!(report["rows_unchanged"], 50);
            stage.assert_members(people(1..=50));
            // The rows of those who stay say the same.
            let mut rows = people(1..=50);
            rows.extend(people([60, 61]));
            rows.remove(49);
            stage.audience(&rows);
            let report = stage.run().exits(0).report();
            assert_eq!(report["rows_new"], 2, "{report:#}");
            assert_eq!(report["rows_left"], 1);
            assert_eq!(report["list"]["removed"], 1, "{report:#}");
            stage.assert_members(&rows);
            // Somebody who comes back is a newcomer.
            rows.push("n50@example.com".to_owned());
            stage.audience(&rows);
            stage.run().exits(0);
            stage.assert_members(&rows);
        }
    }
}

#[test]
fn nobody_new_and_somebody_gone_is_a_night_too() {
    let stage = Stage::new();
    stage.job(&job(&format!("mirror = \"tracked\"\n{ALL_MAY_GO}")));
    stage.audience(people(1..=10));
    stage.run().exits(0);
    stage.audience(people(1..=9));
    let report = stage.run().exits(0).report();
    assert_eq!(report["rows_written"], 0);
    assert_eq!(report["list"]["removed"], 1, "{report:#}");
    stage.assert_members(people(1..=9));
}

/// A stage whose last run has stored five removals that wait for approval, and has sent `n60@example.com` for the first time.
fn too_many_removals(delta: &str) -> Stage {
    let stage = Stage::new();
    let mut job = job("mirror = \"tracked\"\nmax-removals = { percent = 5, members = 10000 }");
    job.parts.push_str(delta);
    stage.job(&job);
    stage.audience(people(1..=40));
    stage.run().exits(0);
    stage.audience(people((1..=35).chain([60])));
    stage.run().exits(17);
    stage
}

#[test]
fn those_who_leave_after_an_approval_get_their_property() {
    let stage = too_many_removals("left-property = \"In Audience\"\n");
    stage
        .execute(&["run", FILE, "--approve-removals", &stage.run_id()])
        .exits(0);
    stage.audience(people(1..=35));
    let report = stage.run().exits(0).report();
    assert_eq!(report["rows_left"], 1, "{report:#}");
    assert_eq!(report["parts"][0]["rows"], 1, "{report:#}");
    stage.assert_members(people(1..=35));
}

#[test]
fn a_snapshot_that_cannot_be_replaced_or_removed_is_an_error_of_a_run_with_a_report() {
    let stage = too_many_removals("");
    let snapshot = stage.workspace.path("state").join("vip").join("snapshot");
    std::fs::remove_file(&snapshot).unwrap();
    std::fs::create_dir(&snapshot).unwrap();
    let run = stage.run_id();
    let approved = stage.execute(&["run", FILE, "--approve-removals", &run]);
    let approved = approved.exits(18);
    assert!(
        approved.error().contains("snapshot"),
        "{}",
        approved.error()
    );
    // The members are removed: the report says so, and why the exit code is what it is.
    stage.assert_members(people((1..=35).chain([60])));
    let report = stage.workspace.of_last_run("vip", "report.json");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["exit_code"], 18, "{report:#}");
    assert_eq!(report["list"]["removed"], 5, "{report:#}");
}

#[test]
fn who_was_taken_off_by_hand_stays_off_until_the_row_changes_or_all_are_sent() {
    let stage = Stage::new();
    stage.job(&job("attach = \"members\""));
    stage.audience(people(1..=5));
    stage.run().exits(0);
    let list = stage.vip();
    let members = stage.api().members(&list);
    let one = members
        .iter()
        .find(|it| it.text("email") == Some("n2@example.com"));
    stage
        .api()
        .remove_members(&list, &[one.unwrap().id.clone()]);
    stage.run().exits(0);
    stage.assert_members(people([1, 3, 4, 5]));
    stage.execute(&["run", FILE, "--full"]).exits(0);
    stage.assert_members(people(1..=5));
}

#[test]
fn whom_klaviyo_has_refused_is_sent_again() {
    let stage = Stage::new();
    stage.job(&job("attach = \"import-job\""));
    stage.audience(people(1..=5));
    stage.api().refuse_email("n3@example.com");
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["rejected"], 1, "{report:#}");
    for _ in 0..2 {
        let report = stage.run().exits(0).report();
        assert_eq!(report["rows_written"], 1, "{report:#}");
        assert_eq!(report["rows_unchanged"], 4);
        assert_eq!(report["list"]["rejected"], 1, "{report:#}");
    }
    stage.audience(people([1, 2, 4, 5]));
    stage.run().exits(0);
    assert_eq!(stage.run().exits(0).report()["rows_written"], 0);
}

#[test]
fn another_list_gets_everybody() {
    let stage = Stage::new();
    stage.job(&job("attach = \"members\""));
    stage.audience(people(1..=5));
    stage.run().exits(0);
    stage.api().remove_list(&stage.vip());
    stage.api().add_list("VIP");
    let report = stage
        .execute(&["run", FILE, "--json", "--create-list"])
        .exits(0)
        .report();
    assert!(
        report["warnings"]
            .to_string()
            .contains("the list has changed"),
        "{report:#}"
    );
    stage.assert_members(people(1..=5));
}

#[test]
fn an_attach_that_was_cut_is_finished_before_the_snapshot_moves() {
    let stage = Stage::new();
    stage.job(&job("attach = \"members\""));
    stage.audience(people(1..=5));
    stage.run().exits(0);
    stage.audience(people(1..=8));
    let down = ApiFaults::none()
        .always(ApiFault::Unavailable)
        .only("add_profiles_to_list");
    stage.api().set_faults(down);
    stage.run().exits(16);
    stage.api().set_faults(ApiFaults::none());
    let report = stage.run().exits(0).report();
    assert_eq!(report["rows_new"], json!(3));
    stage.assert_members(people(1..=8));
    assert_eq!(stage.run().exits(0).report()["rows_written"], 0);
}

#[test]
fn two_jobs_on_one_list_do_not_take_off_each_other_s_people() {
    let stage = Stage::new();
    let text = job(&format!("mirror = \"tracked\"\n{ALL_MAY_GO}"));
    stage.job(&text);
    stage.audience(people(1..=10));
    stage.run().exits(0);
    let first = std::fs::read_to_string(stage.workspace.path(FILE)).unwrap();
    let second = first
        .replace("name = \"vip\"", "name = \"other\"")
        .replace("audience.csv", "other.csv");
    stage.workspace.write("other.toml", second);
    let other = |numbers: std::ops::RangeInclusive<usize>| {
        let rows = people(numbers).join(",,,Ana,gold\n");
        stage.workspace.write(
            "other.csv",
            format!("mail,phone,key,first,tier\n{rows},,,Ana,gold\n"),
        );
        stage.execute(&["run", "other.toml"]).exits(0);
    };
    other(8..=20);
    stage.assert_members(people(1..=20));
    stage.audience(people(2..=10));
    stage.run().exits(0);
    stage.assert_members(people(2..=20));
    other(8..=19);
    stage.assert_members(people(2..=19));
}

/// Nights of chance, with an API that fails: after each the list is the audience.
#[test]
fn after_every_night_the_list_is_the_audience() {
    for seed in 0..seeds(2) {
        let mut random = Random::new(seed);
        let stage = Stage::new();
        let attach = if seed % 2 == 0 {
            "import-job"
        } else {
            "members"
        };
        stage.job(&job(&format!(
            "attach = \"{attach}\"\nmirror = \"tracked\"\n{ALL_MAY_GO}"
        )));
        let mut there: BTreeSet<usize> = (1..=60).collect();
        for _ in 0..8 {
            for _ in 0..random.below(10) {
                let number = random.below(100);
                if !there.remove(&number) {
                    there.insert(number);
                }
            }
            stage.audience(people(there.iter().copied()));
            if random.below(3) == 0 {
                let operation = [
                    "add_profiles_to_list",
                    "remove_profiles_from_list",
                    "get_profiles",
                ];
                let operation = operation[random.below(3)];
                stage.api().set_faults(
                    ApiFaults::none()
                        .always(ApiFault::Unavailable)
                        .only(operation),
                );
                stage.run();
                stage.api().set_faults(ApiFaults::none());
            }
            stage.run().exits(0);
            stage.assert_members(people(there.iter().copied()));
        }
    }
}

/// The folder of the stage's last run.
fn run_folder(stage: &Stage) -> std::path::PathBuf {
    let job = stage.workspace.path("state").join("vip");
    job.join("runs").join(stage.run_id())
}

#[test]
fn whom_klaviyo_has_refused_and_nobody_knows_any_more_costs_a_full_send() {
    let losses = ["attach-rejects.csv", "../../snapshot.key"];
    for lost in losses {
        let stage = Stage::new();
        let text = job(
            "attach = \"import-job\"\nmirror = \"tracked\"\nmax-removals = { percent = 5, members = 10000 }",
        );
        stage.job(&text);
        stage.audience(people(1..=40));
        stage.run().exits(0);
        stage.api().refuse_email("n60@example.com");
        stage.audience(people((1..=35).chain([60])));
        stage.run().exits(17);
        std::fs::remove_file(run_folder(&stage).join(lost)).unwrap();
        let approve = ["run", FILE, "--json", "--approve-removals", &stage.run_id()];
        let report = stage.execute(&approve).exits(0).report();
        let warnings = report["warnings"].to_string();
        let is_told = warnings.contains("no snapshot of this run was kept (");
        assert!(is_told, "{lost}: {report:#}");
        let report = stage.run().exits(0).report();
        assert_eq!(report["rows_written"], 36, "{lost}: {report:#}");
    }
}

#[test]
fn the_identifiers_of_nobody_remove_nobody() {
    let stage = Stage::new();
    let text = job(&format!("mirror = \"tracked\"\n{ALL_MAY_GO}"));
    stage.job(&text);
    stage.audience(people(1..=10));
    stage.run().exits(0);
    stage.audience(people(1..=9));
    let down = ApiFaults::none().always(ApiFault::Unavailable);
    stage
        .api()
        .set_faults(down.only("remove_profiles_from_list"));
    stage.run().exits(16);
    stage.api().set_faults(ApiFaults::none());
    let run = run_folder(&stage);
    std::fs::remove_file(run.join("parts").join("unchanged.ids")).unwrap();
    let refused = stage.run().exits(18);
    let told = "cannot find the identifiers of the audience in it";
    assert!(refused.stderr.contains(told), "{refused:?}");
    stage.assert_members(people(1..=10));
    // A run over the whole audience is the way out.
    stage.execute(&["run", FILE, "--fresh"]).exits(0);
    stage.assert_members(people(1..=9));
}

#[test]
fn whom_the_job_has_put_there_and_nobody_knows_any_more_is_told() {
    let stage = Stage::new();
    let text = job(&format!("mirror = \"tracked\"\n{ALL_MAY_GO}"));
    stage.job(&text);
    stage.audience(people(1..=10));
    let report = stage.run().exits(0).report();
    assert_eq!(
        report["warnings"].to_string().matches("is missing").count(),
        0
    );
    let name = format!("tracked-{}.csv", stage.vip());
    let job = stage.workspace.path("state").join("vip");
    std::fs::remove_file(job.join(&name)).unwrap();
    stage.audience(people(1..=9));
    let report = stage.run().exits(0).report();
    let told = format!(
        "{name} is missing: members that earlier runs have put on the list are not removed from it"
    );
    assert!(report["warnings"].to_string().contains(&told), "{report:#}");
    stage.audience(people(1..=8));
    let report = stage.run().exits(0).report();
    assert!(
        !report["warnings"].to_string().contains("is missing"),
        "{report:#}"
    );
    stage.assert_members(people((1..=8).chain([10])));
}

#[test]
fn a_list_that_nobody_knows_any_more_gets_everybody() {
    let stage = Stage::new();
    stage.api().remove_list(&stage.vip());
    stage.job(&job("attach = \"members\""));
    stage.audience(people(1..=5));
    stage.execute(&["run", FILE, "--create-list"]).exits(0);
    std::fs::remove_file(run_folder(&stage).join("manifest.json")).unwrap();
    let report = stage.run().exits(0).report();
    assert_eq!(report["rows_written"], 5, "{report:#}");
    let told = "every row is sent: the list of the last run is not known: ";
    assert!(report["warnings"].to_string().contains(told), "{report:#}");
    assert_eq!(stage.run().exits(0).report()["rows_written"], 0);
}
