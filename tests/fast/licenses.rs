//! The licences in the program are those of the crates that are linked into it, with every text and notice.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use klaviyo_export_packaging::licenses::{FEATURES, LIST, list};
use klaviyo_export_packaging::linked::{Features, Linked, linked};
use klaviyo_export_packaging::sbom::sbom;

use crate::support::workspace::Workspace;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The crates of the build that the list is for.
static CRATES: LazyLock<Vec<Linked>> =
    LazyLock::new(|| linked(root(), &Features::and(&FEATURES)).unwrap());

#[test]
fn the_list_in_the_program_is_that_of_its_crates() {
    let expected = list(root(), &CRATES).unwrap();
    let found = std::fs::read(root().join(LIST)).unwrap();
    let found = String::from_utf8(zstd::decode_all(&*found).unwrap()).unwrap();
    let difference = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
    assert!(
        expected == found,
        "{LIST} is out of date, from here on: {difference:?}\nrun: cargo run --package klaviyo-export-packaging -- licenses"
    );
}

#[test]
fn the_table_names_each_library_with_its_licence() {
    let outcome = Workspace::new().run(&["licenses"]).exits(0);
    assert_eq!(outcome.stderr, "");
    let rows: Vec<Vec<&str>> = outcome
        .stdout
        .lines()
        .filter(|line| line.starts_with("  "))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let others = || CRATES.iter().filter(|linked| !linked.is_own);
    assert_eq!(rows.len(), others().count());
    assert!(rows.len() > 300, "{}", outcome.stdout);
    for (row, linked) in rows.iter().zip(others()) {
        assert_eq!(row[..2], [&*linked.name, &*linked.version]);
        assert!(row.len() > 2, "{row:?}");
    }
    // Neither what tests need, nor what only runs in a build.
    for name in ["insta", "rcgen", "openssl", "syn", "cc", "serde_derive"] {
        assert!(rows.iter().all(|row| row[0] != name), "{name}");
    }
    assert!(outcome.stdout.ends_with("klaviyo-export licenses --text\n"));
}

#[test]
fn every_text_and_notice_is_printed() {
    let outcome = Workspace::new().run(&["licenses", "--text"]).exits(0);
    let text = outcome.stdout;
    for piece in [
        include_str!("../../LICENSE"),
        // Of the NOTICE files that Apache-2.0 asks to keep.
        "Apache Arrow\nCopyright",
        "The Apache Software Foundation (http://www.apache.org/).",
        // Texts of crates that bring none.
        "Copyright (c) Andreas Fuchs <asf@boinkor.net>",
        "Boost Software License - Version 1.0",
        // Of C code in a crate.
        "For Zstandard software",
    ] {
        assert!(text.contains(piece), "{piece}");
    }
    // Every library has at least one text.
    let (_, texts) = text.split_once("-----\n").unwrap();
    let titles: BTreeSet<&str> = texts
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .flat_map(|line| line.trim_end_matches(',').split(", "))
        .collect();
    for linked in CRATES.iter().filter(|linked| !linked.is_own) {
        assert!(titles.contains(&*linked.title()), "{}", linked.title());
    }
    assert!(!text.contains("GNU GENERAL PUBLIC LICENSE\n"));
    assert!(!text.contains("<year>") && !text.contains("<copyright holders>"));
}

#[test]
fn the_bill_of_materials_has_each_crate_with_its_digest_and_whom_it_needs() {
    let bill = sbom(root(), &CRATES).unwrap();
    let components = bill["components"].as_array().unwrap();
    assert_eq!(components.len() + 1, CRATES.len());
    assert_eq!(bill["metadata"]["component"]["name"], "klaviyo-export");
    for component in components {
        let is_own = component["name"] == "klaviyo-export-sandbox";
        let digest = component["hashes"][0]["content"].as_str();
        assert!(
            is_own || digest.is_some_and(|it| it.len() == 64),
            "{component}"
        );
    }
    // Everything is needed by something, and all of it is there.
    let mut needed = vec!["klaviyo-export".to_owned()];
    for dependency in bill["dependencies"].as_array().unwrap() {
        for one in dependency["dependsOn"].as_array().unwrap() {
            needed.push(one.as_str().unwrap().to_owned());
        }
    }
    for component in components {
        let purl = component["purl"].as_str().unwrap();
        assert!(needed.iter().any(|one| one == purl), "nothing needs {purl}");
    }
}
