//! The engines that `tests/engines` fetched: drivers, DuckDB, Pythons with Spark, with parsers of monitoring, and with what
//! reads the examples.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by test crates that use a part of it each; a panic is the failure"
)]

use std::path::{Path, PathBuf};

/// The folder of the engines.
pub(crate) fn folder() -> PathBuf {
    let folder = std::env::var_os("KLAVIYO_EXPORT_ENGINES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/engines"),
        PathBuf::from,
    );
    existing(folder)
}

/// DuckDB's library.
pub(crate) fn duckdb() -> PathBuf {
    existing(folder().join("duckdb/libduckdb.so"))
}

/// The packages that open pages in a browser: playwright-core and axe-core.
pub(crate) fn browser() -> PathBuf {
    existing(folder().join("browser"))
}

/// Taplo, a program for node that editors use for TOML.
pub(crate) fn taplo() -> PathBuf {
    existing(folder().join("taplo/dist/cli.js"))
}

/// cargo-deny, and the schemas of CycloneDX.
pub(crate) fn policy() -> PathBuf {
    existing(folder().join("policy"))
}

/// The driver of PyPI's `adbc-driver-NAME`.
pub(crate) fn driver(name: &str) -> PathBuf {
    let module = format!("adbc_driver_{name}");
    existing(packages().join(&module).join(format!("lib{module}.so")))
}

/// Where Python's packages are.
pub(crate) fn packages() -> PathBuf {
    let libraries = existing(folder().join("venv/lib"));
    let mut versions = std::fs::read_dir(libraries).unwrap();
    existing(
        versions
            .next()
            .unwrap()
            .unwrap()
            .path()
            .join("site-packages"),
    )
}

/// The Python that has them.
pub(crate) fn python() -> PathBuf {
    existing(folder().join("venv/bin/python"))
}

/// The Python that has SFTP servers.
pub(crate) fn sftp_python() -> PathBuf {
    existing(folder().join("sftp/bin/python"))
}

/// The folder of packages that has npm's `ssh2`.
pub(crate) fn ssh2() -> PathBuf {
    existing(folder().join("ssh2/node_modules"))
}

/// The Python that has the parsers of monitoring.
pub(crate) fn monitoring_python() -> PathBuf {
    existing(folder().join("monitoring/bin/python"))
}

/// A program that reads the container file, the examples or the book; `python` is the Python of their libraries.
pub(crate) fn reader(name: &str) -> PathBuf {
    existing(folder().join("readers/bin").join(name))
}

/// The folder with the programs of an orchestrator, which `tests/engines --all` fetches.
pub(crate) fn orchestrator(name: &str) -> PathBuf {
    existing(folder().join("orchestrators").join(name).join("bin"))
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is not there: run tests/engines",
        path.display()
    );
    path
}
