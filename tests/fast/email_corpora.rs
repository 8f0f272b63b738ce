//! The corpora of two validators of e-mail addresses: every address is judged as they judge it, or the difference has a row in
//! the docs.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use crate::support::workspace::{Workspace, rows};

/// One address of a corpus.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judged {
    /// The address.
    address: String,
    /// `valid` or `invalid`, by the validator.
    verdict: String,
    /// The address that is sent for it; empty if none.
    sent: String,
    /// The reason why this is not the verdict, as the docs name it.
    difference: Option<String>,
}

const JOB: &str = "[audience]\nfiles = [\"a.ndjson\"]\nprimary-key = \"external_id\"\n[columns]\nid = \"ExternalID\"\nemail = \"Email\"\n\
    [normalize]\nnon-ascii-email = \"send\"\nshared-identifiers = \"report\"\nmax-rejected = { percent = 100, rows = 1000 }\n";

fn corpus(name: &str) -> Vec<Judged> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/emails")
        .join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// The addresses that are sent, by the number of their row.
fn sent(corpus: &[Judged]) -> BTreeMap<usize, String> {
    let workspace = Workspace::new();
    let lines = corpus.iter().enumerate().map(|(number, judged)| {
        json!({ "id": number.to_string(), "email": judged.address }).to_string() + "\n"
    });
    workspace.write("a.ndjson", lines.collect::<String>());
    workspace.job("emails", JOB, None);
    workspace.run(&["run", "emails.toml", "--dry-run"]).exits(0);
    let part = workspace.parts("emails").concat();
    let rows = rows(&part).into_iter();
    rows.map(|mut row| {
        (
            row["ExternalID"].parse().unwrap(),
            row.remove("Email").unwrap(),
        )
    })
    .collect()
}

#[test]
fn addresses_are_judged_as_other_validators_do_or_the_docs_say_why_not() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/columns-and-values.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let mut differences = BTreeSet::new();
    for name in ["email-validator.ndjson", "isemail.ndjson"] {
        let corpus = corpus(name);
        let sent = sent(&corpus);
        for (number, judged) in corpus.into_iter().enumerate() {
            let Judged { address, .. } = &judged;
            let found = sent.get(&number).map_or("", String::as_str);
            assert_eq!(found, judged.sent, "{name}: {address:?}");
            let is_alike = (judged.verdict == "valid") != judged.sent.is_empty();
            assert_eq!(is_alike, judged.difference.is_none(), "{name}: {address:?}");
            differences.extend(judged.difference);
        }
    }
    for difference in differences {
        let row = format!("| `{difference}` |");
        assert!(docs.contains(&row), "the docs have no row {row}");
    }
}
