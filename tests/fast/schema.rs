//! `schema`: the schemas that the program prints, and that the one of the job file takes what the program takes.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use jsonschema::Validator;
use klaviyo_export::job::file::JobFile;
use serde_json::Value;

use crate::jobs::fixtures;
use crate::readme::{blocks, keys::whole_job};
use crate::support::workspace::Workspace;

fn printed(kind: &str) -> Value {
    let workspace = Workspace::new();
    let outcome = workspace.run(&["schema", kind]).exits(0);
    assert_eq!(outcome.stderr, "");
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn job_schema() -> Validator {
    jsonschema::validator_for(&printed("job")).unwrap()
}

/// The faults that a schema finds in a job file's text.
fn faults(schema: &Validator, text: &str) -> Vec<String> {
    let table: toml::Table = text.parse().unwrap();
    let value = serde_json::to_value(table).unwrap();
    let faults = schema.iter_errors(&value);
    faults
        .map(|fault| format!("{fault} at {}", fault.instance_path()))
        .collect()
}

#[test]
fn all_are_schemas_of_the_newest_draft() {
    for kind in ["job", "report", "notice", "progress"] {
        let schema = printed(kind);
        assert!(jsonschema::meta::is_valid(&schema), "{kind}");
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{kind}"
        );
    }
}

#[test]
fn every_good_job_fits() {
    let schema = job_schema();
    for path in fixtures("good") {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(faults(&schema, &text), [""; 0], "{}", path.display());
    }
}

#[test]
fn every_job_file_of_the_guide_fits() {
    let schema = job_schema();
    let jobs = blocks("toml");
    assert!(jobs.len() >= 10, "{}", jobs.len());
    for (_, fragment) in jobs {
        let text = whole_job(&fragment);
        assert_eq!(faults(&schema, &text), [""; 0], "{text}");
    }
}

/// Unknown keys, wrong types and missing keys are all that a schema of types can know.
#[test]
fn bad_jobs_that_no_type_has_do_not_fit() {
    let schema = job_schema();
    let mut refused = 0;
    for path in fixtures("bad") {
        let text = std::fs::read_to_string(&path).unwrap();
        if text.parse::<toml::Table>().is_err() {
            continue;
        }
        let is_read = JobFile::parse(&text).is_ok();
        let found = faults(&schema, &text);
        if is_read {
            assert_eq!(found, [""; 0], "{}: the program reads it", path.display());
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        if [
            "unknown-key",
            "unknown-section",
            "far-off-key",
            "wrong-type",
            "no-columns",
            "no-name",
        ]
        .contains(&name)
        {
            assert_ne!(found, [""; 0], "{name}");
            refused += 1;
        }
    }
    assert_eq!(refused, 6);
}

#[test]
fn every_key_is_described_and_none_may_be_null() {
    let schema = printed("job");
    let text = schema.to_string();
    assert!(
        !text.contains(":null") && !text.contains("\"null\""),
        "{text}"
    );
    let definitions = schema["$defs"].as_object().unwrap().values();
    let mut keys = 0;
    for section in definitions.chain([&schema]) {
        let Some(properties) = section["properties"].as_object() else {
            continue;
        };
        assert_eq!(
            section["additionalProperties"],
            Value::Bool(false),
            "{section}"
        );
        for (key, about) in properties {
            assert!(about["description"].is_string(), "{key}: {about}");
            keys += 1;
        }
    }
    assert!(keys > 100, "{keys}");
}

/// Editors look for the schema in the first line alone.
#[test]
fn a_new_job_file_names_its_schema_and_fits() {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    let printed = workspace.run(&["init", "a.csv"]).exits(0);
    assert!(
        printed.stdout.starts_with(
            "#:schema ./klaviyo-export.schema.json\n# For editors:             klaviyo-export schema job > klaviyo-export.schema.json\n"
        ),
        "{}",
        printed.stdout
    );
    assert_eq!(faults(&job_schema(), &printed.stdout), [""; 0]);
}
