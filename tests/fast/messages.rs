//! The words of errors, as a person meets them: what happened, where, why, and what to type next. One snapshot a subject.
//!
//! The job files of `fixtures/jobs/bad` name their messages themselves (`tests/jobs.rs`).
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use klaviyo_export_sandbox::{Fault, Faults};
use workspace::{Outcome, Server, Workspace};

const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[retry]\nfirst = \"1ms\"\nmax = \"5ms\"\ngive-up-after = \"100ms\"\n";
const AUDIENCE: &str = "email\nzoe@example.com\nyan@example.com\n";

/// Questions and answers on stderr, without log lines.
#[derive(Default)]
struct Told(String);

impl Told {
    fn add(&mut self, what: &str, workspace: &Workspace, outcome: &Outcome) {
        let folder = workspace.path("").display().to_string();
        let lines = outcome.stderr.lines().filter(|line| {
            ["error: ", "hint: ", "next: ", " "]
                .iter()
                .any(|begin| line.starts_with(begin))
        });
        let text: Vec<String> = lines.map(|line| line.replace(&folder, "")).collect();
        writeln!(self.0, "{what} ({})\n{}\n", outcome.code, text.join("\n")).unwrap();
    }

    fn assert(&self, name: &str) {
        let mut settings = insta::Settings::clone_current();
        for (pattern, instead) in [
            (r"\d{8}T\d{6}Z-[0-9a-f]{8}", "RUN"),
            (r"127\.0\.0\.1:\d+", "HOST:PORT"),
            (r"\[127\.0\.0\.1\]:\d+", "[HOST]:PORT"),
            (r"SHA256:[A-Za-z0-9+/]{43}", "FINGERPRINT"),
            (r"AAAA[A-Za-z0-9+/=]+", "KEY"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
            (r"process \d+", "process PID"),
            // How a connection that is cut shows is a matter of microseconds.
            (r"\[Session\(-\d+\)\] [A-Za-z ]+", "[Session]"),
        ] {
            settings.add_filter(pattern, instead);
        }
        settings.bind(|| insta::assert_snapshot!(name, self.0));
    }
}

#[test]
fn of_audience_files() {
    let mut told = Told::default();
    let latin = b"E-Mail;Name\nana@example.com;Andr\xe9\nbob@example.com;Zo\xeb\n";
    let files: [(&str, &[u8]); 14] = [
        ("empty.csv", b""),
        (
            "rows-only.csv",
            b"ana@example.com,Ana\nbob@example.com,Bob\n",
        ),
        ("semicolons.csv", b"email;name\nana@example.com;Ana\n"),
        ("tabs.csv", b"email\tname\nana@example.com\tAna\n"),
        ("latin.csv", latin),
        ("utf16.csv", b"e\0m\0a\0i\0l\0\n\0a\0@\0b\0.\0c\0o\0\n\0"),
        ("no-identifier.csv", b"colour,size\nred,1\nblue,2\n"),
        (
            "twice.csv",
            b"email,email\nana@example.com,bob@example.com\n",
        ),
        (
            "open-quote.csv",
            b"email,name\nana@example.com,\"Ana\nbob@example.com,Bob\n",
        ),
        ("table.json", b"[{\"email\":\"ana@example.com\"}]"),
        ("book.xlsx", b"PK\x03\x04rest"),
        ("rows.parquet", b"PAR1rest"),
        (
            "cut.csv.gz",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\xcd",
        ),
        ("packed.csv.xz", b"\xfd7zXZ\x00rest"),
    ];
    for (name, bytes) in files {
        let workspace = Workspace::new();
        workspace.write(name, bytes);
        let outcome = workspace.run(&["send", name, "--dry-run", "-q"]);
        assert_ne!(outcome.code, 0, "{name}");
        told.add(&format!("send {name}"), &workspace, &outcome);
    }
    let workspace = Workspace::with(&[
        ("folder/a.csv", AUDIENCE),
        ("a.csv", AUDIENCE),
        (
            "consent.csv",
            "email,SMS Marketing Consent\nana@example.com,Subscribe\n",
        ),
        ("daily.toml", "name = \"daily\"\n"),
    ]);
    for arguments in [
        &["send", "b.csv", "--dry-run"][..],
        &["send", "none/*.csv", "--dry-run"],
        &["send", "folder", "--dry-run"],
        &["send", "a.csv", "--dry-run", "--map", "mail=Email"],
        &["send", "a.csv", "--dry-run", "--map", "email=email"],
        &["send", "a.csv", "--dry-run", "--encoding", "utf-7"],
        &["send", "consent.csv", "--dry-run", "--keep-unlisted"],
        &["run", "a.csv"],
        &["run", "vip.toml"],
        &["preview", "vip.toml"],
        &["check", "daily"],
        &["run", "dayly.toml", "--dry-run"],
        &["estimate", "nightly"],
        &["init", "b.csv"],
    ] {
        let outcome = workspace.run(arguments);
        assert_ne!(outcome.code, 0, "{arguments:?}");
        told.add(&arguments.join(" "), &workspace, &outcome);
    }
    told.assert("audience");
}

/// A job over two good rows, and its server with these faults.
fn scene(faults: Faults, more: &str) -> (Workspace, Server, String) {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server_with(faults);
    let job = workspace.job("vip", &format!("{more}{JOB}"), Some(&server));
    (workspace, server, job)
}

/// The job file with `from` replaced.
fn change(workspace: &Workspace, job: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(workspace.path(job)).unwrap();
    assert!(text.contains(from), "{text}");
    workspace.write(job, text.replace(from, to));
}

#[test]
fn the_key_of_an_unknown_server_is_asked_for_before_a_row_is_formatted() {
    let (workspace, server, job) = scene(Faults::none(), "");
    let known = server.0.known_hosts().display().to_string();
    let mine = workspace.path("home/known_hosts").display().to_string();
    change(&workspace, &job, &known, &mine);
    let refused = workspace.run(&["run", &job]).exits(13);
    assert!(refused.error().starts_with("the host key of "));
    assert!(!refused.stderr.contains("run begun"), "{}", refused.stderr);
    // As the hint says; from then on it is known.
    let accepted = workspace.run(&["run", &job, "--accept-new-host-key"]);
    accepted.exits(0);
    assert_eq!(server.received().len(), 1);
    workspace.run(&["run", &job]).exits(0);
}

#[test]
fn of_servers() {
    let mut told = Told::default();
    let always = |fault| Faults::none().always(fault);
    let faults = [
        ("that refuses the login", always(Fault::RefuseLogin)),
        ("that takes no connection", always(Fault::RefuseConnection)),
        ("that takes no file", always(Fault::RefuseOpen)),
        ("that does not close a file", always(Fault::RefuseClose)),
        ("that is full", always(Fault::NoSpaceAfter { bytes: 5 })),
        (
            "that keeps too little",
            always(Fault::WrongSize { missing: 1 }),
        ),
    ];
    for (what, faults) in faults {
        let (workspace, _server, job) = scene(faults, "");
        let outcome = workspace.run(&["run", &job, "-q"]);
        assert_ne!(outcome.code, 0, "{what}");
        told.add(&format!("a server {what}"), &workspace, &outcome);
    }
    let (workspace, server, job) = scene(Faults::none(), "");
    let known = server.0.known_hosts().display().to_string();
    let mine = workspace.path("home/known_hosts").display().to_string();
    change(&workspace, &job, &known, &mine);
    told.add(
        "an unknown server",
        &workspace,
        &workspace.run(&["run", &job, "-q"]),
    );
    change(&workspace, &job, &mine, &known);
    let own = std::fs::read_to_string(&known).unwrap();
    std::fs::write(&known, format!("@revoked {own}")).unwrap();
    told.add(
        "a revoked host key",
        &workspace,
        &workspace.run(&["run", &job, "-q"]),
    );
    let stranger = Workspace::new();
    let theirs = std::fs::read_to_string(stranger.server().0.known_hosts()).unwrap();
    let host = own.split(' ').next().unwrap();
    std::fs::write(
        &known,
        format!("{host} {}", theirs.split_once(' ').unwrap().1),
    )
    .unwrap();
    told.add(
        "a changed host key",
        &workspace,
        &workspace.run(&["run", &job, "-q"]),
    );
    change(
        &workspace,
        &job,
        "port = ",
        "host-key = [\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]\nport = ",
    );
    told.add(
        "a host key that is none of the pinned",
        &workspace,
        &workspace.run(&["run", &job, "-q"]),
    );
    told.assert("servers");
}

#[test]
fn of_keys() {
    let mut told = Told::default();
    let (workspace, server, job) = scene(Faults::none(), "");
    let key = server.0.private_key().to_owned();
    let bytes = std::fs::read(&key).unwrap();
    let mut with = |what: &str, content: Option<&[u8]>, mode: u32| {
        match content {
            Some(content) => {
                std::fs::write(&key, content).unwrap();
                std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
            }
            None => std::fs::remove_file(&key).unwrap(),
        }
        let outcome = workspace.run(&["run", &job, "-q"]).exits(13);
        told.add(what, &workspace, &outcome);
    };
    with("a key that others can read", Some(&bytes), 0o644);
    with(
        "a key that is a public one",
        Some(b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@here\n"),
        0o600,
    );
    with(
        "a key of PuTTY that is damaged",
        Some(b"PuTTY-User-Key-File-3: ssh-ed25519\n"),
        0o600,
    );
    with("a key that is none", Some(b"hello\n"), 0o600);
    with("a key that is cut", Some(&bytes[..bytes.len() / 2]), 0o600);
    with("a key that is not there", None, 0);
    told.assert("keys");
}

#[test]
fn of_guards() {
    let mut told = Told::default();
    let (workspace, _server, job) = scene(Faults::none(), "");
    workspace.write(
        "a.csv",
        format!("email\nzoe@example.com\n{}", "bad\n".repeat(1_000)),
    );
    told.add(
        "too many rejections",
        &workspace,
        &workspace.run(&["run", &job, "-q"]).exits(17),
    );
    workspace.write("a.csv", "email\nbad\n");
    told.add(
        "nothing left",
        &workspace,
        &workspace.run(&["run", &job, "-q"]).exits(12),
    );
    workspace.write("a.csv", "email\nzoe@example.com\nZOE@example.com\n");
    change(
        &workspace,
        &job,
        "[retry]",
        "[normalize]\nduplicates = \"fail\"\n[retry]",
    );
    told.add(
        "duplicates that must not be",
        &workspace,
        &workspace.run(&["run", &job, "-q"]).exits(17),
    );
    told.assert("guards");
}

#[test]
fn of_state() {
    let mut told = Told::default();
    let (workspace, server, job) = scene(
        Faults::none().always(Fault::RefuseConnection),
        "strict = true\n",
    );
    workspace.run(&["run", &job, "-q"]).exits(14);
    server.0.set_faults(Faults::none());
    let manifest = workspace.last_run("vip").join("manifest.json");
    let whole = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, "{").unwrap();
    told.add(
        "a damaged manifest",
        &workspace,
        &workspace.run(&["run", &job, "-q"]).exits(18),
    );
    std::fs::write(
        &manifest,
        whole.replacen("\"version\": 1", "\"version\": 7", 1),
    )
    .unwrap();
    told.add(
        "a newer manifest",
        &workspace,
        &workspace.run(&["run", &job, "-q"]).exits(18),
    );
    std::fs::write(&manifest, whole).unwrap();
    let parts = workspace.last_run("vip").join("parts");
    let part = std::fs::read_dir(parts)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "csv"))
        .unwrap();
    std::fs::write(&part, "Email\n").unwrap();
    told.add(
        "a changed part",
        &workspace,
        &workspace.run(&["run", &job, "-q"]).exits(18),
    );
    std::fs::remove_file(&part).unwrap();
    told.add(
        "a missing part",
        &workspace,
        &workspace.run(&["run", &job, "-q"]).exits(18),
    );
    workspace.write("a.csv", "email\nzoe@example.com\nbad\n");
    told.add(
        "a rejection where none may be",
        &workspace,
        &workspace.run(&["run", &job, "-q"]).exits(3),
    );
    workspace.write("file", "");
    let outcome = workspace
        .run(&["run", &job, "-q", "--state-dir", "file"])
        .exits(18);
    told.add("a state directory that is a file", &workspace, &outcome);
    change(&workspace, &job, "name = \"vip\"", "name = \"new\"");
    told.add(
        "a job that never ran",
        &workspace,
        &workspace.run(&["status", &job]).exits(10),
    );
    told.assert("state");
}

#[test]
fn of_a_second_run() {
    let mut told = Told::default();
    let stall = Fault::StallAfter {
        bytes: 0,
        time: None,
    };
    let (workspace, server, job) = scene(Faults::none().always(stall), "");
    let mut first = workspace.command(&["run", &job]).spawn().unwrap();
    assert!(server.0.wait_for(workspace::LIMIT, |events| {
        format!("{events:?}").contains("Opened")
    }));
    told.add(
        "another run under way",
        &workspace,
        &workspace.run(&["run", &job, "-q"]).exits(11),
    );
    first.kill().unwrap();
    first.wait().unwrap();
    told.assert("second_run");
}
