//! Phone cells that are no phone numbers, identifiers that a spreadsheet has changed, and rows of totals: what is sent, what is
//! blanked and why, and how a run and a preview tell it.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::BTreeMap;

use crate::support::workspace;
use serde_json::{Value, json};
use workspace::{Workspace, column, rows};

const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nid = \"ExternalID\"\nemail = \"Email\"\nphone = \"PhoneNumber\"\nzip = \"Zip\"\n[normalize]\ndefault-region = \"DE\"\n";

/// One of each, in the order of the records.
const CRM: &str = "id,email,phone,zip\n\
    1,a1@example.com,4.91512E11,10115\n\
    2,a2@example.com,030123456.5,'02139\n\
    3,a3@example.com,03.02.1985,=\"00123\"\n\
    4,a4@example.com,kein 030 123456,\n\
    5,a5@example.com,4915123456789,\n\
    6,'a6@example.com,'+4930123456,\n\
    '9013808660771,a7@example.com,030 123457 Durchwahl 12,\n\
    1.23457E+12,a8@example.com,030 123458; 0171 1234567,\n\
    1.23457E+12,a9@example.com,\"030 123459\n0171 1234567\",\n\
    10,a10@example.com,14155550143.0,\n\
    11,a11@example.com,0044 20 7707 0707,\n\
    12,a12@example.com,030/123450,\n\
    Summe,,,\n";

fn dry_run(workspace: &Workspace, body: &str) -> Value {
    let job = workspace.job("vip", body, None);
    workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0)
        .report()
}

fn warnings(report: &Value) -> Vec<String> {
    serde_json::from_value(report["warnings"].clone()).unwrap()
}

#[test]
fn nobody_is_sent_under_a_number_that_is_not_theirs() {
    let workspace = Workspace::with(&[("a.csv", CRM)]);
    let report = dry_run(&workspace, JOB);
    let part = &workspace.parts("vip")[0];
    assert_eq!(
        column(part, "PhoneNumber"),
        [
            "",
            "",
            "",
            "",
            "+4915123456789",
            "+4930123456",
            "+4930123457",
            "+4930123458",
            "+4930123459",
            // No German number, and no other without a country.
            "",
            "+442077070707",
            "+4930123450",
            "",
        ]
    );
    let ids = column(part, "ExternalID");
    assert_eq!(ids[6..10], ["9013808660771", "", "", "10"]);
    assert_eq!(column(part, "Email")[5], "a6@example.com");
    assert_eq!(column(part, "Zip")[..3], ["10115", "02139", "00123"]);
    assert_eq!(report["rows_read"], 13);
    assert_eq!(report["rows_written"], 13);
    assert_eq!(
        report["repairs"],
        json!({
            "invalid-phone": 4,
            "line-break": 1,
            "scientific-notation": 3,
            "apostrophe": 5,
            "several-phones": 2,
        })
    );
}

#[test]
fn repairs_have_a_cause_and_the_old_value() {
    let workspace = Workspace::with(&[("a.csv", CRM)]);
    dry_run(&workspace, JOB);
    // What a spreadsheet would take for a formula has an apostrophe more.
    let repairs = rows(&workspace.of_last_run("vip", "repairs.csv"));
    let told: Vec<[&str; 5]> = repairs
        .iter()
        .map(|row| ["_record", "column", "code", "value", "detail"].map(|name| row[name].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            [
                "1",
                "phone",
                "scientific-notation",
                "4.91512E11",
                "scientific-notation"
            ],
            ["2", "phone", "invalid-phone", "030123456.5", "decimal"],
            ["2", "zip", "apostrophe", "'02139", ""],
            ["3", "phone", "invalid-phone", "03.02.1985", "date"],
            ["3", "zip", "apostrophe", "'=\"00123\"", ""],
            ["4", "phone", "invalid-phone", "kein 030 123456", "words"],
            ["6", "email", "apostrophe", "'a6@example.com", ""],
            ["6", "phone", "apostrophe", "''+4930123456", ""],
            ["7", "id", "apostrophe", "'9013808660771", ""],
            [
                "8",
                "phone",
                "several-phones",
                "030 123458; 0171 1234567",
                ""
            ],
            ["8", "id", "scientific-notation", "1.23457E+12", ""],
            ["9", "phone", "line-break", "030 123459\n0171 1234567", ""],
            [
                "9",
                "phone",
                "several-phones",
                "030 123459\n0171 1234567",
                ""
            ],
            ["9", "id", "scientific-notation", "1.23457E+12", ""],
            [
                "10",
                "phone",
                "invalid-phone",
                "14155550143.0",
                "not-in-use"
            ],
        ]
    );
}

#[test]
fn a_run_names_causes_with_counts_and_records_and_no_value() {
    let workspace = Workspace::with(&[("a.csv", CRM)]);
    let report = dry_run(&workspace, JOB);
    let warnings = warnings(&report);
    for expected in [
        "3 cells look like 4.9E+11: Excel has cut their digits; format the column as text and export again (a.csv record 1, 8, 9)",
        "1 phone cell holds a number with a decimal point",
        "1 phone cell looks like a date",
        "1 phone cell holds words that are not a label of a phone",
        "1 phone number without + begins with the calling code of its own country",
        "1 row at the end looks like a row of totals (Summe, Total), not like a person; delete it from the source (a.csv record 13)",
    ] {
        assert!(
            warnings.iter().any(|warning| warning.starts_with(expected)),
            "{expected}\n{warnings:#?}"
        );
    }
    let told = report.to_string();
    for value in [
        "4.91512",
        "030123456",
        "1985",
        "kein",
        "0171",
        "1.23457",
        "02139",
    ] {
        assert!(!told.contains(value), "{value} is in the report");
    }
    let text = workspace
        .run(&["run", "vip.toml", "--dry-run", "--fresh"])
        .exits(0)
        .stdout;
    assert!(
        text.contains("note       3 cells look like 4.9E+11: Excel has cut"),
        "{text}"
    );
}

#[test]
fn a_preview_shows_the_form_of_what_it_blanks() {
    let workspace = Workspace::with(&[("a.csv", CRM)]);
    let job = workspace.job("vip", JOB, None);
    let text = workspace.run(&["preview", &job]).exits(0).stdout;
    for expected in [
        "scientific-notation in phone, like d.dddddEdd",
        "scientific-notation in id",
        "invalid-phone in phone: decimal, like ddddddddd.d",
        "invalid-phone in phone: date, like dd.dd.dddd",
        "invalid-phone in phone: words, like aaaa ddd dddddd",
        "note: 3 cells look like 4.9E+11: Excel has cut their digits;",
        "note: 1 row at the end looks like a row of totals",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    for value in ["4.91512", "030123456", "1985", "kein", "1.23457"] {
        assert!(!text.contains(value), "{value} is shown:\n{text}");
    }
    let json = workspace
        .run(&["preview", &job, "--json"])
        .exits(0)
        .report();
    let repairs = json["repairs"].as_array().unwrap();
    let phones = repairs
        .iter()
        .find(|repair| repair["code"] == "invalid-phone")
        .unwrap();
    let details: BTreeMap<&str, u64> = phones["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|detail| {
            (
                detail["detail"].as_str().unwrap(),
                detail["count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        details,
        BTreeMap::from([("date", 1), ("decimal", 1), ("not-in-use", 1), ("words", 1)])
    );
    assert_eq!(phones["count"], 4);
}

#[test]
fn a_preview_does_not_take_dates_and_remarks_for_numbers_without_a_country() {
    let text = "email,phone\na@example.com,03.02.1985\nb@example.com,kein 030\nc@example.com,030123456.5\n";
    let workspace = Workspace::with(&[("a.csv", text)]);
    let shown = workspace.run(&["preview", "a.csv"]).exits(0).stdout;
    assert!(!shown.contains("without +"), "{shown}");
    workspace.write("a.csv", format!("{text}d@example.com,030 123456\n"));
    let shown = workspace.run(&["preview", "a.csv"]).exits(0).stdout;
    assert!(
        unwrapped(&shown)
            .contains("1 phone number without + is not sent, because nothing tells its country"),
        "{shown}"
    );
}

#[test]
fn under_reject_a_phone_that_is_none_costs_its_row_with_the_cause() {
    let workspace = Workspace::with(&[("a.csv", CRM)]);
    let body = format!("{JOB}invalid-phone = \"reject\"\n");
    let report = dry_run(&workspace, &body);
    assert_eq!(report["rejections"], json!({"invalid-phone": 5}));
    let rejects = workspace.of_last_run("vip", "rejects.csv");
    assert_eq!(
        column(&rejects, "_detail"),
        [
            "in scientific notation: digits are lost",
            "a number with a decimal point",
            "a date",
            "words that do not belong to a phone number",
            "not in use in its country",
        ]
    );
    assert!(
        warnings(&report)
            .iter()
            .any(|warning| warning.starts_with("3 cells look like 4.9E+11")),
        "{report}"
    );
}

#[test]
fn two_people_with_one_cut_id_stay_two_and_one_without_another_identifier_is_rejected() {
    let text =
        "id,email\n1.23457E+12,a@example.com\n1.23457E+12,b@example.com\n1.23457E+12,\n12E5,\n";
    let workspace = Workspace::with(&[("a.csv", text)]);
    let body = "[audience]\nfiles = [\"a.csv\"]\nprimary-key = \"external_id\"\n[columns]\nid = \"ExternalID\"\nemail = \"Email\"\n";
    let report = dry_run(&workspace, body);
    assert_eq!(report["duplicates"], 0);
    let part = &workspace.parts("vip")[0];
    assert_eq!(
        column(part, "Email"),
        ["a@example.com", "b@example.com", ""]
    );
    // Not as programs write numbers: an id like any other.
    assert_eq!(column(part, "ExternalID"), ["", "", "12E5"]);
    let rejects = workspace.of_last_run("vip", "rejects.csv");
    assert_eq!(
        column(&rejects, "_detail"),
        ["no identifier is left: scientific-notation"]
    );
}

#[test]
fn rows_of_totals_are_told_at_the_end_of_each_source_alone() {
    let header = "id,name,amount\n";
    let people: Vec<String> = (1..=20).map(|n| format!("K{n},Ann,1\n")).collect();
    let people = people.concat();
    let workspace = Workspace::with(&[
        (
            "in/a.csv",
            &format!("{header}Total,Ann,1\n{people}Summe,,20\nStand: heute,,\n"),
        ),
        ("in/b.csv", &format!("{header}{people}")),
        (
            "in/c.csv",
            &format!("{header}{people}K21,,合計\n,Grand Total,21\n合計,,\n"),
        ),
    ]);
    let body = "[audience]\nfiles = [\"in/*.csv\"]\n[columns]\nid = \"ExternalID\"\nname = \"FirstName\"\n[normalize]\nduplicates = \"last\"\n";
    let told = "2 rows at the end look like rows of totals (Summe, Total), not like a person; delete them from the source (in/a.csv record 22; in/c.csv record 23)";
    let report = dry_run(&workspace, body);
    assert!(warnings(&report).contains(&told.to_owned()), "{report}");
    let preview = workspace
        .run(&["preview", "vip.toml", "--json"])
        .exits(0)
        .report();
    assert!(
        warnings(&json!({"warnings": preview["notes"]})).contains(&told.to_owned()),
        "{preview}"
    );
    // The end of the file is not seen.
    let preview = workspace
        .run(&["preview", "vip.toml", "--json", "--limit", "22"])
        .exits(0)
        .report();
    assert!(
        !preview["notes"].to_string().contains("totals"),
        "{preview}"
    );
}

#[test]
fn one_number_without_a_country_is_tried_by_its_international_prefix() {
    let text = "email,phone\na@example.com,0044 20 7707 0707\nb@example.com,011 44 20 7707 0708\nc@example.com,020 7707 0707\n";
    let workspace = Workspace::with(&[("a.csv", text)]);
    let body =
        "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\n";
    let report = dry_run(&workspace, body);
    assert_eq!(
        column(&workspace.parts("vip")[0], "PhoneNumber"),
        ["+442077070707", "+442077070708", ""]
    );
    assert_eq!(report["repairs"], json!({"invalid-phone": 1}));
    let repairs = workspace.of_last_run("vip", "repairs.csv");
    assert_eq!(column(&repairs, "detail"), ["no-country"]);
}

/// The words of a text without its line breaks.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn numbers_without_a_country_are_told_by_every_command() {
    let text = "email,phone\na@example.com,(212) 736-3100\nb@example.com,(212) 736-3101\nc@example.com,kein Telefon\nd@example.com,+43 1 5123456\n";
    let workspace = Workspace::with(&[("a.csv", text)]);
    let note = "2 phone numbers without + are not sent, because nothing tells their country; give default-region (such as --default-region US) or country-column (a.csv record 1, 2)";
    let shown = workspace.run(&["preview", "a.csv"]).exits(0).stdout;
    assert_eq!(unwrapped(&shown).matches(note).count(), 1, "{shown}");
    for more in ["", "[normalize]\ninvalid-phone = \"reject\"\n"] {
        let body = format!(
            "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\n[normalize]\nmax-rejected = {{ percent = 100 }}\n{}",
            more.trim_start_matches("[normalize]\n")
        );
        let report = dry_run(&workspace, &body);
        let warnings = report["warnings"].as_array().unwrap();
        assert!(warnings.contains(&json!(note)), "{more}: {warnings:?}");
    }
    // A region, or a country, is enough; a number that is wrong all the same has no such note.
    let text = "email,phone,country\na@example.com,555-0147,US\nb@example.com,(212) 736-3101,US\n";
    workspace.write("a.csv", text);
    for flags in [
        &["--default-region", "US"][..],
        &["--country-column", "country"],
    ] {
        let shown = workspace
            .run(&[&["preview", "a.csv"], flags].concat())
            .exits(0)
            .stdout;
        assert!(!shown.contains("without +"), "{flags:?}: {shown}");
    }
    // Numbers of another country than the region's are what a country column is for.
    workspace.write("a.csv", format!("{text}c@example.com,0151 23456789,DE\n"));
    let shown = workspace
        .run(&["preview", "a.csv", "--default-region", "US"])
        .exits(0)
        .stdout;
    assert!(
        unwrapped(&shown).contains("`country` may tell the country of 1 phone number"),
        "{shown}"
    );
}
