//! The examples: the loop is run, the two others are read, and their commands are commands of the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser as _;
use klaviyo_export::cli::Cli;
use serde::Deserialize as _;
use serde_yaml_ng::{Deserializer, Value};

use super::night::{GROUP, Night};
use super::stage::{FILE, JobText, SPEED};
use super::workspace::Outcome;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(example(name)).unwrap()
}

/// Fails unless the program takes the command, with values in place of the shell's variables.
#[track_caller]
fn assert_parses(line: &str) {
    let line = line
        .replace("$((JOB_COMPLETION_INDEX + 1))", "16")
        .replace("$SLURM_ARRAY_TASK_ID", "16")
        .replace("$SHARDS", "16")
        .replace("$shard", "16")
        .replace("$RUN_GROUP", GROUP)
        .replace("$JOB", FILE);
    assert!(!line.contains('$'), "{line}");
    let words = shlex::split(line.trim_end_matches('&')).unwrap();
    let parsed = Cli::try_parse_from(&words);
    assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
}

#[test]
fn the_loop_sends_every_file_once_and_the_list_is_the_audience() {
    let night = Night::new(&JobText::list("mirror = \"tracked\"").parts("max-rows = 40"));
    let all = night.files(11, 60);
    let folder = Path::new(env!("CARGO_BIN_EXE_klaviyo-export")).parent();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", folder.unwrap().display());
    let run = || {
        let child = Command::new(example("for-loop.sh"))
            .args([FILE, "4", GROUP])
            .current_dir(night.workspace.path(""))
            .env_clear()
            .env("PATH", &path)
            .env("HOME", night.workspace.path("home"))
            .env("KLAVIYO_EXPORT_STATE_DIR", night.workspace.path("state"))
            .env("KLAVIYO_EXPORT_LOOPBACK_ONLY", "1")
            .env("KLAVIYO_EXPORT_API_SPEED", SPEED.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Outcome::of(child.unwrap()).exits(0)
    };
    let first = run();
    assert!(
        first.stdout.contains("all 4 of run group"),
        "{}",
        first.stdout
    );
    night.assert_received(&all);
    night.assert_members(&all);
    // The same line again does nothing.
    run();
    night.assert_received(&all);
    night.assert_members(&all);
    for line in text("for-loop.sh").lines().map(str::trim) {
        if line.starts_with("klaviyo-export ") {
            assert_parses(line);
        }
    }
}

#[test]
fn the_kubernetes_jobs_are_jobs_whose_commands_the_program_takes() {
    let text = text("kubernetes-indexed-job.yaml");
    let jobs: Vec<Value> = Deserializer::from_str(&text)
        .map(|job| Value::deserialize(job).unwrap())
        .collect();
    let mut steps = Vec::new();
    for job in &jobs {
        assert_eq!(job["apiVersion"].as_str(), Some("batch/v1"));
        assert_eq!(job["kind"].as_str(), Some("Job"));
        steps.push(job["metadata"]["labels"]["step"].as_str().unwrap());
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["restartPolicy"].as_str(), Some("Never"));
        let container = &pod["containers"][0];
        let words = container["command"].as_sequence().unwrap();
        let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
        assert_eq!(words[..2], ["sh", "-c"]);
        assert_parses(words[2]);
        let variables = container["env"].as_sequence().unwrap().iter();
        let names: Vec<&str> = variables.map(|it| it["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"KLAVIYO_EXPORT_STATE_DIR"));
        assert_eq!(
            words[2].contains("$RUN_GROUP"),
            names.contains(&"RUN_GROUP")
        );
    }
    assert_eq!(steps, ["before", "shards", "list"]);
    let shards = &jobs[1]["spec"];
    assert_eq!(shards["completionMode"].as_str(), Some("Indexed"));
    assert_eq!(shards["completions"].as_u64(), Some(16));
}

#[test]
fn the_slurm_script_is_bash_and_its_commands_the_program_takes() {
    let path = example("slurm-array.sh");
    let checked = Command::new("bash").arg("-n").arg(&path).output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty());
    let text = text("slurm-array.sh");
    let commands: Vec<&str> = text
        .split("--wrap='")
        .skip(1)
        .map(|rest| rest.split('\'').next().unwrap())
        .collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        assert_parses(command);
    }
}
