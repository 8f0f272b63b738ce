//! Queries by ADBC with real engines: DuckDB over files, SQLite. `tests/engines` fetches them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as well"
)]

use crate::support::engines;
use crate::support::workspace;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use workspace::{LIMIT, Outcome, Workspace};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/warehouse")
        .join(name)
}

/// A job file that nobody else can write, whatever the umask.
fn job(workspace: &Workspace, body: &str) {
    workspace.job("vip", body, None);
    workspace.set_mode("vip.toml", 0o600);
}

/// `[audience.adbc]` with DuckDB by its path.
fn duckdb() -> String {
    format!(
        "[audience.adbc]\ndriver = \"{}\"\n",
        engines::duckdb().display()
    )
}

/// A job that asks DuckDB in memory.
fn asking(workspace: &Workspace, audience: &str, columns: &str) {
    let body = format!("[audience]\n{audience}\n{}[columns]\n{columns}\n", duckdb());
    job(workspace, &body);
}

#[track_caller]
fn dry_run(workspace: &Workspace) -> Outcome {
    workspace.run(&["run", "vip.toml", "--dry-run", "--json"])
}

/// The bytes of the only part.
#[track_caller]
fn part(workspace: &Workspace) -> String {
    dry_run(workspace).exits(0);
    let mut parts = workspace.parts("vip");
    assert_eq!(parts.len(), 1);
    parts.remove(0)
}

/// The money that customers have spent: CSV, JSON and Parquet joined.
fn spending(since: &str) -> String {
    format!(
        "SELECT c.email, c.first_name, count(DISTINCT i.id) AS orders, sum(l.price * l.quantity) AS spent,
       max(i.day) AS last_order, list(DISTINCT l.article ORDER BY l.article) AS articles
FROM '{}' c JOIN '{}' i ON i.customer = c.id JOIN '{}' l ON l.invoice = i.id
WHERE i.paid AND i.day >= {since}
GROUP BY ALL ORDER BY c.email;",
        fixture("customers.csv").display(),
        fixture("invoices.json").display(),
        fixture("lines.parquet").display()
    )
}

const SPENDING_COLUMNS: &str = "email = \"Email\"\nfirst_name = \"FirstName\"\norders = \"Orders\"\nspent = \"Spent\"\nlast_order = \"Last Order\"\narticles = \"Articles\"";

#[test]
fn duckdb_joins_and_adds_up_csv_json_and_parquet() {
    let workspace = Workspace::new();
    workspace.write("vip.sql", spending("DATE '2025-01-01'"));
    asking(&workspace, "query-file = \"vip.sql\"", SPENDING_COLUMNS);
    assert_eq!(
        part(&workspace),
        r#"Email,FirstName,Orders,Spent,Last Order,Articles
"ana@example.com",Ana,2,66.00,2026-03-09 12:00:00,"[""mug"",""tea""]"
"bo@example.com","Bo ""B"" Berg",1,39.95,2025-11-30 12:00:00,"[""pot""]"
"eve@example.com",Eve 🎈,1,84.95,2026-02-28 12:00:00,"[""mug"",""pot"",""tea""]"
"#
    );
    let preview = workspace
        .run(&["preview", "vip.toml", "--show-values"])
        .exits(0);
    assert!(preview.stdout.contains("84.95"), "{}", preview.stdout);
    assert!(
        preview.stdout.starts_with("query: 6 columns\n"),
        "{}",
        preview.stdout
    );
}

#[test]
fn parameters_are_bound_in_their_order() {
    let workspace = Workspace::new();
    workspace.write(
        "vip.sql",
        spending("CAST(? AS DATE) AND l.quantity >= ? AND ? AND l.price < ?"),
    );
    asking(
        &workspace,
        "query-file = \"vip.sql\"\nparameters = { since = \"2026-01-01\", least = 2, all = true, below = 12.5 }",
        SPENDING_COLUMNS,
    );
    assert_eq!(
        part(&workspace),
        r#"Email,FirstName,Orders,Spent,Last Order,Articles
"ana@example.com",Ana,2,54.00,2026-03-09 12:00:00,"[""tea""]"
"eve@example.com",Eve 🎈,1,45.00,2026-02-28 12:00:00,"[""mug"",""tea""]"
"#
    );
}

#[test]
fn named_parameter_is_bound() {
    let workspace = Workspace::new();
    workspace.write("vip.sql", spending("CAST($since AS DATE)"));
    let audience = "query-file = \"vip.sql\"\nparameters = { since = \"2026-02-20\" }";
    asking(&workspace, audience, SPENDING_COLUMNS);
    let part = part(&workspace);
    assert_eq!(
        workspace::column(&part, "Email"),
        ["ana@example.com", "eve@example.com"]
    );
}

/// DuckDB's driver does not say which name has which place.
#[test]
fn names_whose_places_are_unknown_are_refused() {
    let workspace = Workspace::new();
    let parameters = "parameters = { name = \"Ana\", mail = \"ana@example.com\" }";
    let columns = "email = \"Email\"\nname = \"Name\"";
    let query = "query = \"SELECT $mail AS email, $name AS name\"";
    asking(&workspace, &format!("{query}\n{parameters}"), columns);
    let outcome = dry_run(&workspace).exits(12);
    let advice = "does not say where name is; write $1, $2 … or ? in the query";
    assert!(outcome.error().contains(advice), "{}", outcome.stderr);
    let query = "query = \"SELECT $2 AS email, $1 AS name\"";
    asking(&workspace, &format!("{query}\n{parameters}"), columns);
    assert_eq!(part(&workspace), "Email,Name\n\"ana@example.com\",Ana\n");
}

/// Every type of DuckDB that may stand in a query, as the rules for typed values have it.
const TYPES: &[(&str, &str)] = &[
    (
        "12345678901234567890.1234567890::DECIMAL(38,10)",
        "12345678901234567890.1234567890",
    ),
    ("(-0.05)::DECIMAL(4,2)", "-0.05"),
    (
        "170141183460469231731687303715884105727::HUGEINT",
        "170141183460469231731687303715884105727",
    ),
    ("18446744073709551615::UBIGINT", "18446744073709551615"),
    ("1e20::DOUBLE", "100000000000000000000"),
    ("'nan'::DOUBLE", ""),
    ("0.1::FLOAT", "0.1"),
    ("true", "True"),
    ("DATE '2026-02-28'", "2026-02-28 12:00:00"),
    ("'infinity'::DATE", ""),
    ("TIMESTAMP '2026-02-28 13:14:15.999'", "2026-02-28 13:14:15"),
    (
        "'2026-02-28 13:14:15+02'::TIMESTAMPTZ",
        "2026-02-28 11:14:15",
    ),
    ("'infinity'::TIMESTAMP", ""),
    ("TIME '13:14:15'", "13:14:15"),
    ("TIME '24:00:00'", "24:00:00"),
    ("TIME '13:14:15.5'", "13:14:15.5"),
    ("'12:34:56+02'::TIMETZ", "12:34:56+02"),
    ("'12:34:56-05:30'::TIMETZ", "12:34:56-05:30"),
    ("INTERVAL '14 months 3 days 4 hours'", "P1Y2M3DT4H"),
    ("DATE '9999-12-31'", "9999-12-31 12:00:00"),
    ("TIMESTAMP '9999-12-31 23:59:59'", "9999-12-31 23:59:59"),
    ("DATE '0001-01-01'", "0001-01-01 12:00:00"),
    (
        "340282366920938463463374607431768211455::UHUGEINT",
        "340282366920938463463374607431768211455",
    ),
    (
        "[340282366920938463463374607431768211455::UHUGEINT]",
        "[340282366920938463463374607431768211455]",
    ),
    (
        "(-170141183460469231731687303715884105728)::HUGEINT",
        "-170141183460469231731687303715884105728",
    ),
    ("'1010110'::BIT", "1010110"),
    ("['101'::BIT]", "[\"101\"]"),
    (
        "['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID]",
        "[\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"]",
    ),
    (
        "['infinity'::DATE, DATE '2026-02-28']",
        "[null,\"2026-02-28 12:00:00\"]",
    ),
    ("'infinity'::DOUBLE", ""),
    ("['a', 'b\"c', NULL]", "[\"a\",\"b\\\"c\",null]"),
    ("[1.50, 2]::DECIMAL(4,2)[]", "[1.50,2.00]"),
    ("[[1], [2, 3]]", "[[1],[2,3]]"),
    ("[true, false]", "[true,false]"),
    ("[DATE '2026-02-28']", "[\"2026-02-28 12:00:00\"]"),
    ("[1, 2]::INT[2]", "[1,2]"),
    ("[]::INT[]", "[]"),
    ("'gold'::ENUM('silver', 'gold')", "gold"),
    (
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    ("'text'::BLOB", "text"),
    ("'{\"a\": 1}'::JSON", "{\"a\": 1}"),
    ("NULL", ""),
    ("NULL::DATE", ""),
];

#[test]
fn types_of_duckdb_are_text_by_the_rules() {
    let workspace = Workspace::new();
    let (mut query, mut columns) = (
        "SELECT 'ana@example.com' AS email".to_owned(),
        "email = \"Email\"\n".to_owned(),
    );
    for (index, (sql, _)) in TYPES.iter().enumerate() {
        query.push_str(&[", ", sql, " AS c", &index.to_string()].concat());
        columns.push_str(
            &[
                "c",
                &index.to_string(),
                " = \"C",
                &index.to_string(),
                "\"\n",
            ]
            .concat(),
        );
    }
    workspace.write("vip.sql", query);
    asking(&workspace, "query-file = \"vip.sql\"", &columns);
    let row = workspace::rows(&part(&workspace)).remove(0);
    for (index, (sql, expected)) in TYPES.iter().enumerate() {
        assert_eq!(&row[&format!("C{index}")], expected, "{sql}");
    }
}

#[test]
fn objects_are_rejected_as_nested_values() {
    let workspace = Workspace::new();
    for sql in ["{'a': 1}", "MAP {'a': 1}", "[{'a': 1}]"] {
        let query = format!("query = \"SELECT 'ana@example.com' AS email, {sql} AS tier\"");
        asking(
            &workspace,
            &format!("on-empty = \"skip\"\n{query}"),
            "email = \"Email\"\ntier = \"Tier\"",
        );
        let report = dry_run(&workspace).exits(0).report();
        assert_eq!(report["rejections"], json!({"nested-value": 1}), "{sql}");
    }
}

#[test]
fn before_and_the_query_share_a_connection() {
    let workspace = Workspace::new();
    let server = workspace.server();
    let body = format!(
        "[audience]\nbefore = [\"CREATE TEMP TABLE vip AS SELECT 'ana@example.com' AS email\", \"INSERT INTO vip VALUES ('bo@example.com')\"]
query = \"SELECT email FROM vip ORDER BY email\"\n{}[columns]\nemail = \"Email\"",
        duckdb()
    );
    workspace.job("vip", &body, Some(&server));
    workspace.set_mode("vip.toml", 0o600);
    workspace.run(&["run", "vip.toml"]).exits(0);
    assert_eq!(
        server.received(),
        ["Email\n\"ana@example.com\"\n\"bo@example.com\"\n"]
    );
    // A statement that fails is named by its number, and its text is not shown.
    workspace.job(
        "vip",
        &body.replace(
            "INSERT INTO vip VALUES ('bo",
            "INSERT INTO nowhere VALUES ('bo",
        ),
        Some(&server),
    );
    workspace.set_mode("vip.toml", 0o600);
    let outcome = workspace.run(&["run", "vip.toml"]).exits(12);
    assert!(
        outcome.stderr.contains("before statement 2"),
        "{}",
        outcome.stderr
    );
    assert!(
        !outcome.stderr.contains("bo@example.com"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn options_come_from_the_environment_too() {
    let workspace = Workspace::new();
    let database = workspace.path("shop.db").display().to_string();
    let audience = "[audience]\nquery = \"SELECT email FROM vip\"\n";
    let adbc = format!("{}option-env = {{ path = \"SHOP_DB\" }}\n", duckdb());
    let body = format!(
        "{audience}before = [\"CREATE OR REPLACE TABLE vip AS SELECT 'ana@example.com' AS email\"]\n{adbc}[columns]\nemail = \"Email\""
    );
    let server = workspace.server();
    workspace.job("vip", &body, Some(&server));
    workspace.set_mode("vip.toml", 0o600);
    let outcome = workspace.run(&["run", "vip.toml"]).exits(12);
    assert!(
        outcome
            .stderr
            .contains("option-env path: the variable SHOP_DB is not set"),
        "{}",
        outcome.stderr
    );
    workspace
        .run_with_env(&["run", "vip.toml"], &[("SHOP_DB", &database)])
        .exits(0);
    assert!(Path::new(&database).exists());
    // A dry run leaves `before` out: the table is in the file.
    let report = workspace.run_with_env(
        &["run", "vip.toml", "--dry-run", "--json"],
        &[("SHOP_DB", &database)],
    );
    report.exits(0).reports(&[("rows_written", json!(1))]);
}

const BY_NAME: &str = "[audience]\nquery = \"SELECT 'ana@example.com' AS email\"\n[audience.adbc]\ndriver = \"duckdb\"\n[columns]\nemail = \"Email\"";

#[test]
fn driver_is_found_by_name_through_a_manifest_of_the_user() {
    let workspace = Workspace::new();
    job(&workspace, BY_NAME);
    let manifest = format!(
        "manifest_version = 1\nname = \"DuckDB\"\n[Driver]\nentrypoint = \"duckdb_adbc_init\"\nshared = \"{}\"\n",
        engines::duckdb().display()
    );
    workspace.write("home/.config/adbc/drivers/duckdb.toml", &manifest);
    dry_run(&workspace).exits(0);
    workspace.set_mode("home/.config/adbc/drivers/duckdb.toml", 0o666);
    let outcome = dry_run(&workspace).exits(12);
    assert!(
        outcome
            .stderr
            .contains("duckdb.toml: others can write it (mode 666)"),
        "{}",
        outcome.stderr
    );
    workspace.write("elsewhere/duckdb.toml", &manifest);
    let folder = workspace.path("elsewhere").display().to_string();
    let arguments = ["run", "vip.toml", "--dry-run"];
    workspace
        .run_with_env(&arguments, &[("ADBC_DRIVER_PATH", &folder)])
        .exits(0);
}

#[test]
fn driver_is_never_taken_from_the_working_directory() {
    let workspace = Workspace::new();
    job(&workspace, BY_NAME);
    std::os::unix::fs::symlink(engines::duckdb(), workspace.path("libduckdb.so")).unwrap();
    let manifest = format!("[Driver]\nshared = \"{}\"\n", engines::duckdb().display());
    workspace.write("duckdb.toml", manifest);
    let here = workspace.path("").display().to_string();
    for variables in [
        vec![],
        vec![("ADBC_DRIVER_PATH", "."), ("LD_LIBRARY_PATH", &here)],
    ] {
        let arguments = ["run", "vip.toml", "--dry-run"];
        let outcome = workspace.run_with_env(&arguments, &variables).exits(12);
        for part in [
            "no ADBC driver named duckdb in",
            "home/.config/adbc/drivers",
            "/etc/adbc/drivers",
            "@duckdb/node-bindings",
        ] {
            assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
        }
    }
}

#[test]
fn job_file_that_others_can_write_loads_no_driver() {
    let workspace = Workspace::new();
    asking(&workspace, "query = \"SELECT 1\"", "email = \"Email\"");
    workspace.set_mode("vip.toml", 0o664);
    let outcome = dry_run(&workspace).exits(10);
    assert!(outcome.stderr.contains("chmod go-w"), "{}", outcome.stderr);
}

#[test]
fn what_must_not_stand_in_a_job_file_is_refused() {
    let workspace = Workspace::new();
    for (adbc, expected) in [
        ("driver = \"./libduckdb.so\"", "audience.adbc.driver"),
        ("driver = \"\"", "audience.adbc.driver"),
        (
            "driver = \"x\"\noptions = { password = \"s3cret\" }",
            "option-env",
        ),
        (
            "driver = \"x\"\nuri = \"postgresql://ana:s3cret@db/shop\"",
            "option-env",
        ),
        (
            "driver = \"x\"\nuri = \"sc://127.0.0.1:1/;token=s3cret\"",
            "option-env",
        ),
    ] {
        let body = format!(
            "[audience]\nquery = \"SELECT 1\"\n[audience.adbc]\n{adbc}\n[columns]\nemail = \"Email\""
        );
        job(&workspace, &body);
        let outcome = dry_run(&workspace).exits(10);
        assert!(
            outcome.stderr.contains(expected),
            "{adbc}: {}",
            outcome.stderr
        );
        assert!(
            !outcome.stderr.contains("s3cret"),
            "{adbc}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn other_machines_are_not_reached_from_a_test() {
    let workspace = Workspace::new();
    let driver = engines::driver("postgresql");
    let body = format!(
        "[audience]\nquery = \"SELECT 1\"\n[audience.adbc]\ndriver = \"{}\"\nuri = \"postgresql://192.0.2.1/db\"\n[columns]\nemail = \"Email\"",
        driver.display()
    );
    job(&workspace, &body);
    let outcome = dry_run(&workspace).exits(12);
    assert!(
        outcome.stderr.contains("192.0.2.1 is not this machine"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn query_that_is_wrong_ends_the_run_with_codes_alone() {
    let workspace = Workspace::new();
    asking(
        &workspace,
        "query = \"SELECT 'ana@example.com' FROM nowhere\"",
        "email = \"Email\"",
    );
    let outcome = dry_run(&workspace).exits(12);
    assert!(outcome.stderr.contains("query: "), "{}", outcome.stderr);
    assert!(
        !outcome.stderr.contains("ana@example.com") && !outcome.stderr.contains("nowhere"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn rows_that_break_off_end_the_run() {
    let workspace = Workspace::new();
    let server = workspace.server();
    let body = format!(
        "[audience]\nquery = \"SELECT 'p' || i || '@example.com' AS email, CASE WHEN i = 900000 THEN error('p' || i) ELSE 1 END AS one FROM range(1000000) t(i)\"
{}[columns]\nemail = \"Email\"\none = \"One\"\n[parts]\nmax-rows = 1000000",
        duckdb()
    );
    workspace.job("vip", &body, Some(&server));
    workspace.set_mode("vip.toml", 0o600);
    let outcome = workspace.run(&["run", "vip.toml"]).exits(12);
    assert!(!outcome.stderr.contains("p900000"), "{}", outcome.stderr);
    assert!(server.received().is_empty());
}

#[test]
fn signal_ends_a_long_query() {
    let workspace = Workspace::new();
    // Hours of work before the first row.
    let query = "SELECT 'p' || max(sin(a.i) + cos(b.i)) || '@example.com' AS email FROM range(1000000) a(i), range(10000000) b(i)";
    asking(
        &workspace,
        &format!("query = \"{query}\""),
        "email = \"Email\"",
    );
    let child = workspace
        .command(&["run", "vip.toml", "--dry-run"])
        .spawn()
        .unwrap();
    let process = Pid::from_raw(child.id().cast_signed()).unwrap();
    // DuckDB has threads of its own once it works.
    let tasks = format!("/proc/{}/task", child.id());
    let begun = Instant::now();
    while std::fs::read_dir(&tasks).unwrap().count() < 4 {
        assert!(begun.elapsed() < LIMIT, "DuckDB does not begin");
        std::thread::yield_now();
    }
    kill_process(process, Signal::INT).unwrap();
    Outcome::of(child).exits(130);
}

#[test]
fn sqlite_gives_its_rows() {
    let workspace = Workspace::new();
    let database = workspace.path("shop.db");
    let script = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('CREATE TABLE p (email TEXT, spent REAL, orders INTEGER, note BLOB)')
db.executemany('INSERT INTO p VALUES (?, ?, ?, ?)', [('ana@example.com', 1.5, 3, b'x'), ('bo@example.com', None, 7, None), ('old@example.com', 9.0, 1, None)])
db.commit()";
    let made = std::process::Command::new(engines::python())
        .args(["-c", script])
        .arg(&database)
        .status();
    assert!(made.unwrap().success());
    job(
        &workspace,
        &format!(
            "[audience]\nquery = \"SELECT email, spent, orders, note FROM p WHERE orders >= :least AND email <> :never ORDER BY email\"\nparameters = {{ never = \"x@example.com\", least = 3 }}
[audience.adbc]\ndriver = \"{}\"\nuri = \"{}\"\n[columns]\nemail = \"Email\"\nspent = \"Spent\"\norders = \"Orders\"\nnote = \"Note\"",
            engines::driver("sqlite").display(),
            database.display()
        ),
    );
    assert_eq!(
        part(&workspace),
        "Email,Spent,Orders,Note\n\"ana@example.com\",1.5,3,x\n\"bo@example.com\",,7,\n"
    );
}

/// The values of one column of SQLite, and their texts. Its driver would give the column the type of the first.
const STORED: [(&str, &str); 12] = [
    ("'text'", "text"),
    ("NULL", ""),
    ("3.5", "3.5"),
    ("4.0", "4"),
    ("0.1 + 0.2", "0.30000000000000004"),
    ("1e20", "100000000000000000000"),
    ("-1e-7", "-0.0000001"),
    ("9e999", ""),
    ("9007199254740993", "9007199254740993"),
    ("-9223372036854775808", "-9223372036854775808"),
    ("x'6162'", "ab"),
    ("'r1.5'", "r1.5"),
];

#[test]
fn values_of_sqlite_have_the_text_of_their_own_type() {
    let workspace = Workspace::new();
    let rows = STORED.iter().enumerate();
    let rows = rows.map(|(n, (sql, _))| format!("('c{n}@example.com', {sql})"));
    let values = rows.collect::<Vec<_>>().join(", ");
    // More rows than the driver looks at before it chooses a type.
    let query = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         SELECT 'n' || i || '@example.com' AS email, i AS value FROM n UNION ALL SELECT * FROM (VALUES {values}); -- all"
    );
    workspace.write("q.sql", query);
    let driver = engines::driver("sqlite");
    job(
        &workspace,
        &format!(
            "[audience]\nquery-file = \"q.sql\"\n[audience.adbc]\ndriver = \"{}\"\n[columns]\nemail = \"Email\"\nvalue = \"Value\"",
            driver.display()
        ),
    );
    let report = dry_run(&workspace).exits(0).report();
    assert_eq!(report["repairs"], json!({ "unrepresentable": 1 }));
    let rows = workspace::rows(&workspace.parts("vip").concat());
    assert_eq!(rows[1_999]["Value"], "2000");
    for (row, (sql, expected)) in rows[2_000..].iter().zip(STORED) {
        assert_eq!(row["Value"], expected, "{sql}");
    }
    // Bytes that are no text reject their row.
    workspace.write(
        "q.sql",
        "SELECT 'a@example.com' AS email, x'ff' AS value UNION ALL SELECT 'b@example.com', 'b'",
    );
    let report = dry_run(&workspace).exits(0).report();
    assert_eq!(report["rejections"], json!({ "invalid-encoding": 1 }));
    let estimated = workspace.run(&["estimate", "vip.toml", "--json"]).exits(0);
    assert_eq!(estimated.report()["rows"], 1);
}

#[test]
fn named_parameters_of_sqlite_are_those_of_the_job() {
    let workspace = Workspace::new();
    let asking = |parameters: &str| {
        let body = format!(
            "[audience]\nquery = \"SELECT :mail AS email, :name AS name\"\nparameters = {{ {parameters} }}
[audience.adbc]\ndriver = \"{}\"\n[columns]\nemail = \"Email\"\nname = \"Name\"",
            engines::driver("sqlite").display()
        );
        job(&workspace, &body);
    };
    asking("name = \"Ana\", mail = \"ana@example.com\"");
    assert_eq!(part(&workspace), "Email,Name\n\"ana@example.com\",Ana\n");
    asking("name = \"Ana\"");
    let outcome = dry_run(&workspace).exits(12);
    let told = "the parameters of the query are mail, name; audience.parameters must give each";
    assert!(outcome.error().contains(told), "{}", outcome.stderr);
}

#[test]
#[ignore = "slow lane"]
fn ten_million_rows_of_duckdb_need_little_memory() {
    let workspace = Workspace::new();
    let query = "SELECT 'person' || i || '@example.com' AS email, 'First' || (i % 1000) AS first_name, i % 97 AS orders, DATE '2026-01-01' - (i % 365)::INT AS last_order FROM range(10000000) t(i)";
    asking(
        &workspace,
        &format!("query = \"{query}\""),
        "email = \"Email\"\nfirst_name = \"FirstName\"\norders = \"Orders\"\nlast_order = \"Last Order\"",
    );
    // The parts are on disk: memory is what is measured.
    let state = tempfile::tempdir().unwrap();
    let mut command = workspace.command(&["run", "vip.toml", "--dry-run", "--json"]);
    let mut child = command
        .env("KLAVIYO_EXPORT_STATE_DIR", state.path())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0));
        std::thread::park_timeout(std::time::Duration::from_millis(100));
    }
    let outcome = Outcome::of(child).exits(0);
    let report: Value = outcome.report();
    assert_eq!(report["rows_written"], json!(10_000_000));
    println!("peak {} MB, {}", peak * 1024 / 1_000_000, report["seconds"]);
    assert!(peak * 1024 <= 400_000_000, "{peak} kB");
}

/// A file that DuckDB or SQLite has made, with one person in its table.
fn shop(workspace: &Workspace, engine: &str) -> String {
    let name = format!("{engine}.db");
    let path = workspace.path(&name).display().to_string();
    let (driver, place) = match engine {
        "duckdb" => (
            engines::duckdb(),
            format!("options = {{ path = \"{path}\" }}"),
        ),
        _ => (engines::driver("sqlite"), format!("uri = \"{path}\"")),
    };
    let adbc = format!(
        "[audience.adbc]\ndriver = \"{}\"\n{place}\n",
        driver.display()
    );
    let before = "before = [\"CREATE TABLE people AS SELECT 'ana@example.com' AS email\"]\n";
    let body = format!(
        "[audience]\n{before}query = \"SELECT email FROM people\"\n{adbc}[columns]\nemail = \"Email\""
    );
    job(workspace, &body);
    workspace
        .run(&["run", "vip.toml", "--before-only"])
        .exits(0);
    adbc
}

/// A job that asks `query` of the engine of [`shop`].
fn asking_shop(workspace: &Workspace, adbc: &str, query: &str) {
    workspace.write("vip.sql", query);
    let body = format!("[audience]\nquery-file = \"vip.sql\"\n{adbc}[columns]\nemail = \"Email\"");
    job(workspace, &body);
}

/// The names of the files, and what is in the databases.
fn files(workspace: &Workspace) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(workspace.path("")).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.display().to_string(),
                std::fs::read(&path).unwrap_or_default(),
            )
        })
        .filter(|(name, _)| !name.contains("vip."))
        .collect();
    files.sort();
    files
}

#[test]
fn queries_that_write_are_refused_where_nothing_is_to_change() {
    let table = include_str!("../../fixtures/queries/writing.sql");
    let statements: Vec<&str> = table.lines().filter(|it| !it.starts_with("-- ")).collect();
    for engine in ["duckdb", "sqlite"] {
        let workspace = Workspace::new();
        let adbc = shop(&workspace, engine);
        let before = files(&workspace);
        for statement in &statements {
            asking_shop(&workspace, &adbc, statement);
            for arguments in [
                &["preview", "vip.toml"][..],
                &["check", "vip.toml"],
                &["estimate", "vip.toml"],
                &["run", "vip.toml", "--dry-run"],
            ] {
                let outcome = workspace.run(arguments);
                let said = format!("{}{}", outcome.stdout, outcome.stderr);
                assert_eq!(
                    outcome.code, 12,
                    "{engine} {arguments:?} {statement}: {said}"
                );
                let is_told = said.contains("audience.before") && !said.contains("w@example");
                assert!(is_told, "{engine} {arguments:?} {statement}: {said}");
            }
        }
        assert!(files(&workspace) == before, "{engine}: a file has changed");
    }
}

#[test]
fn a_run_executes_one_statement_that_writes_and_says_so() {
    for engine in ["duckdb", "sqlite"] {
        let workspace = Workspace::new();
        let server = workspace.server();
        let adbc = shop(&workspace, engine);
        let run = |query: &str| {
            workspace.write("vip.sql", query);
            let body = format!(
                "[audience]\nquery-file = \"vip.sql\"\non-empty = \"skip\"\n{adbc}[columns]\nemail = \"Email\""
            );
            workspace.job("vip", &body, Some(&server));
            workspace.set_mode("vip.toml", 0o600);
            workspace.run(&["run", "vip.toml", "--json"])
        };
        let several = run("DELETE FROM people; SELECT email FROM people").exits(12);
        let advice = "several statements, and a query is one; put those before the last one into audience.before";
        assert!(several.error().contains(advice), "{}", several.stderr);
        let warning = "it may write (DELETE); each run executes it";
        let wrote = run("DELETE FROM people RETURNING email").exits(0).report();
        assert_eq!(wrote["rows_written"], 1, "{engine}");
        assert!(wrote["warnings"].to_string().contains(warning), "{wrote}");
        let left = run("SELECT email FROM people").exits(0).report();
        assert_eq!(left["rows_read"], 0, "{engine}");
        assert!(!left["warnings"].to_string().contains("write"), "{left}");
    }
}

/// The engine refuses what the text does not show, where it can.
#[test]
fn database_files_are_opened_for_reading_alone_by_dry_commands() {
    let workspace = Workspace::new();
    let adbc = shop(&workspace, "duckdb");
    let before = "before = [\"CREATE SEQUENCE ids\"]\n";
    let body =
        format!("[audience]\n{before}query = \"SELECT 1\"\n{adbc}[columns]\nemail = \"Email\"");
    job(&workspace, &body);
    workspace
        .run(&["run", "vip.toml", "--before-only"])
        .exits(0);
    let before = files(&workspace);
    asking_shop(
        &workspace,
        &adbc,
        "SELECT email || nextval('ids') AS email FROM people",
    );
    workspace.run(&["run", "vip.toml", "--dry-run"]).exits(12);
    asking_shop(&workspace, &adbc, "SELECT email FROM people");
    workspace.run(&["run", "vip.toml", "--dry-run"]).exits(0);
    assert!(files(&workspace) == before, "a file has changed");
    // A database in the mode that keeps a log beside it is read as well.
    let workspace = Workspace::new();
    let adbc = shop(&workspace, "sqlite");
    let before = "before = [\"PRAGMA journal_mode = WAL\", \"INSERT INTO people VALUES ('bo@example.com')\"]\n";
    let body =
        format!("[audience]\n{before}query = \"SELECT 1\"\n{adbc}[columns]\nemail = \"Email\"");
    job(&workspace, &body);
    workspace
        .run(&["run", "vip.toml", "--before-only"])
        .exits(0);
    asking_shop(&workspace, &adbc, "SELECT email FROM people");
    let report = dry_run(&workspace).exits(0).report();
    assert_eq!(report["rows_written"], 2);
}

#[test]
fn records_of_nulls_and_blanks_are_no_rows() {
    let workspace = Workspace::new();
    asking(
        &workspace,
        "query = \"SELECT * FROM (VALUES (NULL, NULL), ('a@example.com', 1), ('  ', NULL), (NULL, 2), (NULL, 'nan'::DOUBLE)) AS t(email, score)\"",
        "email = \"Email\"",
    );
    let outcome = dry_run(&workspace).exits(0);
    outcome.reports(&[
        ("rows_read", json!(2)),
        ("rows_blank", json!(3)),
        ("rows_written", json!(1)),
        ("rows_rejected", json!(1)),
    ]);
    let rejects = workspace::rows(&workspace.of_last_run("vip", "rejects.csv"));
    assert_eq!(rejects[0]["_record"], "4");
}

#[test]
fn what_cannot_be_told_is_counted_or_refused_by_name() {
    let workspace = Workspace::new();
    let query = "query = \"SELECT 'ana@example.com' AS email, 'infinity'::DATE AS day, ['-infinity'::DOUBLE, 1.5] AS scores\"";
    let columns = "email = \"Email\"\nday = \"Day\"\nscores = \"Scores\"";
    asking(&workspace, query, columns);
    let report = dry_run(&workspace).exits(0).report();
    assert_eq!(report["repairs"], json!({"unrepresentable": 2}));
    let repairs = workspace::rows(&workspace.of_last_run("vip", "repairs.csv"));
    assert_eq!(repairs[0]["column"], "day");
    assert_eq!(repairs[1]["value"], "'-inf");
    let query = "query = \"SELECT 'ana@example.com' AS email, '1'::BIGNUM AS many\"";
    asking(&workspace, query, "email = \"Email\"");
    let refused = dry_run(&workspace).exits(12);
    let words = "column many is bignum, which the driver returns in a form of its own; cast it in the query, such as CAST(many AS VARCHAR)";
    assert!(refused.error().contains(words), "{}", refused.stderr);
}

/// Written by `pyarrow`: no writer in Rust has checksums.
#[test]
fn a_page_of_parquet_whose_checksum_is_wrong_is_refused() {
    let workspace = Workspace::new();
    let path = workspace.path("a.parquet");
    let program = "import sys, pyarrow, pyarrow.parquet as parquet
table = pyarrow.table({'email': ['p%d@example.com' % n for n in range(1000)]})
parquet.write_table(table, sys.argv[1], compression='none', use_dictionary=False, write_statistics=False, write_page_checksum=True)";
    let mut python = std::process::Command::new(engines::python());
    let written = python.args(["-c", program]).arg(&path).status().unwrap();
    assert!(written.success());
    let audience = "[audience]\nfiles = [\"a.parquet\"]\n[columns]\nemail = \"Email\"\n";
    workspace.job("vip", audience, None);
    dry_run(&workspace).exits(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|it| it == b"p500@").unwrap();
    bytes[at] = b'q';
    std::fs::write(&path, bytes).unwrap();
    let failed = dry_run(&workspace).exits(12);
    let words = "a.parquet: this Parquet file cannot be read";
    assert!(failed.error().contains(words), "{}", failed.stderr);
}
