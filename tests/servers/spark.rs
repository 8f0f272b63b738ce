//! Apache Spark, a real cluster: a query by Connect, and Parquet files that Spark writes itself.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as well"
)]

use crate::support::engines;
use crate::support::spark;
use crate::support::workspace;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::{Value, json};
use spark::Spark;
use workspace::{Outcome, Server, Workspace};

const COLUMNS: &str = "[columns]\nemail = \"Email\"\nid = \"ExternalID\"\n";

/// Writes the job and starts the server that it delivers to.
fn job(workspace: &Workspace, folder: &Path, audience: &str, spark: &Spark) -> Server {
    let body = format!(
        "name = \"vip\"\n[audience]\n{audience}\n[audience.adbc]\ndriver = \"{}\"\nuri = \"{}\"\n{COLUMNS}",
        engines::driver("spark").display(),
        spark.uri()
    );
    let server = workspace.server();
    let body = body + &server.section();
    workspace.write("vip.toml", body);
    workspace.set_mode("vip.toml", 0o600);
    std::fs::create_dir_all(folder.join("state")).unwrap();
    server
}

/// Starts the program; its parts are on disk, for ten million rows are no matter for memory.
fn start(workspace: &Workspace, folder: &Path, arguments: &[&str]) -> Child {
    let mut command = workspace.command(arguments);
    command.env("KLAVIYO_EXPORT_STATE_DIR", folder.join("state"));
    command.spawn().unwrap()
}

fn run(workspace: &Workspace, folder: &Path, arguments: &[&str]) -> Outcome {
    Outcome::of(start(workspace, folder, arguments)).exits(0)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|it| it.unwrap().path()).collect()
}

/// Fails unless every id below `rows` is in the parts of this folder, once, with its own address.
fn assert_exact(folder: &Path, rows: usize) {
    let mut seen = vec![false; rows];
    for path in entries(folder) {
        if path.extension().is_none_or(|extension| extension != "csv") {
            continue;
        }
        for line in BufReader::new(std::fs::File::open(path).unwrap())
            .lines()
            .skip(1)
        {
            let line = line.unwrap();
            let (email, id) = line.split_once(',').unwrap();
            let id = id.trim_matches('"');
            assert_eq!(email, format!("\"p{id}@example.com\""));
            let place = &mut seen[id.parse::<usize>().unwrap()];
            assert!(!*place, "{id} is there twice");
            *place = true;
        }
    }
    assert!(seen.iter().all(|it| *it), "ids are missing");
}

#[test]
#[ignore = "slow lane"]
fn spark_streams_a_query_and_hands_over_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let spark = Spark::start(folder);
    let workspace = Workspace::new();

    // Small partitions: Connect collects one at a time.
    let query = "query = \"SELECT /*+ REPARTITION(64) */ concat('p', id, '@example.com') AS email, id FROM range(1000000)\"";
    let server = job(&workspace, folder, query, &spark);
    let arguments = ["run", "vip.toml", "--dry-run", "--json"];
    let report: Value = run(&workspace, folder, &arguments).report();
    assert_eq!(report["rows_written"], json!(1_000_000));
    println!("1 M rows by Connect: {}", report["seconds"]);
    let runs = entries(&folder.join("state/vip/runs"));
    let [only] = runs.as_slice() else {
        panic!("{runs:?}");
    };
    assert_exact(&only.join("parts"), 1_000_000);

    let files = folder.join("out").display().to_string();
    let before = format!(
        "files = [\"{files}/*.parquet\"]\nbefore = [\"INSERT OVERWRITE DIRECTORY 'file://{files}' USING parquet SELECT concat('p', id, '@example.com') AS email, id FROM range(0, 10000000, 1, 16)\"]"
    );
    drop(server);
    let server = job(&workspace, folder, &before, &spark);
    run(&workspace, folder, &["run", "vip.toml", "--before-only"]);
    let shards = ["1/4", "2/4", "3/4", "4/4"].map(|shard| {
        let group = ["--run-group", "2026-11-24", "--json"];
        let arguments = [&["run", "vip.toml", "--shard", shard][..], &group].concat();
        start(&workspace, folder, &arguments)
    });
    let mut rows = 0;
    for shard in shards {
        let report: Value = Outcome::of(shard).exits(0).report();
        let written = report["rows_written"].as_u64().unwrap();
        assert!((1..10_000_000).contains(&written), "{written}");
        rows += written;
        println!("{written} rows by a shard: {}", report["seconds"]);
    }
    assert_eq!(rows, 10_000_000);
    assert_exact(server.0.profiles(), 10_000_000);
}
