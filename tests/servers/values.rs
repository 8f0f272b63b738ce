//! The fixtures of `fixtures/values/` by engines: DuckDB and SQLite by ADBC, PostgreSQL by COPY and by ADBC.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::path::Path;

use crate::support::engines;
use crate::support::postgres::{PASSWORD, Postgres};
use crate::support::typed_fixtures::TypedFixture;
use crate::support::value_fixtures::ValueFixture;
use crate::support::workspace::Workspace;

/// The keys of `[audience]` for `query` by an ADBC driver.
fn by_adbc(driver: &Path, uri: &str, query: &str) -> String {
    format!(
        "query = {query}\n[audience.adbc]\ndriver = \"{}\"\n{uri}",
        driver.display()
    )
}

#[test]
fn every_kind_of_values_leaves_as_it_was_meant_from_every_engine() {
    let server = Postgres::start();
    let url = server.url();
    for fixture in ValueFixture::all() {
        let workspace = Workspace::new();
        let query = fixture.query();
        let copy = format!("postgres = \"{url}\"\nquery = {query}");
        let uri = format!("uri = \"{url}\"");
        for (way, audience) in [
            ("DuckDB", by_adbc(&engines::duckdb(), "", &query)),
            ("SQLite", by_adbc(&engines::driver("sqlite"), "", &query)),
            ("PostgreSQL's COPY", copy),
            (
                "PostgreSQL's driver",
                by_adbc(&engines::driver("postgresql"), &uri, &query),
            ),
        ] {
            fixture.check(&workspace, &audience, way, &[("PGPASSWORD", PASSWORD)]);
        }
    }
}

#[test]
fn every_type_has_one_text_from_every_engine_that_has_it() {
    let server = Postgres::start();
    let url = server.url();
    let uri = format!("uri = \"{url}\"");
    for fixture in TypedFixture::all() {
        let workspace = Workspace::new();
        let rows = fixture.rows(true);
        let check = |way: &str, audience: &str| {
            rows.check(&workspace, audience, way, &[("PGPASSWORD", PASSWORD)]);
        };
        if let Some(data_type) = &fixture.duckdb {
            let query = fixture.query(data_type, "DuckDB");
            check("DuckDB", &by_adbc(&engines::duckdb(), "", &query));
        }
        if let Some(data_type) = &fixture.sqlite {
            let query = fixture.query(data_type, "SQLite");
            check("SQLite", &by_adbc(&engines::driver("sqlite"), "", &query));
        }
        if let Some(data_type) = &fixture.postgres {
            let query = fixture.query(data_type, "PostgreSQL");
            let copy = format!("postgres = \"{url}\"\nquery = {query}");
            check("PostgreSQL's COPY", &copy);
            let driver = engines::driver("postgresql");
            check("PostgreSQL's driver", &by_adbc(&driver, &uri, &query));
        }
    }
}
