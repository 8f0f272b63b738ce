//! People whom Klaviyo refuses: they stand in `attach-rejects.csv`, and all others go on.

use std::fmt::Write as _;

use super::stage::{JOB, JobText, Stage, people};
use super::workspace::rows;

#[test]
fn one_bad_address_in_ten_thousand_is_left_out_by_one_retry() {
    let stage = Stage::new();
    stage.job(&JobText::list("mirror = \"exact\""));
    stage.audience(people(1..=10_000));
    stage.api().refuse_email("n7777@example.com");
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["attached"], 9_999, "{report:#}");
    assert_eq!(report["list"]["rejected"], 1);
    assert_eq!(stage.count("bulk_import_profiles"), 2);
    let rejects = rows(&stage.workspace.of_last_run(JOB, "attach-rejects.csv"));
    assert_eq!(rejects.len(), 1);
    let expected = [
        ("Email", "n7777@example.com"),
        ("PhoneNumber", ""),
        ("ExternalID", ""),
        ("_reason", "invalid"),
        ("_detail", "attributes/email"),
        ("_source", "part 0001"),
        ("_record", "7777"),
    ];
    for (column, cell) in expected {
        assert_eq!(rejects[0][column], cell, "{column}");
    }
    stage.assert_members(people((1..=10_000).filter(|n| *n != 7_777)));
}

#[test]
fn a_job_of_which_nobody_is_taken_is_no_job() {
    let stage = Stage::new();
    stage.job(&JobText::list("").parts("max-rows = 2"));
    stage.audience(people(1..=5));
    for refused in people(3..=4) {
        stage.api().refuse_email(&refused);
    }
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["rejected"], 2, "{report:#}");
    stage.assert_members(people([1, 2, 5]));
}

#[test]
fn import_errors_are_read_page_by_page() {
    let stage = Stage::new();
    // Their numbers are other people's: Klaviyo cannot say who is meant.
    let mut text = "mail,phone,key,first,tier\n".to_owned();
    for n in 1..=250 {
        let phone = format!("+43664{:07}", 1_000_000 + n);
        stage
            .api()
            .add_profile(&[("email", &format!("n{n}@example.com"))]);
        stage.api().add_profile(&[("phone_number", &phone)]);
        writeln!(text, "n{n}@example.com,{phone},,Ana,gold").unwrap();
    }
    text.push_str("n251@example.com,,,Ana,gold\n");
    stage.workspace.write("audience.csv", text);
    stage.job(&JobText::list(""));
    let report = stage.run().exits(0).report();
    assert_eq!(report["list"]["rejected"], 250, "{report:#}");
    assert_eq!(report["list"]["attached"], 1);
    assert_eq!(stage.count("get_errors_for_bulk_import_profiles_job"), 3);
    let rejects = rows(&stage.workspace.of_last_run(JOB, "attach-rejects.csv"));
    let told: Vec<(&str, &str, &str)> = rejects
        .iter()
        .map(|row| (&*row["Email"], &*row["_reason"], &*row["_record"]))
        .collect();
    let expected = people(1..=250);
    let numbers: Vec<String> = (1..=250).map(|n| n.to_string()).collect();
    let expected: Vec<_> = expected
        .iter()
        .zip(&numbers)
        .map(|(email, number)| (email.as_str(), "duplicate_profile", number.as_str()))
        .collect();
    assert_eq!(told, expected);
    stage.assert_members(["n251@example.com"]);
}

#[test]
fn jobs_end_below_five_megabytes() {
    let stage = Stage::new();
    let note = "x".repeat(9_000);
    let mut text = "mail,phone,key,first,tier\n".to_owned();
    for email in people(1..=1_400) {
        writeln!(text, "{email},,,Ana,{note}").unwrap();
    }
    stage.workspace.write("audience.csv", text);
    stage.job(&JobText::list("").klaviyo("deliver = \"api\""));
    stage.run().exits(0);
    stage.assert_members(people(1..=1_400));
    let calls = stage.calls();
    let jobs = calls
        .iter()
        .filter(|call| call.operation == "bulk_import_profiles");
    let mut bytes: Vec<usize> = jobs.map(|job| job.body_bytes).collect();
    bytes.sort_unstable();
    assert_eq!(bytes.len(), 3);
    let full = 4_985_000..=5_000_000;
    assert!(
        full.contains(&bytes[1]) && full.contains(&bytes[2]),
        "{bytes:?}"
    );
}
