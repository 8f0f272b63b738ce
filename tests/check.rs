//! `check` against the sandbox: what each line says, what depends on what, the exit code, and that nothing is written.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

#[path = "support/workspace.rs"]
mod workspace;

use std::os::unix::fs::PermissionsExt;

use klaviyo_export::sandbox::{Event, Fault, Faults};
use serde_json::Value;
use workspace::{Outcome, Server, Workspace};

const JOB: &str =
    "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\ntier = \"Tier\"\n";
const NAMES: [&str; 13] = [
    "audience",
    "columns",
    "state",
    "secrets",
    "key",
    "address",
    "connection",
    "greeting",
    "host-key",
    "methods",
    "login",
    "directory",
    "probe",
];

/// A workspace with an audience, and a job that delivers to a sandbox with `faults`.
fn started(faults: Faults) -> (Workspace, Server) {
    let workspace = Workspace::with(&[("a.csv", "email,tier\nzoe@example.com,gold\n")]);
    let server = workspace.server_with(faults);
    workspace.job("vip", JOB, Some(&server));
    (workspace, server)
}

/// The job with `from` replaced by `to`.
fn change(workspace: &Workspace, from: &str, to: &str) {
    let text = std::fs::read_to_string(workspace.path("vip.toml")).unwrap();
    assert!(text.contains(from), "{text}");
    workspace.write("vip.toml", text.replace(from, to));
}

/// The findings of a check that ends in `code`.
#[track_caller]
fn checked(workspace: &Workspace, arguments: &[&str], code: i32) -> Value {
    let arguments = [&["check", "vip.toml", "--json"], arguments].concat();
    let outcome = workspace.run(&arguments).exits(code);
    let findings = outcome.report();
    let checks = findings["checks"].as_array().unwrap();
    let names: Vec<&str> = checks
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, NAMES);
    assert_eq!(findings["exit_code"], code);
    findings
}

/// `name status` of the checks that are not ok.
fn not_ok(findings: &Value) -> Vec<String> {
    let checks = findings["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["status"] != "ok")
        .map(|check| {
            let word = |key: &str| check[key].as_str().unwrap().to_owned();
            format!("{} {}", word("name"), word("status"))
        })
        .collect()
}

/// The check of this name.
fn of<'a>(findings: &'a Value, name: &str) -> &'a Value {
    let at = NAMES.iter().position(|known| *known == name).unwrap();
    &findings["checks"][at]
}

#[track_caller]
fn says(findings: &Value, name: &str, key: &str, text: &str) {
    let said = of(findings, name)[key].as_str().unwrap_or_default();
    assert!(said.contains(text), "{name} {key}: {said}");
}

#[test]
fn all_is_well_and_nothing_is_written() {
    let (workspace, server) = started(Faults::none());
    let findings = checked(&workspace, &[], 0);
    assert_eq!(not_ok(&findings), ["probe skipped"]);
    says(&findings, "audience", "detail", "a.csv: CSV, 2 columns");
    says(&findings, "columns", "detail", "Email, Tier");
    says(&findings, "key", "detail", "ssh-ed25519 SHA256:");
    says(
        &findings,
        "host-key",
        "detail",
        &server.0.host_key_fingerprint(),
    );
    says(&findings, "greeting", "detail", "SSH-2.0-AWS_SFTP");
    says(&findings, "methods", "detail", "publickey");
    says(&findings, "login", "detail", server.0.username());
    says(&findings, "directory", "detail", "/profiles is there");
    assert_eq!(
        std::fs::read_dir(workspace.path("state")).unwrap().count(),
        0
    );
    assert!(server.received().is_empty() && !server.events().contains("Opened"));
}

#[test]
fn text_is_aligned_and_plain_where_nobody_watches() {
    let (workspace, _server) = started(Faults::none());
    let outcome = workspace.run(&["check", "vip.toml"]).exits(0);
    assert_eq!(outcome.stderr, "");
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    for (line, name) in lines.iter().zip(NAMES) {
        assert_eq!(&line[11..11 + name.len()], name, "{line}");
        assert_eq!(&line[21..23], "  ", "{line}");
    }
    let last = lines.last().unwrap();
    assert!(last.contains("all is well; next: klaviyo-export run vip.toml --limit 10"));
    let coloured = workspace.run_with_env(&["check", "vip.toml"], &[("CLICOLOR_FORCE", "1")]);
    assert!(
        coloured.stdout.contains("\u{1b}[32mok"),
        "{}",
        coloured.stdout
    );
}

#[test]
fn an_unfinished_run_is_not_given_up_for_ten_rows() {
    let (workspace, server) = started(Faults::none().always(Fault::RefuseLogin));
    workspace.run(&["run", "vip.toml"]).exits(13);
    server.0.set_faults(Faults::none());
    let text = workspace.run(&["check", "vip.toml"]).exits(0).stdout;
    assert!(text.contains("is unfinished; the next one goes on with it"));
    assert!(
        text.ends_with("all is well; next: klaviyo-export run vip.toml\n"),
        "{text}"
    );
    let run = workspace.run(&["run", "vip.toml"]).exits(0);
    assert!(run.stdout.contains("went on with this unfinished run"));
}

#[test]
fn probe_puts_an_empty_file_there_and_removes_it() {
    let (workspace, server) = started(Faults::none());
    let findings = checked(&workspace, &["--probe"], 0);
    assert!(not_ok(&findings).is_empty());
    let events = server.0.journal();
    let closed = events.iter().find_map(|event| match event {
        Event::Closed { path, bytes } => Some((path.clone(), *bytes)),
        _ => None,
    });
    let (path, bytes) = closed.unwrap();
    assert_eq!(bytes, 0);
    assert!(path.starts_with("/profiles/vip-2") && path.ends_with("-probe.tmp"));
    assert!(events.contains(&Event::Removed { path }));
    assert_eq!(std::fs::read_dir(server.0.profiles()).unwrap().count(), 0);
}

#[test]
fn an_unknown_host_key_is_shown_with_its_line_and_can_be_accepted() {
    let (workspace, server) = started(Faults::none());
    let known = std::fs::read_to_string(server.0.known_hosts()).unwrap();
    std::fs::write(server.0.known_hosts(), "").unwrap();
    let findings = checked(&workspace, &[], 13);
    assert_eq!(
        not_ok(&findings),
        [
            "host-key failed",
            "methods skipped",
            "login skipped",
            "directory skipped",
            "probe skipped"
        ]
    );
    says(&findings, "host-key", "detail", "is unknown");
    says(
        &findings,
        "host-key",
        "detail",
        &server.0.host_key_fingerprint(),
    );
    says(&findings, "host-key", "hint", known.trim());
    says(&findings, "host-key", "hint", "--accept-new-host-key");

    let findings = checked(&workspace, &["--accept-new-host-key"], 0);
    says(&findings, "host-key", "detail", "was unknown, now added to");
    says(
        &checked(&workspace, &[], 0),
        "host-key",
        "detail",
        "known by",
    );
}

#[test]
fn a_changed_and_a_revoked_host_key_are_named() {
    let (workspace, server) = started(Faults::none());
    let known = std::fs::read_to_string(server.0.known_hosts()).unwrap();
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLUrOrrMQuPDe8m5TzdBDU7jxRVDLML6xdC7RKmFkVV";
    let host = known.split(' ').next().unwrap();
    std::fs::write(server.0.known_hosts(), format!("{host} {other}\n")).unwrap();
    let findings = checked(&workspace, &["--accept-new-host-key"], 13);
    says(&findings, "host-key", "detail", "CHANGED");
    says(&findings, "host-key", "hint", "somebody may be listening");

    std::fs::write(server.0.known_hosts(), format!("@revoked {known}")).unwrap();
    let findings = checked(&workspace, &[], 13);
    says(&findings, "host-key", "detail", "REVOKED");
}

#[test]
fn a_login_that_is_refused_names_the_key() {
    let (workspace, _server) = started(Faults::none().always(Fault::RefuseLogin));
    let findings = checked(&workspace, &[], 13);
    assert_eq!(
        not_ok(&findings),
        ["login failed", "directory skipped", "probe skipped"]
    );
    says(&findings, "login", "detail", "SHA256:");
    says(&findings, "login", "hint", "public key");
}

#[test]
fn a_missing_folder_is_told_before_a_run_finds_out() {
    let (workspace, _server) = started(Faults::none());
    change(&workspace, "[sftp]\n", "[sftp]\ndirectory = \"/nowhere\"\n");
    let findings = checked(&workspace, &["--probe"], 14);
    assert_eq!(not_ok(&findings), ["directory failed", "probe skipped"]);
    says(&findings, "directory", "hint", "Klaviyo's is /profiles");

    let run = workspace.run(&["run", "vip.toml"]).exits(14);
    assert!(
        run.stderr.contains("Klaviyo's is /profiles"),
        "{}",
        run.stderr
    );
    // The same command would end in the same way.
    assert!(!run.stderr.contains("next: "), "{}", run.stderr);
}

#[test]
fn a_missing_audience_and_a_dead_server_are_both_told() {
    let (workspace, server) = started(Faults::none());
    let port = server.0.address().port();
    drop(server);
    std::fs::remove_file(workspace.path("a.csv")).unwrap();
    let findings = checked(&workspace, &["--probe"], 12);
    assert_eq!(
        not_ok(&findings)[..3],
        ["audience failed", "columns skipped", "connection failed"]
    );
    assert_eq!(of(&findings, "connection")["exit_code"], 14);
    let command = format!("nc -vz 127.0.0.1 {port}");
    says(&findings, "connection", "hint", &command);
    let text = workspace.run(&["check", "vip.toml"]).exits(12).stdout;
    assert!(text.contains("2 checks failed"), "{text}");
}

#[test]
fn a_bad_key_does_not_keep_the_host_key_from_being_checked() {
    let (workspace, server) = started(Faults::none());
    let key = server.0.private_key();
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let findings = checked(&workspace, &[], 13);
    assert_eq!(
        not_ok(&findings),
        [
            "key failed",
            "login skipped",
            "directory skipped",
            "probe skipped"
        ]
    );
    says(&findings, "key", "hint", "chmod 600");
}

#[test]
fn the_public_half_of_a_key_is_told_from_an_exposed_one() {
    let (workspace, server) = started(Faults::none());
    let key = server.0.private_key().display().to_string();
    let public =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLUrOrrMQuPDe8m5TzdBDU7jxRVDLML6xdC7RKmFkVV me\n";
    std::fs::write(format!("{key}.pub"), public).unwrap();
    change(&workspace, &key, &format!("{key}.pub"));
    for arguments in [&["check", "vip.toml"], &["run", "vip.toml"]] {
        let Outcome {
            code,
            stdout,
            stderr,
        } = workspace.run(arguments);
        assert_eq!(code, 13);
        let said = format!("{stdout}{stderr}");
        assert!(
            said.contains(&format!("public half of the key; give {key}\n")),
            "{said}"
        );
        assert!(!said.contains("chmod"), "{said}");
    }
}

#[test]
fn secrets_that_are_not_set_are_named_and_their_values_never() {
    let (workspace, _server) = started(Faults::none());
    change(
        &workspace,
        "[sftp]\n",
        "[sftp]\npassword-env = \"SFTP_PASSWORD\"\n",
    );
    let findings = checked(&workspace, &[], 10);
    assert_eq!(
        not_ok(&findings),
        [
            "secrets failed",
            "key skipped",
            "login skipped",
            "directory skipped",
            "probe skipped"
        ]
    );
    says(&findings, "secrets", "hint", "export SFTP_PASSWORD=");
    let outcome = workspace.run_with_env(
        &["check", "vip.toml", "-vv"],
        &[("SFTP_PASSWORD", "hunter2")],
    );
    let outcome = outcome.exits(0);
    assert!(outcome.stdout.contains("SFTP_PASSWORD is set"));
    assert!(!outcome.stdout.contains("hunter2") && !outcome.stderr.contains("hunter2"));
}

#[test]
fn a_state_directory_that_cannot_be_is_eighteen() {
    let (workspace, _server) = started(Faults::none());
    workspace.write("file", "");
    let findings = checked(&workspace, &["--state-dir", "file/below"], 18);
    assert_eq!(not_ok(&findings), ["state failed", "probe skipped"]);
    says(&findings, "state", "hint", "--state-dir");
}

#[test]
fn a_job_without_a_server_and_one_that_reads_standard_input_are_checked_as_far_as_they_go() {
    let workspace = Workspace::with(&[("a.csv", "email,tier\nzoe@example.com,gold\n")]);
    workspace.job("vip", JOB, None);
    let findings = checked(&workspace, &[], 10);
    says(&findings, "key", "detail", "sftp.username");

    let (workspace, _server) = started(Faults::none());
    change(&workspace, "a.csv", "-");
    let findings = checked(&workspace, &[], 0);
    assert_eq!(
        not_ok(&findings),
        ["audience skipped", "columns skipped", "probe skipped"]
    );
}

#[test]
fn a_job_file_that_is_none_is_an_error_as_anywhere() {
    let workspace = Workspace::with(&[("vip.toml", "nam = 1\n")]);
    let outcome = workspace.run(&["check", "vip.toml", "--json"]).exits(10);
    assert!(outcome.error().contains("vip.toml") && outcome.stdout.is_empty());
}

#[test]
fn the_example_of_the_readme_is_what_is_printed() {
    let readme = include_str!("../README.md");
    let block = readme.split("$ klaviyo-export check vip.toml\n").nth(1);
    let told = block.unwrap().split("```").next().unwrap();
    let rows = include_str!("../fixtures/audiences/customers.csv");
    let workspace = Workspace::with(&[("customers.csv", rows)]);
    let job = "[audience]\nfiles = [\"customers.csv\"]\n[columns]\nemail = \"Email\"\nfirst_name = \"FirstName\"\n\
               [sftp]\nhost = \"127.0.0.1\"\nport = 1\nusername = \"a\"\nprivate-key = \"~/key\"\n";
    workspace.job("vip", job, None);
    let printed = workspace.run(&["check", "vip.toml"]).exits(13).stdout;
    let home = workspace.path("home").display().to_string();
    let state = workspace.path("state").display().to_string();
    let printed = printed.replace(&state, "/home/ana/.local/state/klaviyo-export");
    let printed = printed.replace(&home, "/home/ana");
    let before_room = |line: &str| match line.split_once("can be written, ") {
        Some((line, _)) => line.to_owned(),
        None => line.to_owned(),
    };
    let told: Vec<String> = told.lines().map(before_room).collect();
    let printed: Vec<String> = printed.lines().map(before_room).collect();
    assert_eq!(told, printed);
}
