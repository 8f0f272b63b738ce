//! The same queries by PostgreSQL's ADBC driver.

use super::broken::Scene;
use super::values::{COLUMNS, ROWS, TABLE, assert_everybody};
use super::{EMAIL, Postgres, Workspace, dry, engines};

/// Writes a job that asks `query` by the driver, with `more` keys of `[audience]`.
fn job(workspace: &Workspace, server: &Postgres, query: &str, more: &str, columns: &str) {
    let driver = engines::driver("postgresql");
    let body = format!(
        "name = \"vip\"\n[audience]\nquery = '''{query}'''\n{more}\n[audience.adbc]\ndriver = \"{}\"\nuri = \"{}\"\n{columns}",
        driver.display(),
        server.url()
    );
    workspace.write("vip.toml", body);
    workspace.set_mode("vip.toml", 0o600);
}

#[test]
fn a_hundred_thousand_rows_are_the_same_bytes_by_either_way() {
    let server = Postgres::start();
    server.shop(TABLE);
    let query = "SELECT * FROM people ORDER BY id";
    let parts = [super::job, job].map(|job| {
        let workspace = Workspace::new();
        job(&workspace, &server, query, "", COLUMNS);
        let report = dry(&workspace).exits(0).report();
        assert_eq!(report["rows_written"], ROWS);
        workspace.parts("vip")
    });
    assert_everybody(&parts[0]);
    let [copied, by_driver] = &parts;
    assert!(copied == by_driver, "the parts are not the same");
}

#[test]
fn a_killed_backend_ends_the_run_and_the_next_one_asks_again() {
    Scene::new(job).assert_survives_a_kill(&["the rows broke off"]);
}

#[test]
fn a_wrong_password_is_not_repeated() {
    let server = Postgres::start();
    let workspace = Workspace::new();
    job(&workspace, &server, "SELECT 1 AS email", "", EMAIL);
    let variables = [("PGPASSWORD", "geheim-too")];
    let outcome = workspace.run_with_env(&["run", "vip.toml", "--dry-run"], &variables);
    let outcome = outcome.exits(12);
    assert!(
        outcome.error().contains("or the login failed"),
        "{}",
        outcome.stderr
    );
    super::assert_is_discreet(&outcome);
}

#[test]
fn parameters_are_bound_by_the_server() {
    let server = Postgres::start();
    let workspace = Workspace::new();
    let query = "SELECT p.email FROM (VALUES ('a@example.com', 1), ('b@example.com', 2)) AS p (email, n) WHERE p.n >= $1 AND p.email <> $2";
    let parameters = "parameters = { least = 2, never = \"c@example.com\" }";
    job(&workspace, &server, query, parameters, EMAIL);
    dry(&workspace).exits(0);
    assert_eq!(workspace.parts("vip"), ["Email\n\"b@example.com\"\n"]);
}
