//! Queries that the server, or the program, refuses; and the statements that come before.

use super::{EMAIL, PASSWORD, Postgres, Workspace, assert_is_discreet, dry, job};

#[test]
fn a_refusal_says_what_and_where_in_words_of_our_own() {
    let server = Postgres::start();
    server.shop(
        "CREATE TABLE people AS SELECT 'geheim@example.com' AS email;
         CREATE TABLE closed (email text); REVOKE ALL ON closed FROM ana;
         CREATE FUNCTION writes() RETURNS text LANGUAGE sql AS $$ INSERT INTO people VALUES ('w') RETURNING email $$",
    );
    let workspace = Workspace::new();
    for (query, words) in [
        (
            "SELECT email\nFROM people\nWHERE WHERE",
            "a syntax error, or more than one statement (SQLSTATE 42601) at line 3, column 7",
        ),
        (
            "SELECT '☃', mail FROM people",
            "no such column (SQLSTATE 42703) at line 1, column 13",
        ),
        (
            "SELECT email FROM nobody",
            "no such table (SQLSTATE 42P01) at line 1, column 19",
        ),
        (
            "SELECT email FROM closed",
            "the user is not permitted to do this (SQLSTATE 42501)",
        ),
        (
            "SELECT writes() AS email",
            "it writes, and a query runs in a read-only transaction (SQLSTATE 25006)",
        ),
        (
            "SELECT email FROM people WHERE email::int = 1",
            "a value does not fit (SQLSTATE 22P02)",
        ),
        (
            "SELECT email, 1/(length(email)-18) FROM people",
            "a division by zero (SQLSTATE 22012)",
        ),
        (
            "SELECT 1; DROP TABLE people",
            "more than one statement (SQLSTATE 42601)",
        ),
        (
            "SELECT 1) AS q (c1)) TO STDOUT --",
            "(SQLSTATE 42601) at line 1, column 9",
        ),
        (
            "DELETE FROM people RETURNING email",
            "it must be one SELECT, VALUES, TABLE or WITH that changes nothing",
        ),
        ("SHOW timezone", "it must be one SELECT"),
        (
            "SELECT email FROM people WHERE email = $1",
            "has parameters such as $1",
        ),
        ("SELECT FROM people", "gives no columns"),
        ("DELETE FROM people", "gives no columns"),
    ] {
        job(&workspace, &server, query, "", EMAIL);
        let outcome = dry(&workspace).exits(12);
        assert!(
            outcome.error().contains(words),
            "{query}\n{}",
            outcome.stderr
        );
    }
    assert_eq!(server.shop("SELECT count(*) FROM people").trim(), "1");
}

#[test]
fn queries_that_write_are_refused_by_either_way() {
    let server = Postgres::start();
    server.shop("CREATE TABLE people AS SELECT 'geheim@example.com' AS email");
    let workspace = Workspace::new();
    let table = include_str!("../../../fixtures/queries/writing.sql");
    for statement in table.lines().filter(|it| !it.starts_with("-- ")) {
        // No quotes of TOML are in the way of those of SQL.
        job(&workspace, &server, statement, "", EMAIL);
        dry(&workspace).exits(12);
        #[cfg(feature = "adbc")]
        {
            super::by_adbc::job(&workspace, &server, statement, "", EMAIL);
            let outcome = dry(&workspace).exits(12);
            let is_told = outcome.error().contains("audience.before");
            assert!(is_told, "{statement}: {}", outcome.stderr);
        }
    }
    assert_eq!(server.shop("SELECT count(*) FROM people").trim(), "1");
    assert_eq!(
        server.shop("SELECT to_regclass('written') IS NULL").trim(),
        "t"
    );
}

#[test]
fn a_statement_has_its_time_and_no_more() {
    let server = Postgres::start();
    let workspace = Workspace::new();
    let query = "SELECT 'a@example.com' AS email FROM pg_sleep(600)";
    job(
        &workspace,
        &server,
        query,
        "statement-timeout = \"200ms\"",
        EMAIL,
    );
    let outcome = dry(&workspace).exits(12);
    let words = "query: stopped by statement-timeout after 200ms";
    assert!(outcome.error().contains(words), "{}", outcome.stderr);
    assert_eq!(server.running("pg_sleep"), "");
}

#[test]
fn statements_before_the_query_share_its_connection_and_are_not_run_dry() {
    let server = Postgres::start();
    let workspace = Workspace::new();
    let sandbox = workspace.server();
    let before = "before = [\"CREATE TEMPORARY TABLE vip AS SELECT 'a@example.com' AS email\", \"CREATE TABLE seen AS TABLE vip\"]";
    let columns = format!("{EMAIL}\n{}", sandbox.section());
    job(&workspace, &server, "TABLE vip", before, &columns);
    let outcome = dry(&workspace).exits(12);
    assert!(
        outcome.error().contains("no such table (SQLSTATE 42P01)"),
        "{}",
        outcome.stderr
    );

    let variables = [("PGPASSWORD", PASSWORD)];
    let run = || workspace.run_with_env(&["run", "vip.toml", "--json"], &variables);
    run().exits(0);
    assert_eq!(sandbox.received(), ["Email\n\"a@example.com\"\n"]);
    assert_eq!(
        server.shop("SELECT email FROM seen").trim(),
        "a@example.com"
    );

    // The second time, the second statement fails: the table is there.
    let outcome = run().exits(12);
    assert_is_discreet(&outcome);
    let words = "before statement 2 of 2: a table with this name exists already (SQLSTATE 42P07)";
    assert!(outcome.error().contains(words), "{}", outcome.stderr);
    assert_eq!(sandbox.received().len(), 1);
}
