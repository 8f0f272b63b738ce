//! The same queries by PostgreSQL's ADBC driver.

use super::broken::Scene;
use super::values::{COLUMNS, ROWS, TABLE, assert_everybody};
use super::{EMAIL, Postgres, Workspace, dry, engines};

/// Writes a job that asks `query` by the driver, with `more` keys of `[audience]`.
pub(crate) fn job(
    workspace: &Workspace,
    server: &Postgres,
    query: &str,
    more: &str,
    columns: &str,
) {
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

/// Values of types that the driver does not know, or would change.
const STRANGE: [&str; 27] = [
    "'-1234.5'::money",
    "4294967295::oid",
    "ARRAY[[1,2],[3,4]]",
    "ARRAY[1.50, NULL]::numeric[]",
    "ARRAY[true, NULL]",
    "ARRAY['a\"b', 'c,d', NULL]",
    "ARRAY[timestamp '2026-01-02 03:04:05.9']",
    "'08:00:2b:01:02:03'::macaddr",
    "'1635021365'::xid",
    "ARRAY['10.0.0.1'::inet]",
    "'10.0.0.1'::inet",
    "B'1010110'",
    "ARRAY[B'101']",
    "timetz '12:00+02'",
    "ARRAY[timetz '12:00+02']",
    "interval '1 year 2 mons 3 days 04:05:06.7'",
    "interval '-1 days -02:00'",
    "ARRAY[interval '1 day']",
    "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
    "ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid]",
    "time '24:00'",
    "time '03:04:05.5'",
    "date '9999-12-31'",
    "int4range(1, 5)",
    "'<a/>'::xml",
    "'1 2'::int2vector",
    "'pg_class'::regclass",
];

#[test]
fn values_of_every_type_are_the_same_text_by_either_way() {
    let server = Postgres::start();
    let (mut query, mut columns) = (
        "SELECT 'a@example.com' AS email".to_owned(),
        EMAIL.to_owned(),
    );
    for (index, value) in STRANGE.iter().enumerate() {
        query.push_str(&[", ", value, " AS c", &index.to_string()].concat());
        let number = index.to_string();
        columns.push_str(&["c", &number, " = \"C", &number, "\"\n"].concat());
    }
    let rows = [super::job, job].map(|job| {
        let workspace = Workspace::new();
        job(&workspace, &server, &query, "", &columns);
        let report = dry(&workspace).exits(0).report();
        assert_eq!(report["repairs"], serde_json::json!({}));
        super::workspace::rows(&workspace.parts("vip")[0]).remove(0)
    });
    for (index, value) in STRANGE.iter().enumerate() {
        let name = format!("C{index}");
        assert_eq!(rows[0][&name], rows[1][&name], "{value}");
        assert!(!rows[0][&name].is_empty(), "{value}");
    }
    assert_eq!(rows[1]["C2"], "[[1,2],[3,4]]");
    assert_eq!(rows[1]["C15"], "P1Y2M3DT4H5M6.7S");
}
