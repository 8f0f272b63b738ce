//! Keys of the job file and their defaults, and the job files in the pages.

use std::collections::{BTreeMap, BTreeSet};

use klaviyo_export::job::file::{GuardSection, JobFile, ListSection};
use serde_json::Value;

use super::{blocks, page, rows, section};

/// Sections that a job file needs, added to a fragment that does not have them.
const REST_OF_A_JOB: [(&str, &str); 2] = [
    ("[audience]", "[audience]\nfiles = [\"a.csv\"]\n"),
    ("[columns]", "[columns]\nemail = \"Email\"\n"),
];

/// The fragment with what a job file needs.
pub(crate) fn whole_job(fragment: &str) -> String {
    let mut text = fragment.to_owned();
    for (section, lines) in REST_OF_A_JOB {
        if !fragment.contains(section) {
            text.push('\n');
            text.push_str(lines);
        }
    }
    let top = fragment.split('[').next().unwrap_or_default();
    if !top.contains("name = ") {
        text.insert_str(0, "name = \"x\"\n");
    }
    text
}

fn parse_job(fragment: &str) -> JobFile {
    let text = whole_job(fragment);
    JobFile::parse(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// Every key of a job file with its section, and its default as the program has it.
fn known_keys() -> BTreeMap<(String, String), Value> {
    let job = JobFile {
        list: Some(ListSection::default()),
        guard: Some(GuardSection::default()),
        ..JobFile::default()
    };
    let Value::Object(top) = serde_json::to_value(job).unwrap() else {
        panic!("a job file is a table");
    };
    let mut keys = BTreeMap::new();
    for (name, value) in top {
        match value {
            Value::Object(section) => {
                for (key, value) in section {
                    keys.insert((name.clone(), key), value);
                }
            }
            value => {
                keys.insert((String::new(), name), value);
            }
        }
    }
    keys
}

#[test]
fn keys_and_defaults_are_those_of_a_job_file() {
    let known = known_keys();
    let mut told = BTreeSet::new();
    for name in [
        "",
        "audience",
        "normalize",
        "delta",
        "parts",
        "sftp",
        "retry",
        "list",
        "klaviyo",
        "report",
        "notify",
        "metrics",
        "guard",
        "state",
    ] {
        let heading = match name {
            "" => "## Top level".to_owned(),
            name => format!("## `[{name}]`"),
        };
        for row in rows(section("job-file", &heading)) {
            let place = (name.to_owned(), row[0].trim_matches('`').to_owned());
            let default = known
                .get(&place)
                .unwrap_or_else(|| panic!("{place:?} is no key of a job file"));
            check_default(&place, &row[1], default);
            told.insert(place);
        }
    }
    let all: BTreeSet<_> = known.into_keys().collect();
    assert_eq!(told, all);
    assert!(page("job-file").contains("\n## `[columns]`\n"));
}

/// A default in backticks is what the program takes when the key is left out; one in words stands for none.
fn check_default((section, key): &(String, String), told: &str, default: &Value) {
    if !told.starts_with('`') {
        let is_empty = default.is_null()
            || default == ""
            || *default == Value::Array(vec![])
            || default.as_object().is_some_and(serde_json::Map::is_empty);
        assert!(is_empty, "{section}.{key} has the default {default}");
        return;
    }
    let line = format!("{key} = {}\n", told.trim_matches('`'));
    let job = match section.as_str() {
        "" => parse_job(&line),
        "audience" => parse_job(&format!("[audience]\nfiles = [\"a.csv\"]\n{line}")),
        section => parse_job(&format!("[{section}]\n{line}")),
    };
    let job = serde_json::to_value(job).unwrap();
    let value = match section.as_str() {
        "" => &job[key],
        section => &job[section][key],
    };
    assert_eq!(value, default, "{section}.{key}");
}

#[test]
fn job_files_in_it_are_job_files() {
    let jobs = blocks("toml");
    assert!(jobs.len() >= 2);
    for (_, job) in jobs {
        parse_job(&job);
    }
}
