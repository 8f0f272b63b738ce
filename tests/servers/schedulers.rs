//! The examples for schedulers, read by parsers of others: Kubernetes' schemas, HashiCorp's own HCL, systemd. What they import is
//! run: the helper of Python with the program and the sandbox, and in the slow lane Airflow, Dagster, Prefect and dbt.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::engines;
use crate::support::workspace::{Server, Workspace};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn example(name: &str) -> PathBuf {
    repository().join("examples").join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The answer of Kubernetes' schemas to a file.
fn validated(file: &Path) -> Output {
    Command::new(engines::reader("kubernetes-validate"))
        .args(["--strict", "--quiet"])
        .arg(file)
        .output()
        .unwrap()
}

#[test]
fn the_schemas_of_kubernetes_take_its_examples() {
    for name in ["kubernetes-cronjob.yaml", "kubernetes-indexed-job.yaml"] {
        let output = validated(&example(name));
        assert!(output.status.success(), "{name}: {output:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yaml");
    let yaml = std::fs::read_to_string(example("kubernetes-cronjob.yaml")).unwrap();
    std::fs::write(
        &wrong,
        yaml.replace("concurrencyPolicy", "concurencyPolicy"),
    )
    .unwrap();
    let output = validated(&wrong);
    let said = text(&[output.stdout, output.stderr].concat());
    assert!(
        !output.status.success() && said.contains("concurencyPolicy"),
        "{said}"
    );
}

/// The job of Nomad, by HashiCorp's parser.
fn nomad() -> Value {
    let script =
        "import json, pygohcl, sys; print(json.dumps(pygohcl.loads(open(sys.argv[1]).read())))";
    let output = Command::new(engines::reader("python"))
        .args(["-c", script])
        .arg(example("vip.nomad.hcl"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let parsed: Value = serde_json::from_slice(&output.stdout).unwrap();
    parsed["job"]["klaviyo-export-vip"].clone()
}

#[test]
fn the_job_of_nomad_is_hcl_that_repeats_nothing_and_has_a_job_file() {
    let job = nomad();
    assert_eq!(job["type"], "batch");
    assert_eq!(job["periodic"]["prohibit_overlap"], true);
    let group = &job["group"]["run"];
    for block in ["restart", "reschedule"] {
        assert_eq!(group[block]["attempts"], 0, "{block}");
    }
    let task = &group["task"]["klaviyo-export"];
    let templates = task["template"].as_array().unwrap();
    let data = |end: &str| {
        let found = templates.iter().find(|it| {
            let destination = it["destination"].as_str().unwrap();
            destination.ends_with(end)
        });
        found.unwrap()["data"].as_str().unwrap().to_owned()
    };
    // The secrets have the names that the program looks for, in the folder that it is told.
    assert_eq!(task["env"]["CREDENTIALS_DIRECTORY"], "/secrets");
    let workspace = Workspace::with(&[("vip.toml", &data("/vip.toml"))]);
    let credentials = workspace.path("credentials");
    for name in ["private-key", "api-key"] {
        assert!(data(&format!("secrets/{name}")).ends_with("{{ end }}\n"));
        workspace.write(&format!("credentials/{name}"), "pk_x");
    }
    let variables = [("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())];
    let outcome = workspace
        .run_with_env(&["check", "vip.toml", "--explain"], &variables)
        .exits(0);
    assert!(
        outcome.stdout.contains("give-up-after = \"2h\""),
        "{}",
        outcome.stdout
    );
}

#[test]
fn systemd_takes_the_credentials_of_the_example() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("klaviyo-export@vip.service");
    let service = include_str!("../../packaging/klaviyo-export@.service");
    // Neither the program nor its user is installed where the tests run.
    let lines = service.lines().filter(|line| !line.starts_with("User="));
    let service = lines.collect::<Vec<_>>().join("\n").replace(
        "ExecStart=klaviyo-export",
        concat!("ExecStart=", env!("CARGO_BIN_EXE_klaviyo-export")),
    );
    std::fs::write(&unit, service).unwrap();
    let more = folder.path().join("klaviyo-export@vip.service.d");
    std::fs::create_dir(&more).unwrap();
    let dropped = more.join("credentials.conf");
    let verify = |text: &str| {
        std::fs::write(&dropped, text).unwrap();
        let verified = Command::new("systemd-analyze")
            .arg("verify")
            .arg(&unit)
            .output();
        // A machine without systemd has nothing to say.
        verified.ok().map(|output| text_of(&output))
    };
    let example = std::fs::read_to_string(example("systemd-credentials.conf")).unwrap();
    let uncommented = example.replace("#LoadCredential", "LoadCredential");
    assert_eq!(verify(&uncommented).unwrap_or_default(), "");
    let wrong = example.replace("LoadCredential=private-key:", "LoadCredential=private/key:");
    if let Some(said) = verify(&wrong) {
        assert!(said.contains("private/key"), "{said}");
    }
}

fn text_of(output: &Output) -> String {
    text(&[&output.stdout[..], &output.stderr[..]].concat())
}

/// A workspace with three jobs: one that is delivered, one whose audience is missing, one whose server is down.
struct Jobs {
    workspace: Workspace,
    server: Server,
}

impl Jobs {
    const NAMES: [&'static str; 3] = ["delivered.toml", "person.toml", "again.toml"];

    fn new() -> Self {
        let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\nnobody\n")]);
        let server = workspace.server();
        let columns = "[columns]\nemail = \"Email\"\n";
        let audience = format!("[audience]\nfiles = [\"a.csv\"]\n{columns}");
        workspace.job("delivered", &audience, Some(&server));
        workspace.job("person", &audience.replace("a.csv", "b.csv"), Some(&server));
        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let port = format!("port = {}\n", closed.port());
        let section = server.section();
        let old = section
            .lines()
            .find(|line| line.starts_with("port = "))
            .unwrap();
        let down = section.replace(&format!("{old}\n"), &port);
        let retry = "[retry]\nfirst = \"10ms\"\nmax = \"10ms\"\ngive-up-after = \"100ms\"\n";
        workspace.write(
            "again.toml",
            format!("name = \"again\"\n{audience}{retry}{down}"),
        );
        Self { workspace, server }
    }

    /// A command with the program on its path, and the environment of the workspace.
    fn command(&self, program: &Path) -> Command {
        let mut command = self.workspace.command(&[]);
        let binary = Path::new(env!("CARGO_BIN_EXE_klaviyo-export"))
            .parent()
            .unwrap();
        let folder = program.parent().unwrap();
        let path = format!("{}:{}:/usr/bin:/bin", binary.display(), folder.display());
        let variables: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        command = Command::new(program);
        command
            .current_dir(self.workspace.path(""))
            .env_clear()
            .envs(variables)
            .env("PATH", path)
            .env("DO_NOT_TRACK", "1")
            .env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
            .env("AIRFLOW_HOME", self.workspace.path("airflow"))
            .env("PREFECT_HOME", self.workspace.path("prefect"))
            .env("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
            .env("DAGSTER_DISABLE_TELEMETRY", "yes")
            // The examples stay as they are.
            .env("PYTHONPYCACHEPREFIX", engines::folder().join("pycache"));
        command
    }
}

/// One line of Python for each job of [`Jobs`]: what the helper of the examples did.
const HELPER: &str = r#"
import sys
sys.path.insert(0, sys.argv[1])
from klaviyo_export import NeedsPerson, RunAgain, counts, deliver
lines = []
for job in sys.argv[2:]:
    try:
        report = counts(deliver(job, log=lines.append))
        print("delivered", report["rows_read"], report["rows_written"], report["rows_rejected"])
    except (NeedsPerson, RunAgain) as error:
        print(type(error).__name__, error)
assert any(line.startswith("error: ") for line in lines), lines
"#;

#[test]
fn the_helper_of_python_tells_a_second_run_from_a_person() {
    let jobs = Jobs::new();
    let output = jobs
        .command(Path::new("/usr/bin/python3"))
        .args(["-c", HELPER])
        .arg(example(""))
        .args(Jobs::NAMES)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert_eq!(lines[0], "delivered 2 1 1");
    assert!(
        lines[1].starts_with("NeedsPerson klaviyo-export ended with exit code 12: "),
        "{said}"
    );
    assert!(
        lines[2].starts_with("RunAgain klaviyo-export ended with exit code 14: "),
        "{said}"
    );
    assert_eq!(jobs.server.received().len(), 1);
}

/// The outcome and the attempts of each job of [`Jobs`] in the example of an orchestrator.
fn outcomes(name: &str) -> Vec<(String, u64)> {
    let jobs = Jobs::new();
    let output = jobs
        .command(&engines::orchestrator(name).join("python"))
        .arg(repository().join("tests/support/orchestrators.py"))
        .arg(name)
        .arg(example(""))
        .args(Jobs::NAMES)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text_of(&output));
    let said = text(&output.stdout);
    let lines = said.lines().filter(|line| line.starts_with("{\"outcome\""));
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["counts"]["rows_written"], 1, "{said}");
    assert_eq!(jobs.server.received().len(), 1);
    lines
        .iter()
        .map(|line| {
            let outcome = line["outcome"].as_str().unwrap().to_owned();
            (outcome, line["attempts"].as_u64().unwrap())
        })
        .collect()
}

#[track_caller]
fn assert_outcomes(name: &str, expected: [(&str, u64); 3]) {
    let expected = expected.map(|(outcome, attempts)| (outcome.to_owned(), attempts));
    assert_eq!(outcomes(name), expected);
}

#[test]
#[ignore = "slow lane: Airflow, from PyPI"]
fn the_dag_of_airflow_delivers_and_retries_what_a_second_run_continues() {
    assert_outcomes(
        "airflow",
        [("delivered", 1), ("fails at once", 1), ("retried", 1)],
    );
}

#[test]
#[ignore = "slow lane: Dagster, from PyPI"]
fn the_asset_of_dagster_is_made_and_retried_three_times() {
    assert_outcomes("dagster", [("delivered", 1), ("failed", 1), ("failed", 4)]);
}

#[test]
#[ignore = "slow lane: Prefect, from PyPI"]
fn the_flow_of_prefect_delivers_and_retries_what_a_second_run_continues() {
    assert_outcomes(
        "prefect",
        [("delivered", 1), ("fails at once", 1), ("retried", 1)],
    );
}

/// Copies a folder of the examples into the workspace.
fn copy(workspace: &Workspace, name: &str) {
    for entry in std::fs::read_dir(example(name)).unwrap() {
        let path = entry.unwrap().path();
        let inner = format!("{name}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            copy(workspace, &inner);
        } else {
            workspace.write(&inner, std::fs::read(&path).unwrap());
            let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap());
            workspace.set_mode(&inner, mode & 0o755);
        }
    }
}

#[test]
#[ignore = "slow lane: dbt, from PyPI"]
fn the_project_of_dbt_builds_the_audience_and_delivers_it_unless_a_test_fails() {
    let jobs = Jobs::new();
    copy(&jobs.workspace, "dbt");
    let driver = jobs.workspace.path("drivers/libduckdb.so");
    std::fs::create_dir(driver.parent().unwrap()).unwrap();
    std::fs::copy(engines::duckdb(), &driver).unwrap();
    let address = format!("sftp.port={}", jobs.server.0.address().port());
    let key = format!("sftp.private-key={}", jobs.server.0.private_key().display());
    let known = format!(
        "sftp.known-hosts=[\"{}\"]",
        jobs.server.0.known_hosts().display()
    );
    let nightly = || {
        let mut command = jobs.command(&engines::orchestrator("dbt").join("dbt"));
        let path = command.get_envs().find(|(name, _)| *name == "PATH");
        let path = path.unwrap().1.unwrap().to_owned();
        let variables: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        command = Command::new(jobs.workspace.path("dbt/nightly"));
        command
            .args(["--set", "sftp.host=127.0.0.1", "--set", &address])
            .args(["--set", &key, "--set", &known])
            .env_clear()
            .envs(variables)
            .env("PATH", path)
            .env("ADBC_DRIVER_PATH", driver.parent().unwrap())
            .output()
            .unwrap()
    };
    let first = nightly();
    assert!(first.status.success(), "{}", text_of(&first));
    let received = jobs.server.received();
    // The order of a GROUP BY is that of the engine.
    let mut rows: Vec<&str> = received.iter().flat_map(|part| part.lines()).collect();
    rows.sort_unstable();
    assert_eq!(
        rows,
        [
            "\"ana@example.com\",\"\",\"3\",Ana,CA,219.9",
            "\"zoe@example.com\",\"+12125550110\",\"1\",Zoe,US,200.5",
            "Email,PhoneNumber,ExternalID,FirstName,Country,Spent",
        ]
    );
    // Two customers with one address: the test of the model stops the night.
    let seeds = jobs.workspace.path("dbt/seeds/customers.csv");
    let rows = std::fs::read_to_string(&seeds).unwrap();
    std::fs::write(&seeds, rows.replace("ana@", "zoe@")).unwrap();
    let second = nightly();
    assert_eq!(second.status.code(), Some(1), "{}", text_of(&second));
    assert_eq!(jobs.server.received(), received);
}
