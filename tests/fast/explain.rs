//! `check --explain`: a job file in which every value is as it is meant, with remarks on where each comes from.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use klaviyo_export::job::file::JobFile;
use serde_json::Value;

use crate::jobs::fixtures;
use crate::support::workspace::Workspace;

#[test]
fn every_value_says_where_it_comes_from() {
    let workspace = Workspace::new();
    workspace.write(
        "vip.toml",
        "name = \"vip\"\n[audience]\nfiles = [\"${DAY:-today}.csv\"]\n[columns]\n\"E-Mail\" = \"Email\"\nborn = { to = \"Birthday\", type = \"date:%d.%m.%Y\" }\n[normalize]\nmax-rejected = { rows = 10 }\n[sftp]\nhost = \"${SFTP_HOST}\"\nusername = \"${SFTP_TOKEN}\"\nagent = true\npassword-env = \"SFTP_PASSWORD\"\n",
    );
    let variables = [("SFTP_HOST", "sftp.example.com"), ("SFTP_TOKEN", "hunter2")];
    let explained = workspace
        .run_with_env(
            &["check", "vip.toml", "--explain", "--set", "sftp.port=2222"],
            &variables,
        )
        .exits(0);
    assert_eq!(explained.stderr, "");
    let lines: Vec<&str> = explained.stdout.lines().collect();
    for (pair, remark) in [
        ("name = \"vip\"", "line 1"),
        ("strict = false", "default"),
        ("files = [\"today.csv\"]", "line 3"),
        ("primary-key = \"email\"", "default"),
        ("E-Mail = \"Email\"", "line 5"),
        (
            "born = { to = \"Birthday\", type = \"date:%d.%m.%Y\" }",
            "line 6",
        ),
        ("max-rejected.percent = 5.0", "default"),
        ("max-rejected.rows = 10", "line 8"),
        ("host = \"sftp.example.com\"", "variable SFTP_HOST"),
        ("port = 2222", "--set sftp.port"),
        // A variable that looks like a secret is not shown.
        ("username = \"***\"", "variable SFTP_TOKEN"),
        (
            "password-env = \"SFTP_PASSWORD\"",
            "line 13; the secret is *** from this variable",
        ),
        ("password-command = []", "default"),
        (
            "api-key-env = \"KLAVIYO_API_KEY\"",
            "default; the secret is *** from this variable",
        ),
    ] {
        let found = lines.iter().any(|line| {
            line.split_once("  # ")
                .is_some_and(|(own, told)| own.trim_end() == pair && told == remark)
        });
        assert!(found, "{pair}  # {remark}\n{}", explained.stdout);
    }
    assert!(!explained.stdout.contains("hunter2"));
}

/// It is a job file, and the same job.
#[test]
fn it_is_the_same_job() {
    for path in fixtures("good") {
        let workspace = Workspace::new();
        let explained = workspace
            .run(&["check", path.to_str().unwrap(), "--explain"])
            .exits(0);
        let text = std::fs::read_to_string(&path).unwrap();
        let json = |text: &str| serde_json::to_value(JobFile::parse(text).unwrap()).unwrap();
        let (mut written, meant) = (json(&text), json(&explained.stdout));
        // Keys that nobody gives, and that follow from others.
        for (section, key) in [
            ("audience", "primary-key"),
            ("sftp", "port"),
            ("klaviyo", "api-key-env"),
            ("state", "directory"),
        ] {
            let value = &mut written[section][key];
            if *value == Value::Null || key == "directory" {
                *value = meant[section][key].clone();
            }
        }
        assert_eq!(written, meant, "{}", path.display());
    }
}

#[test]
fn the_state_folder_is_the_one_that_takes_precedence() {
    let workspace = Workspace::new();
    workspace.write(
        "vip.toml",
        "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[state]\ndirectory = \"own\"\n",
    );
    let line = |arguments: &[&str], variables: &[(&str, &str)]| {
        let arguments = [&["check", "vip.toml", "--explain"], arguments].concat();
        let explained = workspace.run_with_env(&arguments, variables).exits(0);
        let mut lines = explained.stdout.lines();
        let line =
            lines.find(|line| line.starts_with("directory = ") && !line.contains("/profiles"));
        let (pair, remark) = line.unwrap().split_once("  # ").unwrap();
        format!("{} {remark}", pair.trim_end())
    };
    let variable = [("KLAVIYO_EXPORT_STATE_DIR", "/s")];
    assert_eq!(line(&[], &[]), "directory = \"own\" line 7");
    assert_eq!(
        line(&[], &variable),
        "directory = \"/s\" variable KLAVIYO_EXPORT_STATE_DIR"
    );
    assert_eq!(
        line(&["--state-dir", "/t"], &variable),
        "directory = \"/t\" --state-dir"
    );
}

#[test]
fn a_job_that_cannot_be_is_not_explained() {
    let workspace = Workspace::new();
    workspace.write("vip.toml", "name = \"vip\"\n[sftp]\nhots = \"a\"\n");
    let refused = workspace.run(&["check", "vip.toml", "--explain"]).exits(10);
    assert!(
        refused.error().contains("did you mean `host`"),
        "{}",
        refused.error()
    );
}
