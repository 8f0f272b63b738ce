//! A list that vanished between two runs: no other one is made in silence, and the way on is typed as it is printed.

use serde_json::json;

use super::messages::meanwhile;
use super::stage::{FILE, JobText, Stage, people, quick};

/// A job that made its list, with three people on it.
fn made() -> Stage {
    let stage = Stage::with(quick());
    stage.job(&JobText::list("create = true"));
    stage.audience(people(1..=3));
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["created"], true);
    stage
}

#[test]
fn a_list_that_was_deleted_is_not_made_again_unless_somebody_says_so() {
    let stage = made();
    let old = stage.vip();
    stage.api().remove_list(&old);
    let files = stage.server.received().len();
    stage.audience(people(1..=4));
    for _ in 0..2 {
        let refused = stage.run().exits(16);
        assert_eq!(
            refused.error(),
            format!(
                "the list \"VIP\", which earlier runs of this job found with the id {old}, is gone: somebody has deleted it in Klaviyo"
            )
        );
        assert!(
            refused
                .hint()
                .contains("the same command with --create-list"),
            "{}",
            refused.hint()
        );
        assert_eq!(stage.api().lists(), []);
        assert_eq!(stage.server.received().len(), files, "a row was sent");
    }
    // `check` says it too, and makes none.
    let checked = stage.execute(&["check", FILE]).exits(16);
    assert!(checked.stdout.contains(&old), "{}", checked.stdout);
    assert_eq!(stage.api().lists(), []);
    // As the hint says.
    let outcome = stage.execute(&["run", FILE, "--json", "--create-list"]);
    let report = outcome.exits(0).report();
    assert_eq!(report["list"]["created"], true, "{report:#}");
    assert_ne!(stage.vip(), old);
    stage.assert_members(people(1..=4));
    // From now on that one is the list.
    stage.run().exits(0).reports(&[("status", json!("done"))]);
    stage.assert_members(people(1..=4));
}

#[test]
fn a_list_that_is_deleted_while_the_run_is_under_way_is_not_made_again() {
    let stage = made();
    let old = stage.vip();
    let outcome = meanwhile(&stage, "bulk_import_profiles", |stage| {
        stage.api().remove_list(&old);
    });
    // The first one finds it gone on its way, the second one before a row is read.
    for outcome in [outcome, stage.run()] {
        let refused = outcome.exits(16);
        assert!(refused.error().contains(&old), "{}", refused.error());
        assert_eq!(stage.api().lists(), []);
    }
}

#[test]
fn a_list_that_was_given_another_name_is_told_by_both() {
    let stage = made();
    let old = stage.vip();
    stage.api().rename_list(&old, "VIP 2025");
    let refused = stage.run().exits(16);
    assert_eq!(
        refused.error(),
        format!(
            "the list {old}, which earlier runs of this job found as \"VIP\", is named \"VIP 2025\" now"
        )
    );
    assert_eq!(stage.api().lists().len(), 1);
    // The hint's first way.
    let way = format!("id = \"{old}\"");
    assert!(refused.hint().contains(&way), "{}", refused.hint());
    stage.job(&JobText {
        list: way,
        ..JobText::default()
    });
    stage.run().exits(0);
    assert_eq!(stage.emails(&old).len(), 3);
}

#[test]
fn a_list_that_a_person_made_again_is_taken() {
    let stage = made();
    stage.api().remove_list(&stage.vip());
    let new = stage.api().add_list("VIP");
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["id"], json!(new));
    assert_eq!(report["list"]["created"], false);
    stage.assert_members(people(1..=3));
}

#[test]
fn create_list_needs_a_list_with_a_name() {
    let stage = Stage::new();
    stage.audience(people(1..=3));
    for (list, because) in [
        (String::new(), "the job has no [list] section"),
        (
            format!("id = \"{}\"", stage.vip()),
            "the job says the id of its list",
        ),
    ] {
        stage.job(&JobText {
            list,
            ..JobText::default()
        });
        let refused = stage.execute(&["run", FILE, "--create-list"]).exits(2);
        assert!(refused.error().contains(because), "{}", refused.error());
    }
}

#[test]
fn create_list_makes_a_list_that_the_job_would_not_make() {
    let stage = Stage::with(quick());
    stage.job(&JobText::list(""));
    stage.audience(people(1..=3));
    let refused = stage.run().exits(16);
    assert!(
        refused.hint().contains("--create-list"),
        "{}",
        refused.hint()
    );
    stage.execute(&["run", FILE, "--create-list"]).exits(0);
    stage.assert_members(people(1..=3));
    // Known and deleted, it is told as such, whatever `create` says.
    let old = stage.vip();
    stage.api().remove_list(&old);
    assert!(stage.run().exits(16).error().contains(&old));
}
