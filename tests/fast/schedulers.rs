//! The examples for schedulers: the job files in them are job files, and what they repeat is what a second run continues.
//! Their own parsers and the schedulers themselves read them in `tests/servers/schedulers.rs`.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser as _;
use klaviyo_export::base::exit_code::ExitCode;
use klaviyo_export::cli::Cli;
use serde::Deserialize as _;
use serde_yaml_ng::{Deserializer, Value};

use crate::support::workspace::Workspace;

/// The exit codes after which the next run continues this one, whatever else is known.
const CONTINUES: [ExitCode; 3] = [
    ExitCode::Transfer,
    ExitCode::Interrupted,
    ExitCode::Terminated,
];

/// The exit code of a shell and of Kubernetes for a program that SIGKILL ended.
const KILLED: i64 = 137;

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn continues() -> BTreeSet<i64> {
    CONTINUES.map(|code| i64::from(code.number())).into()
}

/// Fails unless the text is a job file whose keys fit each other.
fn assert_is_job(text: &str) {
    let workspace = Workspace::with(&[("vip.toml", text)]);
    workspace.set_mode("vip.toml", 0o600);
    let credentials = workspace.path("credentials");
    for name in ["private-key", "api-key"] {
        workspace.write(&format!("credentials/{name}"), "x");
    }
    let variables = [("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())];
    workspace
        .run_with_env(&["check", "vip.toml", "--explain"], &variables)
        .exits(0);
}

/// The documents of the CronJob's file: the job file, the volume, the job.
fn documents() -> Vec<Value> {
    let text = example("kubernetes-cronjob.yaml");
    let documents: Vec<Value> = Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect();
    let kinds: Vec<&str> = documents
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["ConfigMap", "PersistentVolumeClaim", "CronJob"]);
    documents
}

fn strings(value: &Value) -> Vec<&str> {
    let values = value.as_sequence().unwrap().iter();
    values.map(|value| value.as_str().unwrap()).collect()
}

#[test]
fn the_cronjob_repeats_what_a_second_pod_continues() {
    let documents = documents();
    let job = &documents[2]["spec"];
    assert_eq!(job["concurrencyPolicy"].as_str(), Some("Forbid"));
    let spec = &job["jobTemplate"]["spec"];
    let rule = &spec["podFailurePolicy"]["rules"][1];
    assert_eq!(rule["action"].as_str(), Some("FailJob"));
    let codes = &rule["onExitCodes"];
    assert_eq!(codes["operator"].as_str(), Some("NotIn"));
    let repeated = codes["values"].as_sequence().unwrap().iter();
    let repeated: BTreeSet<i64> = repeated.map(|code| code.as_i64().unwrap()).collect();
    let mut expected = continues();
    expected.insert(KILLED);
    assert_eq!(repeated, expected);
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["restartPolicy"].as_str(), Some("Never"));
    let container = &pod["containers"][0];
    assert_eq!(codes["containerName"], container["name"]);
    let arguments = [&["klaviyo-export"], &strings(&container["args"])[..]].concat();
    Cli::try_parse_from(arguments).unwrap();
}

#[test]
fn every_volume_of_the_cronjob_is_where_the_job_file_and_the_image_look() {
    let documents = documents();
    let job = documents[0]["data"]["vip.toml"].as_str().unwrap();
    assert_is_job(job);
    let pod = &documents[2]["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let mounts = container["volumeMounts"].as_sequence().unwrap();
    let names = |value: &Value| -> BTreeSet<String> {
        let entries = value.as_sequence().unwrap().iter();
        entries
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&pod["volumes"]), names(&container["volumeMounts"]));
    let paths: Vec<&str> = mounts
        .iter()
        .map(|mount| mount["mountPath"].as_str().unwrap())
        .collect();
    for path in [paths[0], strings(&container["args"])[1]] {
        assert!(path.starts_with("/etc/klaviyo-export"));
    }
    for secret in ["private-key", "api-key"] {
        assert!(
            job.contains(&format!("\"{}/{secret}\"", paths[1])),
            "{secret}"
        );
    }
    let image = include_str!("../../packaging/Containerfile");
    assert!(image.contains(&format!("VOLUME [\"{}\"]", paths[2])));
    let user = pod["securityContext"]["runAsUser"].as_i64().unwrap();
    assert!(image.contains(&format!("USER {user}:{user}\n")));
}

#[test]
fn the_helper_of_python_knows_the_exit_codes() {
    let helper = example("klaviyo_export.py");
    let line = |name: &str| {
        let mut lines = helper.lines();
        let start = format!("{name} = ");
        lines.find_map(|line| line.strip_prefix(&start)).unwrap()
    };
    let codes = line("CONTINUES").trim_matches(['{', '}']);
    let codes: BTreeSet<i64> = codes
        .split(", ")
        .map(|code| code.parse().unwrap())
        .collect();
    let mut expected = continues();
    // Python tells SIGKILL so.
    expected.insert(-9);
    assert_eq!(codes, expected);
    assert_eq!(line("KLAVIYO"), ExitCode::Klaviyo.number().to_string());
}

#[test]
fn the_credentials_of_systemd_are_those_that_the_program_looks_for() {
    let servers = include_str!("../../docs/servers.md");
    let lines = example("systemd-credentials.conf");
    let names: Vec<&str> = lines
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix("LoadCredential"))
        .filter_map(|rest| rest.split(['=', ':']).nth(1))
        .collect();
    assert_eq!(names, ["private-key", "api-key", "webhook-url"]);
    for name in names {
        assert!(servers.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_page_of_schedulers_knows_the_exit_codes() {
    let page = include_str!("../../docs/schedulers.md");
    let codes: Vec<String> = continues().iter().map(i64::to_string).collect();
    let row = format!("| {} | run the same command again", codes.join(", "));
    assert!(page.contains(&row), "{row}");
}

#[test]
fn the_job_file_of_the_project_for_dbt_is_a_job_file() {
    assert_is_job(&example("dbt/vip.toml"));
    let script = example("dbt/nightly");
    assert!(script.ends_with("\nexec klaviyo-export run vip.toml \"$@\"\n"));
    let model = script.split("--select +").nth(1).unwrap();
    let model = model.lines().next().unwrap();
    assert!(example("dbt/vip.toml").contains(&format!("FROM {model}\"")));
    example(&format!("dbt/models/{model}.sql"));
}
