//! Logins: who is let in, and how the program finds its way there.

use std::os::unix::fs::PermissionsExt as _;

use super::{EMAIL, Outcome, PASSWORD, Postgres, Workspace, assert_is_discreet};

const QUERY: &str = "query = \"SELECT 'a@example.com' AS email\"";

/// Runs a job with this URL and these keys.
fn run(workspace: &Workspace, url: &str, keys: &str, variables: &[(&str, &str)]) -> Outcome {
    workspace.write(
        "vip.toml",
        format!("name = \"vip\"\n[audience]\npostgres = \"{url}\"\n{QUERY}\n{keys}\n{EMAIL}"),
    );
    let outcome = workspace.run_with_env(&["run", "vip.toml", "--dry-run", "--json"], variables);
    assert_is_discreet(&outcome);
    outcome
}

fn assert_says(outcome: Outcome, code: i32, words: &str) {
    let outcome = outcome.exits(code);
    assert!(outcome.error().contains(words), "{}", outcome.stderr);
}

fn write_pass_file(workspace: &Workspace, text: &str, mode: u32) {
    workspace.write("home/.pgpass", text);
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(workspace.path("home/.pgpass"), permissions).unwrap();
}

#[test]
fn a_password_comes_from_a_variable_or_a_file_and_from_nowhere_else() {
    let server = Postgres::start();
    let workspace = Workspace::new();
    let url = server.url();
    let run = |keys: &str, variables: &[(&str, &str)]| run(&workspace, &url, keys, variables);

    assert_says(run("", &[]), 12, "requires a password, and none is set");
    let wrong = [("PGPASSWORD", "geheim?")];
    assert_says(
        run("", &wrong),
        12,
        "refused the user or the password (SQLSTATE 28P01)",
    );
    run("", &[("PGPASSWORD", PASSWORD)]).exits(0);

    let key = "password-env = \"VIP_PASSWORD\"";
    assert_says(
        run(key, &[("PGPASSWORD", PASSWORD)]),
        12,
        "VIP_PASSWORD is not set",
    );
    run(key, &[("VIP_PASSWORD", PASSWORD), ("PGPASSWORD", "x")]).exits(0);

    let line = format!("# mine\n*:*:other:*:x\n{}", server.pass_line());
    write_pass_file(&workspace, &line, 0o644);
    assert_says(
        run("", &[]),
        12,
        "others can read the passwords in it (mode 644); chmod 600 it",
    );
    write_pass_file(&workspace, &line, 0o600);
    run("", &[]).exits(0);
    let moved = workspace.path("passwords");
    std::fs::rename(workspace.path("home/.pgpass"), &moved).unwrap();
    assert_says(run("", &[]), 12, "requires a password");
    run("", &[("PGPASSFILE", moved.to_str().unwrap())]).exits(0);

    let with_password = url.replace("ana@", "ana:geheim@");
    assert_says(
        super::login::run(&workspace, &with_password, "", &[]),
        10,
        "has a password in it",
    );
}

#[test]
fn variables_say_what_the_url_does_not() {
    let server = Postgres::start();
    let workspace = Workspace::new();
    let port = server.port.to_string();
    let common = [
        ("PGUSER", "ana"),
        ("PGDATABASE", "shop"),
        ("PGPASSWORD", PASSWORD),
        ("PGPORT", &port),
    ];
    let socket = server.socket().to_str().unwrap();
    for place in [
        ("PGHOST", "localhost"),
        ("PGHOST", socket),
        ("PGHOSTADDR", "127.0.0.1"),
    ] {
        let mut variables = common.to_vec();
        variables.push(place);
        run(&workspace, "", "", &variables).exits(0);
        // The URL wins.
        variables.push(("PGDATABASE", "nowhere"));
        run(&workspace, "postgresql:///shop", "", &variables).exits(0);
        assert_says(
            run(&workspace, "", "", &variables),
            12,
            "has no database nowhere",
        );
    }
    // The next of several servers, when nobody listens at the first.
    let url = format!("postgresql://ana@127.0.0.1:1,127.0.0.1:{port}/shop");
    run(&workspace, &url, "", &[("PGPASSWORD", PASSWORD)]).exits(0);

    let nobody = "postgresql://ana@127.0.0.1:1/shop";
    assert_says(
        run(&workspace, nobody, "", &[]),
        12,
        "cannot connect to PostgreSQL at 127.0.0.1:1: connection refused",
    );
    assert_says(
        run(&workspace, "postgresql://192.0.2.1/shop", "", &[]),
        12,
        "KLAVIYO_EXPORT_LOOPBACK_ONLY",
    );
    let wrong = [("PGSSLMODE", "perhaps")];
    assert_says(run(&workspace, nobody, "", &wrong), 12, "PGSSLMODE");
}

#[test]
fn tls_is_checked_as_much_as_sslmode_says() {
    let server = Postgres::start_with_tls();
    let workspace = Workspace::new();
    let root = server.root_certificate().display().to_string();
    let run = |host: &str, parameters: &str| {
        let query = "SELECT CASE WHEN ssl THEN 'a@example.com' END AS email FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let url = format!("postgresql://ana@{host}:{}/shop?{parameters}", server.port);
        workspace.write(
            "vip.toml",
            format!("name = \"vip\"\n[audience]\npostgres = \"{url}\"\nquery = \"{query}\"\non-empty = \"skip\"\n{EMAIL}"),
        );
        let variables = [("PGPASSWORD", PASSWORD)];
        workspace.run_with_env(&["run", "vip.toml", "--dry-run", "--json"], &variables)
    };
    let uses_tls = |outcome: Outcome| outcome.exits(0).report()["rows_written"] == 1;
    assert!(uses_tls(run("localhost", "")));
    assert!(uses_tls(run("localhost", "sslmode=require")));
    assert!(!uses_tls(run("localhost", "sslmode=disable")));
    let trusting = |mode: &str| format!("sslmode={mode}&sslrootcert={root}");
    assert!(uses_tls(run("localhost", &trusting("verify-full"))));
    assert!(uses_tls(run("127.0.0.1", &trusting("verify-ca"))));
    let another = run("127.0.0.1", &trusting("verify-full"));
    assert_says(another, 12, "is for another host");
    let strange = workspace.path("home/.postgresql/root.crt");
    workspace.write(
        "home/.postgresql/root.crt",
        std::fs::read(other_certificate(&workspace)).unwrap(),
    );
    assert!(strange.exists());
    // A root certificate in its usual place makes `require` look at it.
    let untrusted = run("localhost", "sslmode=require");
    assert_says(untrusted, 12, "is not by an issuer that sslrootcert");

    let plain = Postgres::start();
    let url = format!("{}?sslmode=require", plain.url());
    std::fs::remove_file(strange).unwrap();
    let variables = [("PGPASSWORD", PASSWORD)];
    let outcome = super::login::run(&workspace, &url, "", &variables);
    assert_says(outcome, 12, "offers no TLS");
}

/// A certificate that has nothing to do with the server's.
fn other_certificate(workspace: &Workspace) -> std::path::PathBuf {
    let path = workspace.path("other.crt");
    let output = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "/dev/null",
        ])
        .args(["-days", "2", "-subj", "/CN=other", "-out"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    path
}
