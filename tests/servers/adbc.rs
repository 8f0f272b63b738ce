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

/// What customers have spent: CSV, JSON and Parquet joined.
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
"ana@example.com",Ana,2,66.00,2026-03-09 00:00:00,"[""mug"",""tea""]"
"bo@example.com","Bo ""B"" Berg",1,39.95,2025-11-30 00:00:00,"[""pot""]"
"eve@example.com",Eve 🎈,1,84.95,2026-02-28 00:00:00,"[""mug"",""pot"",""tea""]"
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
"ana@example.com",Ana,2,54.00,2026-03-09 00:00:00,"[""tea""]"
"eve@example.com",Eve 🎈,1,45.00,2026-02-28 00:00:00,"[""mug"",""tea""]"
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
#[test]
fn types_of_duckdb_are_text_by_the_rules() {
    let cases = [
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
        ("DATE '2026-02-28'", "2026-02-28 00:00:00"),
        ("'infinity'::DATE", ""),
        ("TIMESTAMP '2026-02-28 13:14:15.999'", "2026-02-28 13:14:15"),
        (
            "'2026-02-28 13:14:15+02'::TIMESTAMPTZ",
            "2026-02-28 11:14:15",
        ),
        ("'infinity'::TIMESTAMP", ""),
        ("TIME '13:14:15'", "13:14:15"),
        ("['a', 'b\"c', NULL]", "[\"a\",\"b\\\"c\",null]"),
        ("[1.50, 2]::DECIMAL(4,2)[]", "[1.50,2.00]"),
        ("[[1], [2, 3]]", "[[1],[2,3]]"),
        ("[true, false]", "[true,false]"),
        ("[DATE '2026-02-28']", "[\"2026-02-28 00:00:00\"]"),
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
    let workspace = Workspace::new();
    let (mut query, mut columns) = (
        "SELECT 'ana@example.com' AS email".to_owned(),
        "email = \"Email\"\n".to_owned(),
    );
    for (index, (sql, _)) in cases.iter().enumerate() {
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
    for (index, (sql, expected)) in cases.iter().enumerate() {
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
