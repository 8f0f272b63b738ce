//! The recipes of docs/recipes: each job file is whole, gives the rows that it says from an export with the vendor's header,
//! and the messages that a page names are those of the program.
#![cfg(all(feature = "sandbox", feature = "parquet"))]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Decimal128Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::readme;
use crate::support::workspace::{Outcome, Workspace, column};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a recipe's page.
fn page(vendor: &str) -> String {
    let path = root().join(format!("docs/recipes/{vendor}.md"));
    std::fs::read_to_string(path).unwrap()
}

/// Every page, by its vendor.
fn vendors() -> BTreeSet<String> {
    std::fs::read_dir(root().join("docs/recipes"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// The job files of a page, fragments left out.
fn jobs(page: &str) -> Vec<String> {
    let blocks = readme::blocks_of(page, "toml").into_iter();
    blocks
        .map(|(_, block)| block)
        .filter(|block| block.starts_with("name = "))
        .collect()
}

/// The only job file of a vendor's page, and its name.
fn job(vendor: &str) -> (String, String) {
    let mut jobs = jobs(&page(vendor));
    assert_eq!(jobs.len(), 1, "{vendor}");
    let job = jobs.remove(0);
    let name = job.split('"').nth(1).unwrap().to_owned();
    (job, name)
}

fn sample(name: &str) -> PathBuf {
    root().join("fixtures/recipes").join(name)
}

/// A workspace with the job of a recipe, the secrets that it names, and the export.
struct Recipe {
    workspace: Workspace,
    name: String,
    files: String,
}

impl Recipe {
    /// With `bytes` in the file `export`.
    fn with(vendor: &str, export: &str, bytes: &[u8]) -> Self {
        let (job, name) = job(vendor);
        let workspace = Workspace::new();
        workspace.write("job.toml", job);
        workspace.write(export, bytes);
        workspace.write("home/.config/klaviyo/api-key", "pk_recipe\n");
        workspace.set_mode("home/.config/klaviyo/api-key", 0o600);
        workspace.run(&["keygen"]).exits(0);
        Self {
            workspace,
            name,
            files: format!("audience.files=[\"{export}\"]"),
        }
    }

    fn of(vendor: &str, export: &str) -> Self {
        Self::with(vendor, export, &std::fs::read(sample(export)).unwrap())
    }

    /// Runs a command of the job file, with the export as its audience.
    fn run(&self, arguments: &[&str]) -> Outcome {
        let set = ["job.toml", "--set", &self.files];
        let arguments = [&arguments[..1], &set, &arguments[1..]].concat();
        self.workspace.run(&arguments)
    }

    /// The part of a dry run.
    fn sends(&self) -> String {
        self.run(&["run", "--dry-run"]).exits(0);
        let mut parts = self.workspace.parts(&self.name);
        assert_eq!(parts.len(), 1);
        parts.remove(0)
    }

    fn is_checked(&self) {
        let outcome = self.run(&["check", "--offline", "--json"]).exits(0);
        for check in outcome.report()["checks"].as_array().unwrap() {
            let status = check["status"].as_str().unwrap();
            assert!(["ok", "skipped"].contains(&status), "{check}");
        }
    }
}

/// Fails unless the page of `vendor` names the message, and the program says it; `…` stands for anything.
#[track_caller]
fn assert_told(vendor: &str, message: &str, said: &str) {
    assert!(
        page(vendor).contains(&format!("| `{message}` |")),
        "docs/recipes/{vendor}.md does not name {message}"
    );
    let mut rest = said;
    for piece in message.split('…').map(str::trim) {
        let Some((_, after)) = rest.split_once(piece) else {
            panic!("the program does not say {piece}:\n{said}");
        };
        rest = after;
    }
}

/// The lines of repairs.csv with this code.
fn repairs(recipe: &Recipe, code: &str) -> usize {
    let text = recipe.workspace.of_last_run(&recipe.name, "repairs.csv");
    let codes = column(&text, "code");
    codes.iter().filter(|it| *it == code).count()
}

#[test]
fn every_recipe_is_known_here_and_its_jobs_can_be_explained() {
    let known = [
        "bigquery",
        "databricks",
        "hubspot",
        "postgresql",
        "salesforce",
        "shopify",
        "snowflake",
    ];
    assert_eq!(vendors(), known.map(str::to_owned).into());
    for vendor in known {
        let (job, _) = job(vendor);
        for section in ["[audience]", "[columns]", "[sftp]", "[list]", "[klaviyo]"] {
            assert!(job.contains(section), "{vendor}: {section}");
        }
        let workspace = Workspace::new();
        workspace.write("job.toml", job);
        workspace.set_mode("job.toml", 0o600);
        workspace.write("vip.sql", "SELECT 1");
        workspace.run(&["check", "job.toml", "--explain"]).exits(0);
    }
}

#[test]
fn exports_with_the_vendors_headers_are_sent_as_the_recipes_say() {
    for vendor in ["shopify", "salesforce", "hubspot"] {
        let recipe = Recipe::of(vendor, &format!("{vendor}.csv"));
        recipe.is_checked();
        let expected = std::fs::read_to_string(sample(&format!("{vendor}.sent.csv"))).unwrap();
        let sent = recipe.sends();
        assert!(sent == expected, "{vendor}:\n{sent}");
    }
}

#[test]
fn headers_of_the_samples_are_those_of_the_header_sets() {
    for (vendor, set) in [
        ("shopify", "shopify-customers"),
        ("hubspot", "hubspot-contacts"),
    ] {
        let text = std::fs::read_to_string(sample(&format!("{vendor}.csv"))).unwrap();
        let set = root().join(format!("fixtures/headers/{set}.txt"));
        let set = std::fs::read_to_string(set).unwrap();
        let (_, rows) = set.split_once("---\n").unwrap();
        assert_eq!(text.lines().next(), rows.lines().next(), "{vendor}");
    }
}

#[test]
fn messages_of_the_recipe_for_shopify_come() {
    let recipe = Recipe::of("shopify", "shopify.csv");
    let run = recipe.run(&["run", "--dry-run"]).exits(0);
    let told = |message: &str, said: &str| assert_told("shopify", message, said);
    told("apostrophe …", &run.stdout);
    told("ExternalID is the only identifier of … row", &run.stdout);
    assert!(repairs(&recipe, "apostrophe") > 5);
    let keep = recipe.run(&["run", "--dry-run", "--set", "audience.unlisted=keep"]);
    told(
        "`Accepts Email Marketing` looks like consent: to send it anyway",
        &keep.exits(10).stderr,
    );
    // A spreadsheet has had the file in its hands.
    let text = std::fs::read_to_string(sample("shopify.csv")).unwrap();
    let rounded = text.replace("'8779761975521", "8.77976E+12");
    let recipe = Recipe::with("shopify", "shopify.csv", rounded.as_bytes());
    let run = recipe.run(&["run", "--dry-run"]).exits(0);
    told("scientific-notation …", &run.stdout);
}
