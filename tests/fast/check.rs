//! `check` against the sandbox: what each line says, what depends on what, the exit code, and that nothing is written.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use std::os::unix::fs::PermissionsExt;

use klaviyo_export_sandbox::api::{ApiFault, ApiFaults, ApiSettings, PlanUsage, SCOPES};
use klaviyo_export_sandbox::{Event, Fault, Faults};
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

/// Behind them, where the job needs the API.
const API_NAMES: [&str; 7] = [
    "api-key",
    "account",
    "read-lists",
    "read-profiles",
    "list",
    "write",
    "plan",
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
    let needs_api = names.len() > NAMES.len();
    let api = API_NAMES.iter().filter(|_| needs_api);
    let expected: Vec<&str> = NAMES.iter().chain(api).copied().collect();
    assert_eq!(names, expected);
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
    let mut checks = findings["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == name).unwrap()
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
    assert_eq!(*last, "next: klaviyo-export run vip.toml --limit 10");
    assert_eq!(lines[lines.len() - 2], "vip: all is well");
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
    assert!(text.contains("is unfinished; the next run continues it"));
    assert!(
        text.ends_with("vip: all is well\nnext: klaviyo-export run vip.toml\n"),
        "{text}"
    );
    let run = workspace.run(&["run", "vip.toml"]).exits(0);
    assert!(run.stdout.contains("continued this unfinished run"));
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
    says(
        &findings,
        "host-key",
        "hint",
        "somebody may intercept the connection",
    );

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
fn the_example_of_the_documentation_is_what_is_printed() {
    let commands = include_str!("../../docs/commands.md");
    let block = commands.split("$ klaviyo-export check vip.toml\n").nth(1);
    let told = block.unwrap().split("```").next().unwrap();
    let rows = include_str!("../../fixtures/audiences/customers.csv");
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

/// As [`started`], with a job that puts profiles on the list "VIP" and goes without what `scopes` lack.
fn with_list(scopes: &[&str]) -> (Workspace, Server) {
    let workspace = Workspace::with(&[("a.csv", "email,tier\nzoe@example.com,gold\n")]);
    let api = ApiSettings {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..ApiSettings::default()
    };
    let server = workspace.server_of(Faults::none(), api);
    let body = format!(
        "{JOB}[list]\nname = \"VIP\"\n[retry]\nfirst = \"50ms\"\ngive-up-after = \"200ms\"\n{}",
        server.api_section()
    );
    workspace.job("vip", &body, Some(&server));
    (workspace, server)
}

/// The checks of the API that are not ok.
fn api_not_ok(findings: &Value) -> Vec<String> {
    let mut found = not_ok(findings);
    found.retain(|it| !it.starts_with("probe"));
    found
}

#[test]
fn the_api_is_looked_at_and_nothing_is_changed() {
    let (workspace, server) = with_list(&SCOPES);
    let id = server.0.api().add_list("VIP");
    let findings = checked(&workspace, &[], 0);
    assert_eq!(not_ok(&findings), ["probe skipped"]);
    says(
        &findings,
        "api-key",
        "detail",
        "api_key, which only you may read",
    );
    says(&findings, "account", "detail", "SandBx at 127.0.0.1:");
    let note = of(&findings, "account")["notes"][0].as_str().unwrap();
    assert!(note.contains("account-id = \"SandBx\""), "{note}");
    says(&findings, "read-lists", "detail", "lists:read");
    says(&findings, "read-profiles", "detail", "profiles:read");
    let there = format!("\"VIP\" is there, with the id {id}");
    says(&findings, "list", "detail", &there);
    says(
        &findings,
        "write",
        "detail",
        "lists:write and profiles:write",
    );

    let api = server.0.api();
    assert_eq!((api.lists().len(), api.profiles().len()), (1, 0));
    let calls = api.journal();
    let writing: Vec<_> = calls.iter().filter(|call| call.method != "GET").collect();
    // An empty change of the list, which does nothing or is refused for being empty.
    assert_eq!(writing.len(), 1, "{writing:?}");
    let text = workspace.run(&["check", "vip.toml"]).exits(0).stdout;
    assert!(
        text.contains("ok       write          the key has"),
        "{text}"
    );
    assert!(!text.contains(api.key()), "{text}");
}

#[test]
fn a_list_that_is_not_there_is_told_or_will_be_made() {
    let (workspace, server) = with_list(&SCOPES);
    let findings = checked(&workspace, &[], 16);
    assert_eq!(api_not_ok(&findings), ["list failed"]);
    says(
        &findings,
        "list",
        "detail",
        "there is no list named \"VIP\"",
    );
    says(&findings, "list", "hint", "create = true");

    change(
        &workspace,
        "name = \"VIP\"\n[retry]",
        "name = \"VIP\"\ncreate = true\n[retry]",
    );
    let findings = checked(&workspace, &[], 0);
    says(
        &findings,
        "list",
        "detail",
        "\"VIP\" does not exist yet; a run creates it",
    );
    assert!(server.0.api().lists().is_empty() && server.0.api().profiles().is_empty());

    change(
        &workspace,
        "name = \"VIP\"\ncreate = true\n[retry]",
        "id = \"NoSuch\"\n[retry]",
    );
    let findings = checked(&workspace, &[], 16);
    says(&findings, "list", "detail", "no list with the id NoSuch");
    says(&findings, "list", "hint", "the address of the list's page");
}

#[test]
fn two_lists_of_one_name_are_told_with_their_ids() {
    let (workspace, server) = with_list(&SCOPES);
    let ids = ["VIP", "VIP"].map(|name| server.0.api().add_list(name));
    let findings = checked(&workspace, &[], 16);
    assert_eq!(api_not_ok(&findings), ["list failed"]);
    for id in &ids {
        says(&findings, "list", "detail", id);
    }
    says(&findings, "list", "hint", "id = ");
    change(
        &workspace,
        "name = \"VIP\"\n[retry]",
        &format!("id = {:?}\n[retry]", ids[1]),
    );
    let findings = checked(&workspace, &[], 0);
    says(&findings, "list", "detail", &ids[1]);
}

#[test]
fn flows_that_the_list_starts_are_a_note_with_the_ways_round() {
    let (workspace, server) = with_list(&SCOPES);
    server.0.api().add_list_with_flow("VIP", "Welcome series");
    let note = |workspace: &Workspace| {
        let findings = checked(workspace, &[], 0);
        of(&findings, "list")["notes"][0]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let told = note(&workspace);
    assert!(told.contains("starts 1 flow: Welcome series"), "{told}");
    assert!(told.contains("attach = \"members\""), "{told}");
    change(&workspace, "\n[retry]", "\nattach = \"members\"\n[retry]");
    let told = note(&workspace);
    assert!(told.ends_with("Welcome series"), "{told}");
}

#[test]
fn each_scope_that_is_missing_is_named_and_the_others_are_looked_at() {
    for (missing, failed) in [
        ("lists:read", &["read-lists failed", "list skipped"][..]),
        ("profiles:read", &["read-profiles failed"]),
        ("lists:write", &["write failed"]),
        ("profiles:write", &["write failed"]),
    ] {
        let scopes: Vec<&str> = SCOPES.into_iter().filter(|it| *it != missing).collect();
        let (workspace, server) = with_list(&scopes);
        server.0.api().add_list("VIP");
        let findings = checked(&workspace, &[], 16);
        assert_eq!(api_not_ok(&findings), failed, "{missing}");
        let name = failed[0].split(' ').next().unwrap();
        says(&findings, name, "detail", &format!("the scope {missing}"));
        says(&findings, name, "hint", "make a new private key");
    }
}

#[test]
fn accounts_read_is_needed_for_account_id_alone() {
    let scopes: Vec<&str> = SCOPES.into_iter().skip(1).collect();
    let (workspace, server) = with_list(&scopes);
    server.0.api().add_list("VIP");
    let findings = checked(&workspace, &[], 0);
    assert_eq!(api_not_ok(&findings), ["account skipped"]);
    says(&findings, "account", "detail", "accounts:read");
    change(
        &workspace,
        "[klaviyo]\n",
        "[klaviyo]\naccount-id = \"SandBx\"\n",
    );
    let findings = checked(&workspace, &[], 16);
    assert_eq!(api_not_ok(&findings), ["account failed"]);
    says(&findings, "account", "detail", "the scope accounts:read");
}

#[test]
fn the_key_of_another_account_is_told_and_used_no_further() {
    let (workspace, server) = with_list(&SCOPES);
    change(
        &workspace,
        "[klaviyo]\n",
        "[klaviyo]\naccount-id = \"Others\"\n",
    );
    let findings = checked(&workspace, &[], 16);
    assert_eq!(api_not_ok(&findings)[0], "account failed");
    assert_eq!(api_not_ok(&findings).len(), API_NAMES.len() - 1);
    says(&findings, "account", "detail", "belongs to account SandBx");
    says(&findings, "write", "detail", "the right account's first");
    assert_eq!(server.0.api().journal().len(), 1);

    change(&workspace, "Others", "SandBx");
    server.0.api().add_list("VIP");
    let findings = checked(&workspace, &[], 0);
    says(&findings, "account", "detail", "as account-id says");
    assert!(
        of(&findings, "account")["notes"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_wrong_key_is_told_once() {
    let (workspace, server) = with_list(&SCOPES);
    let own = server.0.api().key_file().display().to_string();
    let key = workspace.path("key").display().to_string();
    workspace.write("key", "pk_wrong_key\n");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    change(&workspace, &own, &key);
    let findings = checked(&workspace, &[], 16);
    assert_eq!(api_not_ok(&findings).len(), 6);
    says(
        &findings,
        "account",
        "detail",
        "does not accept the API key",
    );
    says(&findings, "account", "hint", "Settings, API keys");
    says(
        &findings,
        "list",
        "detail",
        "the key must be accepted first",
    );
    assert!(!findings.to_string().contains("pk_wrong_key"));
}

#[test]
fn a_key_that_is_not_there_or_that_others_may_read_is_ten() {
    let (workspace, server) = with_list(&SCOPES);
    let own = format!("api-key-file = {:?}", server.0.api().key_file());
    std::fs::set_permissions(
        server.0.api().key_file(),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let findings = checked(&workspace, &[], 10);
    says(
        &findings,
        "api-key",
        "detail",
        "other users can read it (mode 0644)",
    );
    says(&findings, "api-key", "detail", "chmod 600");
    says(
        &findings,
        "account",
        "detail",
        "the API key must be set first",
    );

    change(&workspace, &own, "api-key-env = \"VIP_KEY\"");
    let findings = checked(&workspace, &[], 10);
    assert_eq!(of(&findings, "secrets")["status"], "ok");
    says(&findings, "api-key", "hint", "export VIP_KEY=");
    assert_eq!(api_not_ok(&findings).len(), API_NAMES.len());
    assert!(server.0.api().journal().is_empty());
    server.0.api().add_list("VIP");
    let set = [("VIP_KEY", server.0.api().key())];
    let outcome = workspace
        .run_with_env(&["check", "vip.toml"], &set)
        .exits(0);
    assert!(
        outcome.stdout.contains("VIP_KEY is set"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn an_api_that_is_down_is_told_beside_a_server_that_is_up() {
    let (workspace, server) = with_list(&SCOPES);
    let faults = ApiFaults::none().always(ApiFault::Unavailable);
    server.0.api().set_faults(faults);
    let findings = checked(&workspace, &[], 16);
    assert_eq!(api_not_ok(&findings).len(), 6);
    says(&findings, "account", "detail", "status 503");
    says(&findings, "account", "hint", "curl -sSI http://127.0.0.1:");
    says(&findings, "write", "detail", "the API must answer first");

    // A port that nothing listens on.
    let url = server.0.api().base_url().to_owned();
    change(&workspace, &url, "http://127.0.0.1:1");
    let findings = checked(&workspace, &[], 16);
    says(&findings, "account", "detail", "127.0.0.1:1: no answer");
    says(&findings, "directory", "detail", "/profiles is there");
}

#[test]
fn a_job_that_delivers_by_the_api_has_no_server_to_look_at() {
    let (workspace, server) = with_list(&SCOPES);
    change(&workspace, "[klaviyo]\n", "[klaviyo]\ndeliver = \"api\"\n");
    // Of no use to it, and so not asked for.
    change(
        &workspace,
        "[sftp]\n",
        "[sftp]\npassphrase-env = \"UNSET\"\n",
    );
    server.0.api().add_list("VIP");
    let findings = checked(&workspace, &["--probe"], 0);
    assert!(findings["server"].is_null());
    let skipped = not_ok(&findings);
    assert_eq!(skipped.len(), 9, "{skipped:?}");
    for name in ["key", "address", "login", "probe"] {
        says(&findings, name, "detail", "no file goes to a server");
    }
    says(&findings, "write", "detail", "profiles:write");
    assert!(server.events().len() < 3 && server.0.api().profiles().is_empty());
    workspace.run(&["run", "vip.toml"]).exits(0);
}

#[test]
fn a_job_that_only_waits_for_its_sentinel_needs_to_read_profiles_alone() {
    let (workspace, _server) = with_list(&["profiles:read"]);
    change(&workspace, "[list]\nname = \"VIP\"\n", "");
    let sentinel = "[klaviyo]\nsentinel = \"ops@example.com\"\nwait-for-import = \"1m\"\n";
    change(&workspace, "[klaviyo]\n", sentinel);
    let findings = checked(&workspace, &[], 0);
    assert_eq!(
        api_not_ok(&findings),
        [
            "account skipped",
            "read-lists skipped",
            "list skipped",
            "write skipped",
            "plan skipped"
        ]
    );
}

#[test]
fn the_plan_is_told_and_one_without_room_is_a_warning() {
    let (workspace, server) = with_list(&SCOPES);
    let api = server.0.api();
    api.add_list("VIP");
    api.set_plan(vec![PlanUsage::new(
        "active_profiles",
        "profiles",
        9_500,
        10_000,
    )]);
    let findings = checked(&workspace, &[], 0);
    says(
        &findings,
        "plan",
        "detail",
        "9,500 of the plan's 10,000 profiles are used (active_profiles); 500 are left; estimate",
    );
    assert_eq!(api_not_ok(&findings), [""; 0]);
    api.set_plan(vec![PlanUsage::new(
        "active_profiles",
        "profiles",
        10_001,
        10_000,
    )]);
    let findings = checked(&workspace, &[], 0);
    assert_eq!(api_not_ok(&findings), ["plan warn"]);
    let note = of(&findings, "plan")["notes"][0].as_str().unwrap();
    assert!(note.contains("no profile is left"), "{note}");
    api.set_plan(Vec::new());
    let findings = checked(&workspace, &[], 0);
    assert_eq!(api_not_ok(&findings), ["plan skipped"]);
    says(&findings, "plan", "detail", "no number of profiles");
}

#[test]
fn a_plan_that_is_not_told_fails_nothing() {
    let scopes: Vec<&str> = SCOPES
        .into_iter()
        .filter(|it| *it != "usage:read")
        .collect();
    let (workspace, server) = with_list(&scopes);
    server.0.api().add_list("VIP");
    let findings = checked(&workspace, &[], 0);
    assert_eq!(api_not_ok(&findings), ["plan skipped"]);
    let detail = "the key lacks the scope usage:read, which nothing else needs";
    says(&findings, "plan", "detail", detail);
    let text = workspace.run(&["check", "vip.toml"]).exits(0).stdout;
    assert!(text.contains("all is well"), "{text}");

    let (workspace, server) = with_list(&SCOPES);
    server.0.api().add_list("VIP");
    change(
        &workspace,
        "[klaviyo]\n",
        "[klaviyo]\nrevision = \"2026-07-15\"\n",
    );
    let findings = checked(&workspace, &[], 0);
    assert_eq!(api_not_ok(&findings), ["plan skipped"]);
    says(&findings, "plan", "detail", "the revision of the API");
    change(&workspace, "revision = \"2026-07-15\"\n", "");
    let down = ApiFaults::none().always(ApiFault::Unavailable);
    server.0.api().set_faults(down.only("list_billing_usage"));
    let findings = checked(&workspace, &[], 0);
    assert_eq!(api_not_ok(&findings), ["plan unknown"]);
    says(&findings, "plan", "detail", "status 503");
}
