//! No value of a row and no secret in any log line, error, report or manifest, however a run ends.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use klaviyo_export_sandbox::{Fault, Faults};
use workspace::{LIMIT, Outcome, Server, Workspace, join};

/// The values of the cells of the audiences below, in the forms in which it is read and written.
const VALUES: [&str; 16] = [
    "zoe.quux",
    "ZOE.QUUX",
    "grault@",
    "yan.plugh",
    "6502530017",
    "650-253",
    "2530017",
    "Xyzzy",
    "Waldo",
    "Fredville",
    "thud-77",
    "corge",
    "Zo\u{eb}lle",
    "nested-garply",
    "hunter2",
    "swordfish",
];

/// Good and bad rows: each reason and each repair.
const AUDIENCE: &str = "email,phone,id,name,city\n\
    zoe.quux@example.com,(650) 253-0017,thud-77,Xyzzy,Fredville\n\
    ZOE.QUUX@example.com,,,Waldo,\"Fred\nville corge\"\n\
    grault@@example.com,,,Xyzzy,\n\
    grault@,650-253,thud-771,Waldo corge,\n\
    yan.plugh@example.com,,Xyzzy\n\
    yan.plugh@example.com,,,Xyzzy,Fredville,corge\n\
    yan.plugh@example.com,,,Xy\0zzy,Fredville\n\
    yan.plugh@example.com,,,Xyzzy\u{7},Fredville\n";

const JOB: &str = "[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\nid = \"ExternalID\"\nname = \"FirstName\"\ncity = \"City\"\n[retry]\nfirst = \"1ms\"\nmax = \"5ms\"\ngive-up-after = \"300ms\"\n";

fn job(files: &str, audience: &str, normalize: &str) -> String {
    format!(
        "[audience]\nfiles = [\"{files}\"]\n{audience}\n{JOB}[normalize]\ndefault-region = \"US\"\n{normalize}\n"
    )
}

/// Fails if a value stands in what the program said, or in what it noted of the run.
#[track_caller]
fn assert_silent(workspace: &Workspace, outcome: &Outcome, what: &str) {
    let mut said = vec![
        ("stdout".to_owned(), outcome.stdout.clone()),
        ("stderr".to_owned(), outcome.stderr.clone()),
    ];
    let runs = workspace.path("state/vip/runs");
    for run in std::fs::read_dir(runs).into_iter().flatten() {
        for name in ["report.json", "manifest.json", "report.html"] {
            let path = run.as_ref().unwrap().path().join(name);
            said.push((
                name.to_owned(),
                std::fs::read_to_string(path).unwrap_or_default(),
            ));
        }
    }
    for (place, text) in said {
        for value in VALUES {
            assert!(
                !text.contains(value),
                "{what}: `{value}` stands in {place}:\n{text}"
            );
        }
    }
}

#[test]
fn a_run_that_delivers_rejects_and_repairs_says_no_value() {
    for (normalize, code) in [
        ("", 0),
        ("invalid-email = \"reject\"\ninvalid-phone = \"reject\"", 0),
        ("duplicates = \"last\"", 0),
        ("duplicates = \"fail\"", 17),
    ] {
        for json in [&[][..], &["--json"]] {
            let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
            let server = workspace.server();
            let file = workspace.job("vip", &job("a.csv", "", normalize), Some(&server));
            let outcome = workspace
                .run(&[&["run", &file, "-vv"], json].concat())
                .exits(code);
            assert_silent(&workspace, &outcome, normalize);
            if code == 0 {
                // The log is there, and the rejects hold what the log does not.
                assert!(outcome.stderr.contains("DEBUG"), "{}", outcome.stderr);
                assert!(
                    workspace
                        .of_last_run("vip", "rejects.csv")
                        .contains("yan.plugh@example.com")
                );
                assert!(server.received()[0].contains("zoe.quux@example.com"));
                let page = workspace.of_last_run("vip", "report.html");
                assert!(
                    page.contains("ragged-row"),
                    "the page tells of the rows: {page}"
                );
            }
            let status = workspace.run(&["status", &file, "--json"]);
            assert_silent(&workspace, &status, "status");
        }
    }
}

#[test]
fn an_audience_that_cannot_be_read_is_told_without_a_value() {
    let audiences: [(&str, Vec<u8>, i32); 9] = [
        ("a.csv", b"zoe.quux@example.com,6502530017,thud-77,Xyzzy,Fredville\n".into(), 12),
        ("a.csv", b"+1 6502530017,Xyzzy\n".into(), 12),
        ("a.csv", format!("{AUDIENCE}a@example.com,,,\"corge\n").into(), 12),
        ("a.csv", AUDIENCE.replace(',', ";").into(), 12),
        ("a.csv", [AUDIENCE.as_bytes(), b"x@example.com,,,Zo\xeblle,corge\n"].concat(), 0),
        ("a.csv", [b"email,phone,id,name,city\n,,,corge,\"".as_slice(), &b"Xyzzy ".repeat(200_000)].concat(), 12),
        ("a.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03zoe.quux@example.com Xyzzy".into(), 12),
        ("a.ndjson", b"{\"email\":\"zoe.quux@example.com\",\"name\":{\"x\":\"nested-garply\"}}\n{\"email\":\"zoe.quux@example.com\" Xyzzy}\nXyzzy\n{\"id\":\"thud-77\",\"phone\":6502530017}\n".into(), 0),
        ("a.ndjson", b"{\"email\":\"zoe.quux@".into(), 12),
    ];
    for (at, (name, bytes, code)) in audiences.into_iter().enumerate() {
        let workspace = Workspace::new();
        workspace.write(name, bytes);
        let file = workspace.job("vip", &job(name, "", ""), None);
        let outcome = workspace.run(&["run", &file, "--dry-run", "-vv"]);
        assert_silent(&workspace, &outcome, &format!("audience {at}"));
        assert_eq!(outcome.code, code, "audience {at}: {}", outcome.stderr);
        let name = name.to_owned();
        let sent = workspace.run(&["send", &name, "--dry-run", "-vv"]);
        assert_silent(&workspace, &sent, &format!("audience {at} by send"));
    }
}

#[test]
fn a_transfer_that_fails_says_no_value() {
    let faults = [
        Faults::none().always(Fault::CutAfter { bytes: 100 }),
        Faults::none().always(Fault::CutAtClose),
        Faults::none().always(Fault::NoSpaceAfter { bytes: 50 }),
        Faults::none().always(Fault::RefuseOpen),
        Faults::none().always(Fault::RefuseClose),
        Faults::none().always(Fault::WrongSize { missing: 1 }),
        Faults::none().always(Fault::RefuseLogin),
    ];
    for (at, faults) in faults.into_iter().enumerate() {
        let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
        let server = workspace.server_with(faults);
        let file = workspace.job("vip", &job("a.csv", "", ""), Some(&server));
        let outcome = workspace.run(&["run", &file, "-vv"]);
        assert!(
            matches!(outcome.code, 0 | 13 | 14 | 15),
            "fault {at}: {}",
            outcome.stderr
        );
        assert_silent(&workspace, &outcome, &format!("fault {at}"));
    }
}

#[test]
fn the_guard_says_no_value() {
    let bad = "grault@,650-253,,Waldo corge,\n".repeat(1_500);
    let workspace = Workspace::with(&[("a.csv", &format!("{AUDIENCE}{bad}"))]);
    let file = workspace.job("vip", &job("a.csv", "", ""), None);
    let outcome = workspace.run(&["run", &file, "--dry-run", "-vv"]).exits(17);
    assert_silent(&workspace, &outcome, "guard");
}

/// `send` with the server's flags, and `SECRET` set to `hunter2`.
fn with_secret(workspace: &Workspace, server: &Server, flags: &[&str]) -> Outcome {
    let own = server.flags();
    let arguments = join(
        &[&["send", "a.csv", "--name", "vip", "-vv"], flags].concat(),
        &own,
    );
    workspace.run_with_env(
        &arguments,
        &[("SECRET", "hunter2"), ("KLAVIYO_EXPORT_LOOPBACK_ONLY", "1")],
    )
}

#[test]
fn secrets_are_never_said() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let outcome = with_secret(&workspace, &server, &["--passphrase-env", "SECRET"]);
    assert_silent(&workspace, &outcome, "a passphrase for a key without one");
    server
        .0
        .set_faults(Faults::none().always(Fault::RefuseLogin));
    let outcome = with_secret(&workspace, &server, &["--password-env", "SECRET"]).exits(13);
    assert_silent(&workspace, &outcome, "a password that is refused");
    let to = [
        "send",
        "a.csv",
        "--to",
        "sftp://ana:hunter2@127.0.0.1/profiles",
    ];
    let outcome = workspace.run(&to).exits(2);
    assert_silent(&workspace, &outcome, "a password in the address");
}

#[test]
fn a_secret_in_the_wrong_place_of_a_job_is_not_shown() {
    for line in [
        "port = \"hunter2\"",
        "passphrase = \"hunter2\"",
        "sessions = \"hunter2\"",
        "agent = \"hunter2\"",
        "connect-timeout = \"hunter2\"",
        "window = \"hunter2\"",
        "known-hosts = \"hunter2\"",
        "host-key = [\"hunter2\"]",
        "private-key = \"hunter2",
        "host = \"sftp://a:hunter2@x\"",
        "directory = \"hunter2\"",
    ] {
        let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
        let server = format!("[sftp]\nusername = \"x\"\n{line}\n");
        let file = workspace.job("vip", &format!("{}{server}", job("a.csv", "", "")), None);
        let outcome = workspace.run(&["run", &file, "-vv"]).exits(10);
        assert_silent(&workspace, &outcome, line);
    }
}

#[test]
fn a_run_that_is_killed_leaves_no_value_in_its_manifest() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server_with(Faults::none().always(Fault::StallAfter {
        bytes: 0,
        time: None,
    }));
    let file = workspace.job("vip", &job("a.csv", "", ""), Some(&server));
    let mut child = workspace.command(&["run", &file, "-vv"]).spawn().unwrap();
    assert!(
        server
            .0
            .wait_for(LIMIT, |events| format!("{events:?}").contains("Opened"))
    );
    child.kill().unwrap();
    let outcome = Outcome::of(child);
    assert_silent(&workspace, &outcome, "killed");
    let status = workspace.run(&["status", &file]).exits(0);
    assert_silent(&workspace, &status, "status of the killed run");
    assert!(
        status.stdout.contains("killed before it ended"),
        "{}",
        status.stdout
    );
}
