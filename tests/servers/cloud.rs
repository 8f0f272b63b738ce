//! Files in an object store, read as those on disk are. The store is moto's S3 server, from `tests/engines`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "the helpers of tests may panic as well"
)]

use crate::support::workspace;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use workspace::{LIMIT, Outcome, Workspace};

/// moto's server, which ends with the test.
struct Store {
    child: Child,
    endpoint: String,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn engine(name: &str) -> PathBuf {
    let folder = std::env::var_os("KLAVIYO_EXPORT_ENGINES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/engines")),
        PathBuf::from,
    );
    let path = folder.join("venv/bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: run tests/engines",
        path.display()
    );
    path
}

impl Store {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(engine("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < LIMIT, "moto does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self {
            child,
            endpoint: format!("http://127.0.0.1:{port}"),
        }
    }

    fn variables(&self) -> [(&str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "ana"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_REGION", "us-east-1"),
        ]
    }

    /// Puts every file of the workspace's folder `name` into the bucket `crm`, below `exports/`.
    fn put(&self, workspace: &Workspace, name: &str) {
        let script = "import boto3, pathlib, sys\n\
            s3 = boto3.client('s3')\n\
            s3.create_bucket(Bucket='crm')\n\
            for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n\
            \x20   s3.upload_file(str(path), 'crm', 'exports/' + path.name)\n";
        let mut child = Command::new(engine("python"))
            .args(["-c", script])
            .arg(workspace.path(name))
            .envs(self.variables())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut complaint = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complaint)
            .unwrap();
        assert!(child.wait().unwrap().success(), "{complaint}");
    }

    fn run(&self, workspace: &Workspace, arguments: &[&str]) -> Outcome {
        workspace.run_with_env(arguments, &self.variables())
    }
}

fn email(number: usize) -> String {
    format!("person-{number}@example.com")
}

/// CSV, compressed CSV and Parquet of 3,000 people each, in `exports`.
fn exports(workspace: &Workspace) {
    let csv = |from: usize| {
        let rows =
            (from..from + 3_000).map(|number| format!("{},tier {}\n", email(number), number % 7));
        format!("email,tier\n{}", rows.collect::<Vec<_>>().concat())
    };
    workspace.write("exports/a.csv", csv(0));
    workspace.write(
        "exports/b.csv.zst",
        zstd::encode_all(csv(3_000).as_bytes(), 1).unwrap(),
    );
    let texts = |cell: &dyn Fn(usize) -> String| {
        Arc::new(
            (6_000..9_000)
                .map(|number| Some(cell(number)))
                .collect::<StringArray>(),
        ) as ArrayRef
    };
    let batch = RecordBatch::try_from_iter([
        ("email", texts(&email)),
        (
            "unmapped",
            texts(&|number| format!("nobody reads {number}")),
        ),
        ("tier", texts(&|number| format!("tier {}", number % 7))),
    ])
    .unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(700))
        .build();
    let file = std::fs::File::create(workspace.path("exports/c.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn job(files: &str) -> String {
    format!("[audience]\nfiles = [{files}]\n[columns]\nemail = \"Email\"\ntier = \"Tier\"\n")
}

#[test]
fn objects_give_the_same_parts_as_files() {
    let store = Store::start();
    let workspace = Workspace::new();
    exports(&workspace);
    store.put(&workspace, "exports");
    workspace.job("local", &job("\"exports/*\""), None);
    workspace.job("remote", &job("\"s3://crm/exports/*\""), None);
    workspace.run(&["run", "local.toml", "--dry-run"]).exits(0);
    store
        .run(&workspace, &["run", "remote.toml", "--dry-run"])
        .exits(0);
    let expected = workspace.parts("local");
    assert_eq!(expected.concat().lines().count(), 9_001);
    assert!(workspace.parts("remote") == expected);
    // They can be told again, so that a run goes on.
    let manifest: serde_json::Value =
        serde_json::from_str(&workspace.of_last_run("remote", "manifest.json")).unwrap();
    assert_eq!(manifest["sources"][2]["name"], "s3://crm/exports/c.parquet");
    assert!(!manifest["sources"][2]["ends"].as_str().unwrap().is_empty());
    let preview = store
        .run(
            &workspace,
            &["preview", "s3://crm/exports/b.csv.zst", "--json"],
        )
        .exits(0)
        .report();
    assert_eq!(preview["rows_read"], 3_000);
}

#[test]
fn what_is_not_there_or_not_allowed_is_told_without_a_secret() {
    let store = Store::start();
    let workspace = Workspace::new();
    exports(&workspace);
    store.put(&workspace, "exports");
    for (files, message) in [
        (
            "s3://crm/exports/none.csv",
            "s3://crm/exports/none.csv: there is no such object",
        ),
        (
            "s3://crm/exports/*.ndjson",
            "s3://crm/exports/*.ndjson: no file matches",
        ),
        ("s3://crm", "s3://crm: not an address like s3://BUCKET/KEY"),
    ] {
        workspace.job("vip", &job(&format!("\"{files}\"")), None);
        let failed = store
            .run(&workspace, &["run", "vip.toml", "--dry-run"])
            .exits(12);
        assert!(failed.error().contains(message), "{}", failed.error());
        assert!(!failed.stderr.contains("hunter2"));
    }
    // Without an endpoint on this machine nothing is asked.
    workspace.job("vip", &job("\"s3://crm/exports/a.csv\""), None);
    let refused = workspace.run(&["run", "vip.toml", "--dry-run"]).exits(12);
    assert!(
        refused.error().contains("the store is another machine"),
        "{}",
        refused.error()
    );
}

#[test]
fn objects_are_dealt_out_to_shards_as_files_are() {
    let store = Store::start();
    let workspace = Workspace::new();
    exports(&workspace);
    store.put(&workspace, "exports");
    workspace.job("remote", &job("\"s3://crm/exports/*\""), None);
    let mut emails = Vec::new();
    for (shard, folder, rows) in [("1/2", "01of02", 6_000), ("2/2", "02of02", 3_000)] {
        let arguments = [
            "run",
            "remote.toml",
            "--dry-run",
            "--json",
            "--shard",
            shard,
            "--run-group",
            "night",
        ];
        let report = store.run(&workspace, &arguments).exits(0).report();
        assert_eq!(report["rows_written"], rows);
        let run_id = report["run_id"].as_str().unwrap();
        let runs = workspace.path(&format!("state/remote/shards/{folder}/runs/{run_id}/parts"));
        for part in std::fs::read_dir(runs).unwrap() {
            let text = std::fs::read_to_string(part.unwrap().path()).unwrap();
            emails.extend(workspace::column(&text, "Email"));
        }
    }
    emails.sort();
    let mut expected: Vec<String> = (0..9_000).map(email).collect();
    expected.sort();
    assert!(emails == expected);
}

#[test]
fn the_recipe_for_databricks_reads_a_folder_of_s3() {
    let page = include_str!("../../docs/recipes/databricks.md");
    let (_, job) = page.split_once("```toml\n").unwrap();
    let (job, _) = job.split_once("```").unwrap();
    let store = Store::start();
    let workspace = Workspace::new();
    let one = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("email", one("zoe@example.com")),
        ("phone", one("(212) 555-0110")),
        ("id", one("7")),
        ("first_name", one("Zoe")),
        ("country", one("US")),
        ("spent", one("120.50")),
        ("last_order", one("2026-11-23 14:27:14")),
    ])
    .unwrap();
    std::fs::create_dir(workspace.path("vip")).unwrap();
    let file = std::fs::File::create(workspace.path("vip/part-0.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    store.put(&workspace, "vip");
    workspace.write("vip.toml", job);
    let files = "audience.files=[\"s3://crm/exports/*.parquet\"]";
    store
        .run(
            &workspace,
            &["run", "vip.toml", "--dry-run", "--set", files],
        )
        .exits(0);
    assert_eq!(
        workspace.parts("vip"),
        [
            "Email,PhoneNumber,ExternalID,FirstName,Country,Spent,Last Order\n\
             \"zoe@example.com\",\"+12125550110\",\"7\",Zoe,US,120.50,2026-11-23 14:27:14\n"
        ]
    );
}
