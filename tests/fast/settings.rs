//! `--set KEY=VALUE`: a job of one file and of keys on the command line.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace::{Outcome, Workspace};

const AUDIENCE: &str = "email,name\nzoe@example.com,Zoe\nyan@example.com,Yan\n";
const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n";

/// The words of a command that a message tells to type.
fn typed(workspace: &Workspace, command: &str) -> Outcome {
    let words = shlex::split(command).unwrap();
    let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    workspace.run(&words)
}

#[test]
fn keys_of_the_command_line_take_the_place_of_those_of_the_file() {
    let workspace = Workspace::with(&[
        ("a.csv", "email\nnobody@example.com\n"),
        ("b.csv", AUDIENCE),
    ]);
    let server = workspace.server();
    let section = server.section().replace("127.0.0.1", "nobody.invalid");
    workspace.write("vip.toml", format!("name = \"vip\"\n{JOB}{section}"));
    let settings = [
        "--set",
        "sftp.host=127.0.0.1",
        "--set=audience.files=[\"b.csv\"]",
        "--set",
        "columns.name=FirstName",
        "--set",
        "parts.max-rows=1",
    ];
    let tried = workspace
        .run(&[&["run", "vip.toml", "--dry-run"], &settings[..]].concat())
        .exits(0);
    // A look at the state repeats them too.
    let told = workspace
        .run(&[&["status", "vip.toml"], &settings[..]].concat())
        .exits(0);
    assert!(
        told.stdout
            .contains("--set 'sftp.host=127.0.0.1' --set 'audience.files=[\"b.csv\"]'"),
        "{}",
        told.stdout
    );
    // What the program says to type repeats the keys, until all is sent.
    let few = typed(&workspace, tried.next()).exits(0);
    assert!(
        few.next().contains("--set 'sftp.host=127.0.0.1'"),
        "{}",
        few.next()
    );
    typed(&workspace, few.next()).exits(0);
    let mut received = server.received();
    received.sort();
    received.dedup();
    assert_eq!(
        received,
        [
            "Email,FirstName\n\"yan@example.com\",Yan\n",
            "Email,FirstName\n\"zoe@example.com\",Zoe\n"
        ]
    );
}

#[test]
fn every_command_of_a_job_file_takes_keys_and_refuses_unknown_ones() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    workspace.job("vip", JOB, None);
    for arguments in [
        &["run", "vip.toml", "--dry-run"][..],
        &["run", "vip.toml", "--before-only"],
        &["check", "vip.toml"],
        &["preview", "vip.toml"],
        &["estimate", "vip.toml"],
        &["status", "vip.toml"],
        &["runs", "vip.toml"],
        &["list", "vip.toml", "--run-group", "g"],
        &["undo", "vip.toml", "20261123T020000Z-0123abcd"],
    ] {
        let refused = workspace
            .run(&[arguments, &["--set", "sftp.hots=hunter2"]].concat())
            .exits(10);
        assert_eq!(
            refused.error(),
            "job file vip.toml: --set sftp.hots: unknown key `hots`; did you mean `host`?",
            "{arguments:?}"
        );
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    }
}

#[test]
fn a_value_that_cannot_be_is_told_with_the_flag_and_never_shown() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    workspace.job("vip", JOB, None);
    for (setting, told) in [
        (
            "sftp.port=hunter2",
            "--set sftp.port: the value must be a whole number from 0 to 65535",
        ),
        (
            "normalize.max-rejected={ percnt = 4711 }",
            "--set normalize.max-rejected: unknown key `percnt`; did you mean `percent`?",
        ),
        (
            "normalize.default-region=hunter2",
            "--set normalize.default-region: must be an ISO 3166 alpha-2 code, such as \"US\"",
        ),
        (
            "audience.files=[hunter2.csv]",
            "--set audience.files: the value is no TOML; the shell removes quotes unless there are others around it: --set 'KEY=[\"A\", \"B\"]'",
        ),
        (
            "name=../hunter2",
            "--set name: must be 1 to 100 of A-Z a-z 0-9 . _ - and not begin with a dot",
        ),
        // No key holds a secret.
        (
            "sftp.password=hunter2",
            "--set sftp.password: unknown key `password`",
        ),
        (
            "klaviyo.api-key=hunter2",
            "--set klaviyo.api-key: unknown key `api-key`",
        ),
        (
            "notify.webhook-url-env=https://example.com/hunter2",
            "--set notify.webhook-url-env: must be the name of a variable, and never the URL itself",
        ),
    ] {
        let refused = workspace
            .run(&["check", "vip.toml", "--set", setting])
            .exits(10);
        assert!(
            refused
                .error()
                .starts_with(&format!("job file vip.toml: {told}")),
            "{}",
            refused.error()
        );
        assert!(
            !refused.stderr.contains("hunter2") && !refused.stderr.contains("4711"),
            "{}",
            refused.stderr
        );
    }
    for setting in [
        "audience.postgres=postgresql://ana:hunter2@db.example.com/crm",
        "sftp.proxy=http://ana:hunter2@proxy.example.com:3128",
        "klaviyo.proxy=http://ana:hunter2@proxy.example.com:3128",
    ] {
        let keys = [
            "--set=audience.query=SELECT 1",
            "--set=sftp.username=ana",
            "--set=sftp.agent=true",
        ];
        let refused = workspace.run(
            &[
                &["check", "vip.toml", "--set", setting][..],
                if setting.contains("postgres") {
                    &keys[..1]
                } else {
                    &keys[1..]
                },
            ]
            .concat(),
        );
        assert_eq!(
            refused.code, 10,
            "{setting}: {}{}",
            refused.stdout, refused.stderr
        );
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    }
}

#[test]
fn a_name_of_its_own_has_a_state_of_its_own() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    workspace.job("vip", JOB, None);
    workspace
        .run(&["run", "vip.toml", "--dry-run", "--set", "name=vip-test"])
        .exits(0);
    assert_eq!(workspace.parts("vip-test").len(), 1);
    assert!(!workspace.path("state/vip").exists());
}

/// A key of the command line needs no variable that the file names for it; a variable in its value is one.
#[test]
fn a_key_takes_the_place_of_a_variable() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    workspace.job("vip", &JOB.replace("a.csv", "${FILE}"), None);
    let refused = workspace.run(&["preview", "vip.toml"]).exits(10);
    let next = refused.next();
    assert_eq!(
        next,
        "klaviyo-export preview vip.toml --set 'audience.files=[\"VALUE\"]'"
    );
    typed(&workspace, &next.replace("VALUE", "a.csv")).exits(0);
    let setting = "audience.files=[\"${OTHER}\"]";
    workspace
        .run_with_env(
            &["preview", "vip.toml", "--set", setting],
            &[("OTHER", "a.csv")],
        )
        .exits(0);
}

#[test]
fn keys_are_refused_where_there_is_no_job_file() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let setting = ["--set", "sftp.host=a"];
    for (arguments, told) in [
        (
            &["preview", "a.csv"][..],
            "--set changes a job file, and these are files of rows; use the flags for them, such as --map",
        ),
        (
            &["status"],
            "--set changes a job file: name the file, and not the job",
        ),
        (
            &["status", "vip"],
            "--set changes a job file: name the file, and not the job",
        ),
        (
            &["runs", "vip"],
            "--set changes a job file: name the file, and not the job",
        ),
    ] {
        let refused = workspace.run(&[arguments, &setting].concat()).exits(2);
        assert_eq!(refused.error(), told);
    }
    let refused = workspace
        .run(&["run", "vip.toml", "--set", "strict"])
        .exits(2);
    assert!(
        refused
            .stderr
            .contains("write it like KEY=VALUE, such as sftp.host=example.com"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_transport_that_is_not_in_this_build_or_anywhere_is_refused() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let section = server.section();
    workspace.write("vip.toml", format!("name = \"vip\"\n{JOB}{section}"));
    let run = |transport: &str| {
        let setting = format!("sftp.transport={transport}");
        workspace.run(&["run", "vip.toml", "--fresh", "--set", &setting])
    };
    let refused = run("openssh").exits(10);
    let error = refused.error();
    assert!(error.contains("russh") && error.contains("ssh2"), "{error}");
    run("russh").exits(0);
    if cfg!(feature = "ssh2") {
        run("ssh2").exits(0);
        return;
    }
    let refused = run("ssh2").exits(10);
    let error = refused.error();
    let told = "needs a build with libssh2: cargo install --features ssh2";
    assert!(error.contains(told), "{error}");
}
