//! An audience that is a query of a real PostgreSQL server: values, logins, TLS, and queries that end early.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may end by a panic"
)]

mod broken;
#[cfg(feature = "adbc")]
mod by_adbc;
#[cfg(feature = "adbc")]
mod login;
mod recipe;
mod refused;
mod values;

use crate::support::engines;
use crate::support::postgres;
use crate::support::workspace;
use postgres::{PASSWORD, Postgres};
use workspace::{Outcome, Workspace};

/// Which column is which, where a query has no more than an address.
const EMAIL: &str = "[columns]\nemail = \"Email\"\n";

/// Writes a job that asks `query`, with `more` keys of `[audience]`.
fn job(workspace: &Workspace, server: &Postgres, query: &str, more: &str, columns: &str) {
    let url = server.url();
    workspace.write(
        "vip.toml",
        format!("name = \"vip\"\n[audience]\npostgres = \"{url}\"\nquery = '''{query}'''\n{more}\n{columns}"),
    );
}

/// Runs the job dry, with the password in `PGPASSWORD`.
fn dry(workspace: &Workspace) -> Outcome {
    let outcome = workspace.run_with_env(
        &["run", "vip.toml", "--dry-run", "--json"],
        &[("PGPASSWORD", PASSWORD)],
    );
    assert_is_discreet(&outcome);
    outcome
}

/// Fails when a password is in what was said.
fn assert_is_discreet(outcome: &Outcome) {
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(!text.contains("geheim"), "{text}");
    }
}
