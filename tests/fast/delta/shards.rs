//! Shards: who is new and who has left is told of the whole group.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::support::list_stage::{FILE, JobText, Stage, people};

/// A job over four files.
fn stage() -> Stage {
    let stage = Stage::new();
    let mut text = JobText::list(
        "attach = \"members\"\nmirror = \"tracked\"\nmax-removals = { percent = 100, members = 1000000 }",
    )
    .klaviyo("wait-for-import = \"20s\"");
    super::DELTA.clone_into(&mut text.parts);
    stage.job(&text);
    let job = std::fs::read_to_string(stage.workspace.path(FILE)).unwrap();
    let job = job.replace("audience.csv", "rows/*.csv");
    stage.workspace.write(FILE, job);
    stage
}

/// Writes the rows of each file.
fn files(stage: &Stage, rows: [&[usize]; 4]) -> BTreeSet<String> {
    for (file, numbers) in rows.iter().enumerate() {
        let mut text = "mail,phone,key,first,tier\n".to_owned();
        for email in people(numbers.iter().copied()) {
            writeln!(text, "{email},,,Ana,gold").unwrap();
        }
        stage.workspace.write(&format!("rows/{file}.csv"), text);
    }
    people(rows.into_iter().flatten().copied())
        .into_iter()
        .collect()
}

fn shard(stage: &Stage, shard: &str, group: &str) -> Value {
    let flags = [
        "run",
        FILE,
        "--json",
        "--shard",
        shard,
        "--run-group",
        group,
    ];
    stage.execute(&flags).exits(0).report()
}

fn gather(stage: &Stage, group: &str) -> Value {
    stage
        .execute(&["list", FILE, "--json", "--run-group", group])
        .exits(0)
        .report()
}

#[test]
fn a_row_that_moves_to_another_shard_is_neither_new_nor_gone() {
    let stage = stage();
    let all = files(&stage, [&[1, 2, 3], &[4, 5], &[6, 7], &[8, 9]]);
    for number in ["1/2", "2/2"] {
        assert_eq!(shard(&stage, number, "mon")["rows_unchanged"], 0);
    }
    gather(&stage, "mon");
    stage.assert_members(&all);
    // One moves, one comes, one goes.
    let all = files(&stage, [&[1, 2], &[3, 4, 5], &[6, 7], &[8, 10]]);
    let first = shard(&stage, "1/2", "tue");
    let second = shard(&stage, "2/2", "tue");
    assert_eq!(
        (&first["rows_left"], &second["rows_new"]),
        (&1.into(), &2.into())
    );
    // Before the list is done, nothing has moved on.
    stage.assert_members(people(1..=9));
    let report = gather(&stage, "tue");
    assert_eq!(report["rows_new"], 1, "{report:#}");
    assert_eq!(report["rows_left"], 1);
    assert_eq!(report["rows_unchanged"], 7);
    assert_eq!(report["list"]["removed"], 1, "{report:#}");
    stage.assert_members(&all);
    for number in ["1/2", "2/2"] {
        assert_eq!(shard(&stage, number, "wed")["rows_written"], 0);
    }
    gather(&stage, "wed");
    stage.assert_members(&all);
}

#[test]
fn another_number_of_shards_and_a_night_without_one_cost_a_full_send() {
    let stage = stage();
    let all = files(&stage, [&[1, 2, 3], &[4, 5], &[6, 7], &[8, 9]]);
    let night = |numbers: &[&str], group: &str, rows: u64| {
        let mut sent = 0;
        for number in numbers {
            sent += shard(&stage, number, group)["rows_written"]
                .as_u64()
                .unwrap();
        }
        gather(&stage, group);
        assert_eq!(sent, rows, "{group}");
        stage.assert_members(&all);
    };
    night(&["1/2", "2/2"], "a", 9);
    night(&["1/2", "2/2"], "b", 0);
    night(&["1/4", "2/4", "3/4", "4/4"], "c", 9);
    night(&["1/4", "2/4", "3/4", "4/4"], "d", 0);
    // What the two once knew is forgotten.
    night(&["1/2", "2/2"], "e", 9);
    // The whole job knows nothing of what shards have sent, and the shards nothing of it.
    let whole = |rows: u64| {
        let report = stage.run().exits(0).report();
        assert_eq!(report["rows_written"], rows, "{report:#}");
        stage.assert_members(&all);
    };
    whole(9);
    whole(0);
    night(&["1/2", "2/2"], "f", 9);
    night(&["1/2", "2/2"], "g", 0);
}

#[test]
fn counts_that_a_snapshot_of_no_use_makes_wrong_are_told() {
    let stage = stage();
    files(&stage, [&[1, 2, 3], &[4, 5], &[6, 7], &[8, 9]]);
    for number in ["1/2", "2/2"] {
        shard(&stage, number, "mon");
    }
    gather(&stage, "mon");
    let all = files(&stage, [&[1, 2], &[3, 4, 5], &[6, 7], &[8, 9]]);
    for number in ["1/2", "2/2"] {
        shard(&stage, number, "tue");
    }
    let shards = stage.workspace.path("state").join("vip").join("shards");
    let first = std::fs::read_dir(shards).unwrap().next().unwrap().unwrap();
    std::fs::write(first.path().join("snapshot"), "").unwrap();
    let report = gather(&stage, "tue");
    let told = "a row that has moved to another shard counts as new, and as one that left: ";
    assert!(report["warnings"].to_string().contains(told), "{report:#}");
    assert_eq!(report["rows_new"], 1, "{report:#}");
    stage.assert_members(&all);
}

#[test]
fn those_who_left_a_job_with_shards_and_a_list_get_their_property() {
    let stage = stage();
    let text = std::fs::read_to_string(stage.workspace.path(FILE)).unwrap();
    let text = text.replace("[delta]", "[delta]\nleft-property = \"In Audience\"");
    stage.workspace.write(FILE, text);
    files(&stage, [&[1, 2, 3], &[4, 5], &[6, 7], &[8, 9]]);
    for number in ["1/2", "2/2"] {
        shard(&stage, number, "mon");
    }
    gather(&stage, "mon");
    let all = files(&stage, [&[1, 2], &[4, 5], &[6, 7], &[8, 9]]);
    let first = shard(&stage, "1/2", "tue");
    assert_eq!(first["rows_left"], 1, "{first:#}");
    assert_eq!(first["parts"][0]["rows"], 1, "{first:#}");
    shard(&stage, "2/2", "tue");
    gather(&stage, "tue");
    stage.assert_members(&all);
}
