//! Guards that keep a mirror from taking the wrong people off a list, and the way past them.

use super::stage::{FILE, JobText, Stage, people};

fn mirrored(mirror: &str) -> Stage {
    let stage = Stage::new();
    stage.job(&JobText::list(&format!("mirror = \"{mirror}\"")));
    stage.audience(people(1..=100));
    stage.run().exits(0);
    stage.assert_members(people(1..=100));
    stage
}

/// The report's warnings in one text.
#[track_caller]
fn warnings(outcome: &super::workspace::Outcome) -> String {
    outcome.report()["warnings"].to_string()
}

#[test]
fn too_many_removals_remove_nobody_until_they_are_approved() {
    for mirror in ["exact", "tracked"] {
        let stage = mirrored(mirror);
        stage.audience(people(11..=100));
        let refused = stage.run().exits(17);
        assert_eq!(
            refused.error(),
            "10 of 100 members would be removed, and `max-removals` allows less than 5 % and less than 10,000; nobody was removed"
        );
        assert!(refused.hint().contains("approve exactly these"));
        let run = stage.run_id();
        let next = refused.next().to_owned();
        assert_eq!(
            next,
            format!("klaviyo-export run {FILE} --approve-removals {run}")
        );
        assert_eq!(stage.count("remove_profiles_from_list"), 0, "{mirror}");
        stage.assert_members(people(1..=100));
        // The same command says the same again.
        stage.run().exits(17);
        stage.assert_members(people(1..=100));
        // What is approved is the stored set, whatever the audience says by now.
        stage.audience(people(51..=100));
        let approved = stage.execute_line(&next).exits(0);
        assert!(approved.stdout.contains("10"), "{}", approved.stdout);
        stage.assert_members(people(11..=100));
        assert_eq!(stage.ids_in(&run, "removed.csv").len(), 10);
        let again = stage.execute_line(&next).exits(2);
        assert!(again.error().contains("no removals that wait for approval"));
        // They can be put back.
        let undone = stage.execute(&["undo", FILE, &run]).exits(0);
        assert!(undone.stdout.contains("10 members"), "{}", undone.stdout);
        stage.assert_members(people(1..=100));
    }
}

#[test]
fn removals_are_approved_without_the_secrets_of_the_server() {
    let stage = mirrored("exact");
    stage.audience(people(11..=100));
    stage.run().exits(17);
    let file = stage.workspace.path(FILE);
    let text = std::fs::read_to_string(&file).unwrap();
    let with_passphrase = text.replace("[sftp]\n", "[sftp]\npassphrase-env = \"NOT_SET\"\n");
    assert_ne!(text, with_passphrase);
    std::fs::write(&file, with_passphrase).unwrap();
    assert!(stage.run().exits(10).error().contains("NOT_SET"));
    let line = ["run", FILE, "--approve-removals", &stage.run_id()];
    stage.execute(&line).exits(0);
    stage.assert_members(people(11..=100));
}

#[test]
fn what_one_rule_has_stored_is_not_removed_by_another() {
    let stage = Stage::new();
    let list = stage.vip();
    stage.join_list(&list, &["stranger@old.example"]);
    stage.audience(people(1..=10));
    stage.job(&JobText::list("mirror = \"exact\""));
    stage.run().exits(17);
    let run = stage.run_id();
    // The same run goes on by a rule that leaves strangers alone.
    stage.job(&JobText::list("mirror = \"tracked\""));
    stage.run().exits(0);
    assert_eq!(stage.run_id(), run);
    let mut expected = people(1..=10);
    expected.push("stranger@old.example".to_owned());
    stage.assert_members(expected);
    assert_eq!(stage.count("remove_profiles_from_list"), 0);
    let late = stage.execute(&["run", FILE, "--approve-removals", &run]);
    assert!(late.exits(2).error().contains("no removals that wait"));
}

#[test]
fn what_is_out_of_date_is_not_approved() {
    let stage = mirrored("exact");
    stage.audience(people(11..=100));
    stage.run().exits(17);
    let old = stage.run_id();
    stage.audience(people(2..=100));
    stage.run().exits(0);
    stage.assert_members(people(2..=100));
    let line = ["run", FILE, "--approve-removals", &old];
    let refused = stage.execute(&line).exits(2);
    let later = stage.run_id();
    assert_eq!(
        refused.error(),
        format!(
            "run {old} is not the last one: run {later} came after it, and the removals that {old} stored are out of date"
        )
    );
    let nothing = stage
        .execute(&["run", FILE, "--approve-removals", &later])
        .exits(2);
    assert!(nothing.error().contains("no removals that wait"));
    let none = stage.execute(&[
        "run",
        FILE,
        "--approve-removals",
        "20200101T000000Z-00000000",
    ]);
    assert!(none.exits(2).error().contains("there is no run"));
    stage.assert_members(people(2..=100));
}

#[test]
fn tracked_takes_off_later_whom_the_guard_has_kept() {
    let stage = mirrored("tracked");
    stage.audience(people(11..=100));
    stage.run().exits(17);
    stage.audience(people(11..=101));
    stage.job(&JobText::list(
        "mirror = \"tracked\"\nmax-removals = { percent = 20 }",
    ));
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["removed"], 10, "{report:#}");
    stage.assert_members(people(11..=101));
}

#[test]
fn a_limit_an_empty_audience_and_rejected_rows_switch_the_mirror_off() {
    for mirror in ["exact", "tracked"] {
        let stage = mirrored(mirror);
        let removals = || stage.count("remove_profiles_from_list");
        stage.audience(people(2..=100));
        let cut = stage
            .execute(&["run", FILE, "--json", "--limit", "99"])
            .exits(0);
        assert!(
            warnings(&cut).contains("--limit was given"),
            "{}",
            cut.stdout
        );
        stage.audience(Vec::<String>::new());
        stage.run().exits(0);
        // Five of a hundred rows have no identifier that can be taken.
        let bad = (0..5).map(|n| format!("not an address {n}"));
        stage.audience(people(1..=95).into_iter().chain(bad));
        let outcome = stage.run().exits(0);
        assert!(
            warnings(&outcome).contains("5 rows rejected, refused, or without a profile"),
            "{}",
            outcome.stdout
        );
        assert_eq!(removals(), 0, "{mirror}");
        stage.assert_members(people(1..=100));
        // One of them is few enough, and who was kept until now goes.
        stage.audience(
            people(3..=100)
                .into_iter()
                .chain(["not an address".to_owned()]),
        );
        let report = stage.run().exits(0).report();
        assert_eq!(report["list"]["removed"], 2, "{mirror}: {report:#}");
        stage.assert_members(people(3..=100));
    }
}

#[test]
fn a_dry_run_asks_the_api_for_nothing() {
    let stage = Stage::new();
    stage.job(&JobText::list("mirror = \"exact\"").klaviyo(
        "account-id = \"AbC123\"\nsentinel = \"ops@example.com\"\nwait-for-import = \"5s\"",
    ));
    stage.audience(people(1..=3));
    stage.execute(&["run", FILE, "--dry-run"]).exits(0);
    assert_eq!(stage.calls().len(), 0);
}

#[test]
fn undo_says_when_there_is_nothing_to_undo() {
    let stage = mirrored("exact");
    let run = stage.run_id();
    let nothing = stage.execute(&["undo", FILE, &run]).exits(2);
    assert_eq!(nothing.error(), format!("run {run} has removed nobody"));
    let none = stage
        .execute(&["undo", FILE, "20200101T000000Z-00000000"])
        .exits(2);
    assert!(none.error().contains("there is no run"));
}
