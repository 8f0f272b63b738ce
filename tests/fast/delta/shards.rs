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
