//! The oracles of the fuzz targets, over their seeds and over every input that once broke one.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "an oracle says no by a panic"
)]

#[path = "../../fuzz/src/lib.rs"]
mod oracles;

use std::fs;
use std::path::Path;

/// Runs an oracle over the files of `fuzz/seeds/<target>`.
fn run(target: &str, oracle: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut seeds = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        oracle(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 3, "{}", folder.display());
}

#[test]
fn blocks_of_csv_are_what_the_csv_crate_reads() {
    run("blocks", oracles::blocks);
}

#[test]
fn no_line_of_known_hosts_hides_the_next() {
    run("known_hosts", oracles::known_hosts);
}

#[test]
fn no_error_of_a_job_file_quotes_a_value() {
    run("job_file", oracles::job_file);
}

#[test]
fn replies_of_a_server_do_not_depend_on_the_pieces_they_come_in() {
    run("sftp_packets", oracles::sftp_packets);
}

#[test]
fn no_error_of_a_key_file_quotes_the_key() {
    run("key_file", oracles::key_file);
}

#[test]
fn a_manifest_is_the_same_after_it_was_written() {
    run("manifest", oracles::manifest);
}

#[test]
fn no_refusal_quotes_a_value() {
    run("refusal", oracles::refusal);
}
