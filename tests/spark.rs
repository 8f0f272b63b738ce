//! Apache Spark, a real cluster: a query by Connect, and Parquet files that Spark writes itself.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as well"
)]

#[path = "support/engines.rs"]
mod engines;
#[path = "support/spark.rs"]
mod spark;
#[path = "support/workspace.rs"]
mod workspace;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

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
    let body = body + &server.section() + "[parts]\nkeep-parts = true\n";
    workspace.write("vip.toml", body);
    let path = workspace.path("vip.toml");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::create_dir_all(folder.join("state")).unwrap();
    server
}

/// Runs the program; its parts are on disk, for ten million rows are no matter for memory.
fn run(workspace: &Workspace, folder: &Path, arguments: &[&str]) -> Outcome {
    let mut command = workspace.command(arguments);
    let child = command
        .env("KLAVIYO_EXPORT_STATE_DIR", folder.join("state"))
        .spawn();
    Outcome::of(child.unwrap())
}

/// Fails unless every id below `rows` is in the parts of the last run, once, with its own address.
fn assert_exact(folder: &Path, rows: usize) {
    let mut runs: Vec<_> = std::fs::read_dir(folder.join("state/vip/runs"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    runs.sort();
    let mut seen = vec![false; rows];
    for part in std::fs::read_dir(runs.pop().unwrap().join("parts")).unwrap() {
        let path = part.unwrap().path();
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
    let outcome = run(
        &workspace,
        folder,
        &["run", "vip.toml", "--dry-run", "--json"],
    )
    .exits(0);
    let report: Value = outcome.report();
    assert_eq!(report["rows_written"], json!(1_000_000));
    println!("1 M rows by Connect: {}", report["seconds"]);
    assert_exact(folder, 1_000_000);

    let files = folder.join("out").display().to_string();
    let before = format!(
        "files = [\"{files}/*.parquet\"]\nbefore = [\"INSERT OVERWRITE DIRECTORY 'file://{files}' USING parquet SELECT concat('p', id, '@example.com') AS email, id FROM range(0, 10000000, 1, 16)\"]"
    );
    drop(server);
    let _server = job(&workspace, folder, &before, &spark);
    let outcome = run(
        &workspace,
        folder,
        &["run", "vip.toml", "--fresh", "--json"],
    );
    let report: Value = outcome.exits(0).report();
    assert_eq!(report["rows_written"], json!(10_000_000));
    println!("10 M rows by before and files: {}", report["seconds"]);
    assert_exact(folder, 10_000_000);
}
