//! Every command with a query, and with statements that come before: by DuckDB, which `tests/engines` fetches.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::engines;
use crate::support::workspace;
use serde_json::json;
use workspace::{Server, Workspace, column};

const PEOPLE: &str = "SELECT 'person-' || i || '@example.com' AS email, i % 7 AS tier, i * 0.5::DOUBLE AS spent, \
                      DATE '2026-01-01' + i::INT % 300 AS since FROM range(20000) t(i)";

/// Writes the job `vip` with DuckDB, whose file nobody else can write.
fn job(workspace: &Workspace, audience: &str, server: Option<&Server>) {
    let body = format!(
        "[audience]\n{audience}\n[audience.adbc]\ndriver = \"{}\"\n[columns]\nemail = \"Email\"\ntier = \"Tier\"\n",
        engines::duckdb().display()
    );
    workspace.job("vip", &body, server);
    workspace.set_mode("vip.toml", 0o600);
}

/// Lets the job `vip` send to a server that is not there, with the key of `server`: the parts are made and wait.
fn send_nowhere(workspace: &Workspace, server: &Server) {
    let body = std::fs::read_to_string(workspace.path("vip.toml")).unwrap();
    let section = server.section();
    let key = section
        .lines()
        .find(|line| line.starts_with("private-key"))
        .unwrap();
    let down = "[sftp]\nhost = \"127.0.0.1\"\nport = 9\nusername = \"AbCdEf_GhIjKl\"\n";
    let retry = "[retry]\nfirst = \"10ms\"\ngive-up-after = \"100ms\"\n";
    workspace.write("vip.toml", format!("{body}{down}{key}\n{retry}"));
    workspace.set_mode("vip.toml", 0o600);
}

/// How many people the parts on `server` have.
fn people_on(server: &Server) -> usize {
    let parts = server.received();
    parts.iter().map(|part| column(part, "Email").len()).sum()
}

fn query() -> String {
    format!("query = \"{PEOPLE}\"")
}

#[test]
fn init_writes_a_job_from_the_columns_of_a_query() {
    let workspace = Workspace::new();
    let driver = engines::duckdb().display().to_string();
    let drafted = workspace
        .run(&[
            "init", "--name", "made", "--adbc", &driver, "--query", PEOPLE,
        ])
        .exits(0);
    for line in [
        "email = \"Email\"",
        "# tier = \"tier\"",
        "# since = \"since\"",
        "driver = \"",
    ] {
        assert!(drafted.stdout.contains(line), "{line}\n{}", drafted.stdout);
    }
    // Types stand beside the names, values do not.
    let line = drafted
        .stdout
        .lines()
        .find(|line| line.starts_with("email = "))
        .unwrap();
    assert!(
        line.contains('#') && !drafted.stdout.contains("person-0"),
        "{line}"
    );
    workspace.write("made.toml", &drafted.stdout);
    workspace.set_mode("made.toml", 0o600);
    let ran = workspace
        .run(&["run", "made.toml", "--dry-run", "--json"])
        .exits(0);
    ran.reports(&[("rows_written", json!(20_000))]);
    let refused = workspace
        .run(&["init", "--name", "made", "--adbc", &driver])
        .exits(2);
    assert!(
        refused.error().contains("--query is missing"),
        "{}",
        refused.error()
    );
}

#[test]
fn check_describes_the_query_and_asks_for_no_row() {
    let workspace = Workspace::new();
    // A row of it would be an error.
    job(
        &workspace,
        "query = \"SELECT 'a@example.com' AS email, error('a row') AS tier FROM range(3)\"",
        None,
    );
    let checked = workspace.run(&["check", "vip.toml", "--json"]).report();
    let check = |name: &str| {
        let checks = checked["checks"].as_array().unwrap();
        checks
            .iter()
            .find(|check| check["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(check("audience")["status"], "ok", "{checked:#}");
    assert!(
        check("audience")["detail"]
            .as_str()
            .unwrap()
            .contains("2 columns")
    );
    assert_eq!(check("columns")["status"], "ok");
    job(
        &workspace,
        "query = \"SELECT 'a@example.com' AS mail, 1 AS tier\"",
        None,
    );
    let missing = workspace.run(&["check", "vip.toml"]).exits(12);
    assert!(
        missing.stdout.contains("has no column `email`"),
        "{}",
        missing.stdout
    );
    job(&workspace, "query = \"SELEC 1\"", None);
    workspace.run(&["check", "vip.toml"]).exits(12);
}

#[test]
fn estimate_has_the_engine_count() {
    let workspace = Workspace::new();
    job(&workspace, &query(), None);
    let estimated = workspace
        .run(&["estimate", "vip.toml", "--limit", "3000", "--json"])
        .exits(0)
        .report();
    assert_eq!(estimated["rows"], 20_000);
    let preview = workspace
        .run(&["preview", "vip.toml", "--json", "--limit", "100"])
        .exits(0)
        .report();
    assert_eq!(
        (&preview["rows_read"], &preview["whole"]),
        (&json!(100), &json!(false))
    );
}

#[test]
fn statements_come_before_a_run_and_nothing_else() {
    let workspace = Workspace::new();
    let server = workspace.server();
    let marker = workspace.path("marker.csv");
    let before = format!(
        "before = [\"COPY (SELECT 1) TO '{}'\", \"CREATE TABLE vips AS {PEOPLE}\"]",
        marker.display()
    );
    job(&workspace, &format!("{}\n{before}", query()), Some(&server));
    for arguments in [
        &["preview", "vip.toml"][..],
        &["check", "vip.toml"],
        &["estimate", "vip.toml"],
        &["run", "vip.toml", "--dry-run"],
    ] {
        workspace.run(arguments).exits(0);
        assert!(!marker.exists(), "{arguments:?}");
    }
    job(
        &workspace,
        &format!("query = \"SELECT * FROM vips\"\n{before}"),
        Some(&server),
    );
    workspace
        .run(&["run", "vip.toml", "--json"])
        .exits(0)
        .reports(&[("rows_written", json!(20_000))]);
    assert!(marker.exists());
    assert_eq!(people_on(&server), 20_000);
}

#[test]
fn what_needs_a_person_or_a_server_is_settled_before_the_statements() {
    let workspace = Workspace::new();
    let server = workspace.server();
    let marker = workspace.path("marker.csv");
    let audience = format!(
        "{}\nbefore = [\"COPY (SELECT 1) TO '{}'\"]",
        query(),
        marker.display()
    );
    job(&workspace, &audience, Some(&server));
    let good = std::fs::read_to_string(workspace.path("vip.toml")).unwrap();
    let section = server.section();
    let path_of = |key: &str| {
        let line = section.lines().find(|line| line.starts_with(key));
        line.unwrap().split('"').nth(1).unwrap()
    };
    let key = path_of("private-key");
    let locked = workspace.path("locked");
    std::fs::copy(key, &locked).unwrap();
    let encrypted = std::process::Command::new("ssh-keygen")
        .args(["-q", "-p", "-N", "secret", "-f"])
        .arg(&locked)
        .status();
    assert!(encrypted.unwrap().success());
    workspace.set_mode("locked", 0o600);
    for (what, text, code) in [
        (
            "a passphrase that nobody can be asked for",
            good.replace(key, &locked.display().to_string()),
            13,
        ),
        (
            "a host key that is not known",
            good.replace(path_of("known-hosts"), "/dev/null"),
            13,
        ),
    ] {
        workspace.write("vip.toml", text);
        workspace.set_mode("vip.toml", 0o600);
        let refused = workspace.run(&["run", "vip.toml"]);
        assert_eq!(refused.code, code, "{what}: {}", refused.stderr);
        assert!(!marker.exists(), "{what}");
    }
    workspace.write("vip.toml", good);
    workspace.set_mode("vip.toml", 0o600);
    workspace.run(&["run", "vip.toml"]).exits(0);
    assert!(marker.exists());
}

#[test]
fn an_unfinished_run_of_files_goes_on_without_the_statements() {
    let workspace = Workspace::new();
    let out = workspace.path("out.parquet");
    let audience = format!(
        "files = [\"out.parquet\"]\nbefore = [\"COPY ({PEOPLE}) TO '{}' (FORMAT parquet)\"]",
        out.display()
    );
    let server = workspace.server();
    job(&workspace, &audience, None);
    send_nowhere(&workspace, &server);
    workspace.run(&["run", "vip.toml"]).exits(14);
    let made = std::fs::metadata(&out).unwrap().modified().unwrap();
    workspace.run(&["run", "vip.toml"]).exits(14);
    assert_eq!(std::fs::metadata(&out).unwrap().modified().unwrap(), made);
    let again = workspace.run(&["run", "vip.toml", "--fresh"]).exits(14);
    assert!(
        std::fs::metadata(&out).unwrap().modified().unwrap() > made,
        "{}",
        again.stderr
    );
}

#[test]
fn an_unfinished_run_of_a_query_starts_afresh() {
    let workspace = Workspace::new();
    let server = workspace.server();
    job(&workspace, &query(), None);
    send_nowhere(&workspace, &server);
    workspace.run(&["run", "vip.toml"]).exits(14);
    job(&workspace, &query(), Some(&server));
    let ran = workspace.run(&["run", "vip.toml", "--json"]).exits(0);
    let warnings = ran.report()["warnings"].to_string();
    assert!(
        warnings.contains("replaces the unfinished run"),
        "{warnings}"
    );
    assert_eq!(people_on(&server), 20_000);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let workspace = Workspace::new();
    for (audience, message) in [
        (
            "query = \"SELECT 1\"\nquery-file = \"a.sql\"",
            "`audience.query-file` and query are both given",
        ),
        (
            "query = \"SELECT 1\"\nfiles = [\"a.csv\"]",
            "`audience.files` and a query are both given",
        ),
        ("files = [\"a.csv\"]", "`audience.before` is needed"),
        (
            "query = \"SELECT 1\"\nformat = \"csv\"",
            "`audience.format` is for files",
        ),
        ("query = \" \"", "`audience.query` is empty"),
        ("query-file = \"none.sql\"", "none.sql: cannot be read"),
        (
            "query = \"SELECT 1\"\npostgres = \"\"",
            "`audience.adbc` and postgres are both given",
        ),
        (
            "query = \"SELECT 1\"\npassword-env = \"X\"",
            "`audience.password-env` needs postgres",
        ),
    ] {
        job(&workspace, audience, None);
        let refused = workspace.run(&["run", "vip.toml", "--dry-run"]).exits(10);
        assert!(refused.error().contains(message), "{}", refused.error());
    }
    workspace.job(
        "vip",
        "[audience]\nquery = \"SELECT 1\"\n[columns]\nemail = \"Email\"\n",
        None,
    );
    let refused = workspace.run(&["run", "vip.toml", "--dry-run"]).exits(10);
    assert!(
        refused
            .error()
            .contains("`audience.query` needs a connection"),
        "{}",
        refused.error()
    );
}
