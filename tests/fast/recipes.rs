//! The recipes of docs/recipes: each job file is whole, gives the rows that it says from an export with the vendor's header,
//! and the messages that a page names are those of the program.
#![cfg(all(feature = "sandbox", feature = "parquet"))]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, RecordBatch, StringArray, TimestampMicrosecondArray};
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

    /// How many cells repairs.csv has with this code.
    fn repairs(&self, code: &str) -> usize {
        let text = self.workspace.of_last_run(&self.name, "repairs.csv");
        let codes = column(&text, "code");
        codes.iter().filter(|it| *it == code).count()
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

/// The export of a warehouse as Parquet, with types that no CSV has.
fn write_parquet(path: &Path) {
    let texts = |cells: &[Option<&str>]| Arc::new(StringArray::from(cells.to_vec())) as ArrayRef;
    let spent = Decimal128Array::from(vec![12_050, 8_900]);
    // 2026-11-23 14:27:14 and a fraction.
    let last = TimestampMicrosecondArray::from(vec![Some(1_795_444_034_500_000), None]);
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("email", texts(&[Some("Zoe@Example.com"), None]), true),
        (
            "phone",
            texts(&[Some("(212) 555-0110"), Some("0151 23456789")]),
            true,
        ),
        ("id", texts(&[Some("007"), Some("8")]), true),
        ("first_name", texts(&[Some("Zoe"), Some("Jürgen")]), true),
        ("country", texts(&[Some("US"), Some("DE")]), true),
        (
            "spent",
            Arc::new(spent.with_precision_and_scale(12, 2).unwrap()) as ArrayRef,
            true,
        ),
        (
            "last_order",
            Arc::new(last.with_timezone("UTC")) as ArrayRef,
            true,
        ),
    ])
    .unwrap();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn files_of_warehouses_are_sent_as_the_recipes_say() {
    for vendor in ["bigquery", "databricks"] {
        let recipe = Recipe::with(vendor, "part-0.parquet", b"");
        write_parquet(&recipe.workspace.path("part-0.parquet"));
        recipe.is_checked();
        assert_eq!(
            recipe.sends(),
            "Email,PhoneNumber,ExternalID,FirstName,Country,Spent,Last Order\n\
             \"zoe@example.com\",\"+12125550110\",\"007\",Zoe,US,120.50,2026-11-23 14:27:14\n\
             \"\",\"+4915123456789\",\"8\",Jürgen,DE,89.00,\n"
        );
    }
}

#[test]
fn messages_of_the_recipe_for_shopify_come() {
    let told = |message: &str, said: &str| assert_told("shopify", message, said);
    let recipe = Recipe::of("shopify", "shopify.csv");
    let run = recipe.run(&["run", "--dry-run"]).exits(0);
    told("apostrophe …", &run.stdout);
    told("ExternalID is the only identifier of …", &run.stdout);
    assert_eq!(recipe.repairs("apostrophe"), 10);
    let keep = recipe.run(&["run", "--dry-run", "--set", "audience.unlisted=keep"]);
    told(
        "header … looks like consent: to send it anyway",
        &keep.exits(10).stderr,
    );
    // A spreadsheet has had the file in its hands.
    let text = std::fs::read_to_string(sample("shopify.csv")).unwrap();
    let rounded = text.replace("'8779761975521", "8.77976E+12");
    let recipe = Recipe::with("shopify", "shopify.csv", rounded.as_bytes());
    let run = recipe.run(&["run", "--dry-run"]).exits(0);
    told("scientific-notation …", &run.stdout);
    let orders = Recipe::with(
        "shopify",
        "orders.csv",
        b"Name,Email,Id\n#1001,zoe@example.com,1\n",
    );
    told(
        "has no column …",
        &orders.run(&["run", "--dry-run"]).exits(12).stderr,
    );
}

#[test]
fn messages_of_the_recipe_for_salesforce_come() {
    let told = |message: &str, said: &str| assert_told("salesforce", message, said);
    let workspace = Workspace::new();
    workspace.write(
        "report.csv",
        std::fs::read(sample("salesforce-report.csv")).unwrap(),
    );
    let send = ["send", "report.csv", "--default-region", "US", "--dry-run"];
    let report = workspace.run(&send).exits(0);
    told("ragged-row …", &report.stdout);
    assert_eq!(
        workspace.parts("report"),
        [
            "Email,PhoneNumber,ExternalID,FirstName,LastName,Title,Organization,City,Country\n\
             \"zoe@example.com\",\"+12125550110\",\"0035e00000A0bCd\",Zoe,Miller,Head of Sales,Acme Inc,Columbus,United States\n\
             \"\",\"+14165550112\",\"0035e00000A2bCd\",Ana,Lopez,Buyer,Initech,Toronto,Canada\n"
        ]
    );
    let text = std::fs::read_to_string(sample("salesforce.csv")).unwrap();
    let (western, _, _) = encoding_rs::WINDOWS_1252.encode(&text);
    let western = Recipe::with("salesforce", "a.csv", &western);
    let run = western.run(&["run", "--dry-run"]).exits(0);
    told("many bytes are not UTF-8; it is likely …", &run.stdout);
    let workbook = Recipe::with("salesforce", "a.xlsx", b"PK\x03\x04");
    let run = workbook.run(&["run", "--dry-run"]).exits(12);
    told("a workbook is not read; save it as CSV", &run.stderr);
    let lower = Recipe::with("salesforce", "a.csv", text.to_lowercase().as_bytes());
    let run = lower.run(&["run", "--dry-run"]).exits(12);
    told("has no column …; did you mean …", &run.stderr);
    let missing = western.workspace.run(&["run", "job.toml", "--dry-run"]);
    told("no file matches", &missing.exits(12).stderr);
}

#[test]
fn messages_of_the_recipe_for_hubspot_come() {
    let told = |message: &str, said: &str| assert_told("hubspot", message, said);
    let recipe = Recipe::of("hubspot", "hubspot.csv");
    let run = recipe.run(&["run", "--dry-run"]).exits(0);
    told("ExternalID is the only identifier of …", &run.stdout);
    let packed = Recipe::with(
        "hubspot",
        "export.zip",
        b"PK\x03\x04\x14\0\0\0\x08\0contacts.csv",
    );
    let run = packed.run(&["run", "--dry-run"]).exits(12);
    told("a zip archive … which is not read; …", &run.stderr);
    let text = std::fs::read_to_string(sample("hubspot.csv")).unwrap();
    let spanish = text.replace("Record ID", "ID de registro");
    let spanish = Recipe::with("hubspot", "a.csv", spanish.as_bytes());
    let run = spanish.run(&["run", "--dry-run"]).exits(12);
    told("has no column …; it has …", &run.stderr);
    let several = text.replace("zoe@example.com", "zoe@example.com;zoe@home.example.com");
    let several = Recipe::with("hubspot", "a.csv", several.as_bytes());
    let run = several.run(&["run", "--dry-run"]).exits(0);
    told("several-emails …", &run.stdout);
}

/// The rows of a table below a heading that ends the page.
fn messages(page: &str) -> Vec<String> {
    let (_, table) = page.split_once("\n## Messages\n").unwrap();
    readme::first_cells(table)
}

#[test]
fn messages_of_every_recipe_are_those_of_the_program() {
    let source = readme::messages::source_text();
    for vendor in vendors() {
        let messages = messages(&page(&vendor));
        assert!(messages.len() >= 5, "{vendor}");
        for message in messages {
            for piece in message.split(['…', ':']).map(str::trim) {
                assert!(source.contains(piece), "{vendor}: {piece}");
            }
        }
    }
}
