//! The fixtures in `fixtures/values/`: rows of cells, and what must leave, whatever the source.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by test crates that use a part of it each; a panic is the failure"
)]

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use super::workspace::{Outcome, Workspace};

/// One kind of values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValueFixture {
    /// The name of its file.
    #[serde(skip)]
    pub(crate) name: String,
    /// The kind, in words.
    about: String,
    /// The names of its columns.
    pub(crate) header: Vec<String>,
    /// Keys of `[normalize]`.
    #[serde(default)]
    normalize: String,
    /// Its rows.
    pub(crate) rows: Vec<Vec<String>>,
    /// The part that must leave.
    sent: String,
    /// The repairs that must be counted.
    repairs: BTreeMap<String, u64>,
    /// The rejections that must be counted.
    rejections: BTreeMap<String, u64>,
}

/// The fixtures in a folder of the repository, with their names, in the order of these.
pub(crate) fn fixtures_in<F: serde::de::DeserializeOwned>(folder: &str) -> Vec<(String, F)> {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "toml"));
    paths.sort();
    let fixture = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let fixture =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, fixture)
    };
    paths.iter().map(fixture).collect()
}

impl ValueFixture {
    /// Every fixture, by name.
    pub(crate) fn all() -> Vec<Self> {
        let fixture = |(name, fixture): (String, Self)| {
            assert!(fixture.about.ends_with('.'), "{name}");
            Self { name, ..fixture }
        };
        fixtures_in("fixtures/values")
            .into_iter()
            .map(fixture)
            .collect()
    }

    /// Rows of an id and a text, which must leave as they are.
    pub(crate) fn of_texts(
        name: &str,
        rows: Vec<Vec<String>>,
        repairs: BTreeMap<String, u64>,
    ) -> Self {
        let cell = |text: &String| {
            if text.contains(['"', ',']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.clone()
            }
        };
        let lines = rows
            .iter()
            .map(|row| format!("\"{}\",{}\n", row[0], cell(&row[1])));
        Self {
            name: name.to_owned(),
            about: String::new(),
            header: ["id", "note"].map(str::to_owned).to_vec(),
            normalize: String::new(),
            sent: format!("ExternalID,Note\n{}", lines.collect::<String>()),
            rows,
            repairs,
            rejections: BTreeMap::new(),
        }
    }

    /// A job file for the rows in `audience`, whose keys of `[audience]` come first in it.
    pub(crate) fn job(&self, audience: &str) -> String {
        let columns = self.header.iter().map(|name| {
            let target = match name.as_str() {
                "id" => "ExternalID",
                "email" => "Email",
                "phone" => "PhoneNumber",
                "country" => "Country",
                _ => "Note",
            };
            format!("{name} = \"{target}\"\n")
        });
        format!(
            "name = \"v\"\n[audience]\nprimary-key = \"external_id\"\n{audience}\n[columns]\n{}[normalize]\nmax-rejected = {{ percent = 100, rows = 1000 }}\n{}",
            columns.collect::<String>(),
            self.normalize
        )
    }

    /// Writes the job into the workspace, runs it dry with these variables, and compares what leaves. `way` names the source.
    #[track_caller]
    pub(crate) fn check(
        &self,
        workspace: &Workspace,
        audience: &str,
        way: &str,
        variables: &[(&str, &str)],
    ) {
        workspace.write("v.toml", self.job(audience));
        workspace.set_mode("v.toml", 0o600);
        let arguments = ["run", "v.toml", "--dry-run", "--json"];
        let outcome = workspace.run_with_env(&arguments, variables);
        self.compare(&outcome.exits(0), workspace, way);
    }

    #[track_caller]
    fn compare(&self, outcome: &Outcome, workspace: &Workspace, way: &str) {
        let name = &self.name;
        assert_eq!(workspace.parts("v").concat(), self.sent, "{name} by {way}");
        let report = outcome.report();
        assert_eq!(report["repairs"], json!(self.repairs), "{name} by {way}");
        let rejections = &report["rejections"];
        assert_eq!(*rejections, json!(self.rejections), "{name} by {way}");
        let rows = report["rows_read"].as_u64().unwrap();
        assert_eq!(rows, self.rows.len() as u64, "{name} by {way}");
    }

    /// The rows as CSV, every cell in quotes.
    pub(crate) fn csv(&self) -> String {
        let lines = std::iter::once(&self.header).chain(&self.rows);
        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        let lines = lines.map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n");
        lines.collect()
    }

    /// The rows as NDJSON.
    pub(crate) fn ndjson(&self) -> String {
        let line = |row: &Vec<String>| {
            let cells = self.header.iter().zip(row);
            let object: serde_json::Map<_, _> = cells
                .map(|(name, cell)| (name.clone(), json!(cell)))
                .collect();
            serde_json::Value::Object(object).to_string() + "\n"
        };
        self.rows.iter().map(line).collect()
    }

    /// A query that gives the rows, in the SQL that every engine knows, as a text of TOML.
    pub(crate) fn query(&self) -> String {
        let literal = |cell: &String| format!(", '{}'", cell.replace('\'', "''"));
        let rows = self.rows.iter().enumerate();
        let rows = rows.map(|(number, row)| {
            let cells = row.iter().map(literal);
            format!("({number}{})", cells.collect::<String>())
        });
        let names = self.header.join(", ");
        let rows = rows.collect::<Vec<_>>().join(", ");
        let query =
            format!("WITH v (n, {names}) AS (VALUES {rows}) SELECT {names} FROM v ORDER BY n");
        // Its escapes are those of JSON, but for one character that JSON leaves as it is.
        json!(query).to_string().replace('\u{7f}', "\\u007F")
    }
}
