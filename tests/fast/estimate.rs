//! `estimate`: its numbers are those of a run, it says where they are guessed, asks for one number at most and writes
//! nothing. The arithmetic of the limits is tested beside it, in `src/estimate.rs`.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "the helpers of tests may panic as well; audiences are made of text"
)]

use crate::support::workspace;
use std::io::Write;

use klaviyo_export_sandbox::Faults;
use klaviyo_export_sandbox::api::{
    ApiCall, ApiFault, ApiFaults, ApiSettings, EmailStanding, PlanUsage, SCOPES,
};
use serde_json::{Value, json};
use workspace::{Outcome, Server, Workspace};

const JOB: &str =
    "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\ntier = \"Tier\"\n";
const EXACT: &str = "[list]\nname = \"VIP\"\nmirror = \"exact\"\n";

/// A number of rows, some of which are refused or have the key of another.
fn audience(rows: usize) -> String {
    let row = |number: usize| match number % 100 {
        7 => "nobody,gold\n".to_owned(),
        8 => "Person-000001@example.com,gold\n".to_owned(),
        _ => format!("Person-{number:06}@example.com,gold\n"),
    };
    "email,tier\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

/// A workspace with `rows` rows, and a job that ends in `more`.
fn with_rows(rows: usize, more: &str) -> Workspace {
    let workspace = Workspace::with(&[("a.csv", &audience(rows))]);
    workspace.job("vip", &format!("{JOB}{more}"), None);
    workspace
}

#[track_caller]
fn estimated(workspace: &Workspace, arguments: &[&str]) -> Value {
    let arguments = [&["estimate", "vip.toml", "--json"], arguments].concat();
    workspace.run(&arguments).exits(0).report()
}

/// The section that a job needs to reach the API of `server`, with a short patience.
fn reaching(server: &Server) -> String {
    format!(
        "{EXACT}[retry]\nfirst = \"50ms\"\ngive-up-after = \"200ms\"\n{}",
        server.api_section()
    )
}

fn note(estimate: &Value, text: &str) -> bool {
    let notes = estimate["notes"].as_array().unwrap();
    notes
        .iter()
        .any(|note| note.as_str().unwrap().contains(text))
}

#[test]
fn a_whole_audience_is_told_as_a_run_writes_it() {
    let workspace = with_rows(30_000, "[parts]\nmax-rows = 7000\nmax-bytes = \"1MB\"\n");
    let told = estimated(&workspace, &[]);
    assert_eq!(
        std::fs::read_dir(workspace.path("state")).unwrap().count(),
        0
    );
    let ran = workspace
        .run(&["run", "vip.toml", "--dry-run", "--json"])
        .exits(0);
    let ran = ran.report();
    assert_eq!(told["exact"], true);
    assert_eq!(told["rows"], ran["rows_written"]);
    assert_eq!(told["rows_read"], ran["rows_read"]);
    assert_eq!(told["bytes"], ran["bytes"]);
    assert_eq!(told["parts"], ran["parts"].as_array().unwrap().len());
    assert_eq!(
        (&told["attach"], &told["mirror"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(told["one_by_one"]["profiles_per_hour"], 45_000);
}

#[test]
fn of_a_large_audience_the_first_rows_are_measured() {
    let workspace = with_rows(150_000, "");
    let whole = estimated(&workspace, &["--limit", "all"]);
    assert_eq!(
        (&whole["exact"], &whole["rows_read"]),
        (&json!(true), &json!(150_000))
    );
    let told = estimated(&workspace, &["--limit", "10"]);
    assert_eq!(told["exact"], false);
    assert!(told["rows_read"].as_u64().unwrap() < 100_000, "{told}");
    for key in ["rows", "bytes"] {
        let (whole, told) = (whole[key].as_f64().unwrap(), told[key].as_f64().unwrap());
        assert!(
            (told / whole - 1.0).abs() < 0.03,
            "{key}: {told} for {whole}"
        );
    }
    let text = workspace
        .run(&["estimate", "vip.toml", "--limit", "10"])
        .exits(0)
        .stdout;
    assert!(text.starts_with("vip: about 14"), "{text}");
    assert!(text.contains("by the first "), "{text}");
}

#[test]
fn compressed_files_are_reckoned_by_their_size_on_disk() {
    let workspace = with_rows(1, "");
    let mut noise = 1_u64;
    let mut word = || {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        noise >> 8
    };
    let row = |_| {
        format!(
            "{:014x}@example.com,{:014x}{:014x}\n",
            word(),
            word(),
            word()
        )
    };
    let text = "email,tier\n".to_owned() + &(0..150_000).map(row).collect::<String>();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    workspace.write("a.csv.gz", gz.finish().unwrap());
    workspace.job("vip", &JOB.replace("a.csv", "a.csv.gz"), None);
    let told = estimated(&workspace, &["--limit", "10"]);
    assert_eq!(told["exact"], false, "{told}");
    let rows = told["rows"].as_f64().unwrap();
    assert!((rows / 150_000.0 - 1.0).abs() < 0.05, "{rows}");
}

#[test]
fn the_text_has_a_line_a_way_and_the_advice() {
    let workspace = with_rows(
        1_000,
        "[list]\nname = \"VIP\"\nattach = \"members\"\nmirror = \"tracked\"\n",
    );
    let text = workspace.run(&["estimate", "vip.toml"]).exits(0).stdout;
    let expected = "\
vip: 980 rows and 32.4 kB in 1 part, of 1,000 rows read

  by SFTP          1 s  32.4 kB at 10.0 MB/s, assumed
  by the API       1 s  1 import job, 97.0 kB
  one by one      78 s  45,000 profiles an hour, for comparison
  list: attach     1 s  11 calls, once the profiles are there
  list: mirror     1 s  for each 10,000 who leave
  list: removals   1 s  49 at most, by max-removals

advice: deliver = \"api\": it takes 1 s for 1 import job; Klaviyo may need hours
        to import a file
note: these times follow from the link and the documented limits; how long
      Klaviyo then needs to import the data is not known
note: Klaviyo did not tell how many of the audience get no e-mail, how many
      profiles the plan has room for (`klaviyo.api-key-env`: the environment
      variable KLAVIYO_API_KEY is not set)
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn the_speed_is_what_the_last_runs_have_measured() {
    let workspace = with_rows(50_000, "");
    let server = workspace.server();
    workspace.job("vip", JOB, Some(&server));
    let assumed = estimated(&workspace, &[]);
    assert_eq!(assumed["sftp"]["measured_runs"], 0);
    assert_eq!(assumed["sftp"]["megabytes_per_second"], 10.0);
    // Too few bytes to tell.
    workspace
        .run(&["run", "vip.toml", "--limit", "10"])
        .exits(0);
    assert_eq!(estimated(&workspace, &[])["sftp"]["measured_runs"], 0);

    workspace.run(&["run", "vip.toml"]).exits(0);
    let told = estimated(&workspace, &[]);
    assert_eq!(told["sftp"]["measured_runs"], 1);
    let report: Value = serde_json::from_str(&workspace.of_last_run("vip", "report.json")).unwrap();
    let bytes = report["bytes"].as_f64().unwrap();
    let speed = bytes / 1e6 / report["seconds"]["upload"].as_f64().unwrap();
    let same =
        |value: &Value, expected: f64| (value.as_f64().unwrap() / expected - 1.0).abs() < 1e-6;
    assert!(same(&told["sftp"]["megabytes_per_second"], speed), "{told}");

    // Six runs later the first one counts no more, and the median is of the last five.
    for (at, seconds) in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0].into_iter().enumerate() {
        let mut later = report.clone();
        later["seconds"]["upload"] = json!(seconds);
        let name = format!("state/vip/runs/2999010{at}T000000Z-00000000/report.json");
        workspace.write(&name, later.to_string());
        let order = name.replace("report.json", "order");
        workspace.write(&order, (at + 2).to_string());
    }
    let told = estimated(&workspace, &[]);
    assert_eq!(told["sftp"]["measured_runs"], 5);
    assert!(
        same(&told["sftp"]["megabytes_per_second"], bytes / 1e6 / 8.0),
        "{told}"
    );
    let text = workspace.run(&["estimate", "vip.toml"]).exits(0).stdout;
    assert!(text.contains("MB/s, as the last 5 runs"), "{text}");
}

#[test]
fn a_run_that_several_processes_had_a_part_in_tells_no_speed() {
    let workspace = with_rows(50_000, "");
    let server = workspace.server();
    workspace.job("vip", JOB, Some(&server));
    workspace.run(&["run", "vip.toml"]).exits(0);
    let path = workspace.last_run("vip").join("report.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut report: Value = serde_json::from_str(&text).unwrap();
    report["warnings"] = json!(["continued this unfinished run: 1 part delivered before"]);
    std::fs::write(&path, report.to_string()).unwrap();
    assert_eq!(estimated(&workspace, &[])["sftp"]["measured_runs"], 0);
}

#[test]
fn the_members_of_a_list_that_is_to_be_read_are_asked_for_where_there_is_a_key() {
    let workspace = with_rows(300, "");
    let server = workspace.server();
    workspace.job("vip", &format!("{JOB}{}", reaching(&server)), Some(&server));
    let list = server.0.api().add_list("VIP");
    let told = estimated(&workspace, &[]);
    assert_eq!(
        (&told["mirror"]["members"], &told["mirror"]["members_known"]),
        (&json!(0), &json!(true))
    );
    workspace
        .run(&["run", "vip.toml", "--limit", "50"])
        .exits(0);
    let on_it = server.0.api().members(&list).len();
    let calls = server.0.api().journal().len();
    let told = estimated(&workspace, &[]);
    assert_eq!(told["mirror"]["members"], on_it);
    assert!(on_it > 0 && !note(&told, "how many members"), "{told}");
    let asked = server.0.api().journal().split_off(calls);
    assert!(asked.iter().all(|call| call.method == "GET"), "{asked:?}");
    let of_list = |calls: &[ApiCall]| {
        let paths = calls.iter().map(|call| call.path.as_str());
        paths.filter(|path| path.starts_with("/api/lists")).count()
    };
    assert!(of_list(&asked) <= 3, "{asked:?}");
    // Three hundred addresses, and the plan.
    assert_eq!(asked.len() - of_list(&asked), 4, "{asked:?}");

    // A mirror that does not read the list needs no number.
    let tracked = reaching(&server).replace("exact", "tracked");
    workspace.job("vip", &format!("{JOB}{tracked}"), Some(&server));
    let calls = server.0.api().journal().len();
    assert_eq!(estimated(&workspace, &[])["mirror"]["members"], Value::Null);
    let asked = server.0.api().journal().split_off(calls);
    assert_eq!(of_list(&asked), 0, "{asked:?}");
}

#[test]
fn without_a_key_or_an_answer_the_list_is_taken_to_be_as_long_as_the_audience() {
    let workspace = with_rows(300, EXACT);
    let told = estimated(&workspace, &[]);
    assert_eq!(told["mirror"]["members"], told["rows"]);
    assert_eq!(told["mirror"]["members_known"], false);
    assert!(note(&told, "KLAVIYO_API_KEY is not set"), "{told}");

    let server = workspace.server();
    workspace.job("vip", &format!("{JOB}{}", reaching(&server)), None);
    let down = ApiFaults::none().always(ApiFault::Unavailable);
    server.0.api().set_faults(down);
    let told = estimated(&workspace, &[]);
    assert_eq!(told["mirror"]["members"], told["rows"]);
    assert!(note(&told, "status 503"), "{told}");
    let text = workspace.run(&["estimate", "vip.toml"]).exits(0).stdout;
    assert!(
        text.contains("294 members read, if they are as many as rows"),
        "{text}"
    );
}

#[test]
fn with_delivery_by_the_api_attaching_costs_nothing() {
    let more = "[list]\nname = \"VIP\"\n[klaviyo]\ndeliver = \"api\"\n";
    let workspace = with_rows(300, more);
    let told = estimated(&workspace, &[]);
    assert_eq!(
        told["attach"],
        json!({"attach": "import-job", "seconds": 0.0, "calls": 0})
    );
    assert_eq!(told["advised"], "api");
    assert!(
        told["advice"].as_str().unwrap().ends_with("as in the job"),
        "{told}"
    );
}

#[test]
fn standard_input_and_an_audience_of_nobody_are_told_as_they_are() {
    let workspace = with_rows(300, "");
    workspace.job("vip", &JOB.replace("a.csv", "-"), None);
    let run = |arguments: &[&str], rows| {
        let text = audience(rows);
        let outcome: Outcome = workspace.run_with_stdin(arguments, text.as_bytes());
        outcome.exits(0).report()
    };
    let told = run(&["estimate", "vip.toml", "--json"], 300);
    assert_eq!((&told["exact"], &told["rows"]), (&json!(true), &json!(294)));
    let cut = run(&["estimate", "vip.toml", "--json", "--limit", "10"], 60_000);
    assert_eq!(cut["exact"], false);
    assert!(note(&cut, "standard input"), "{cut}");
    let none = run(&["estimate", "vip.toml", "--json"], 0);
    assert_eq!((&none["rows"], &none["parts"]), (&json!(0), &json!(0)));
    assert_eq!(none["advice"], "there is nothing to send");
}

#[test]
fn what_cannot_be_read_ends_as_a_run_would() {
    let workspace = with_rows(3, "");
    std::fs::remove_file(workspace.path("a.csv")).unwrap();
    workspace.run(&["estimate", "vip.toml"]).exits(12);
    workspace.run(&["estimate", "nothing.toml"]).exits(10);
    workspace
        .run(&["estimate", "vip.toml", "--limit", "0"])
        .exits(2);
}

/// A key with these scopes, and a job with a list that is not read.
fn asking(rows: usize, scopes: &[&str], more: &str) -> (Workspace, Server) {
    let workspace = with_rows(rows, "");
    let api = ApiSettings {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..ApiSettings::default()
    };
    let server = workspace.server_of(Faults::none(), api);
    let job = reaching(&server).replace("mirror = \"exact\"\n", more);
    workspace.job("vip", &format!("{JOB}{job}"), Some(&server));
    (workspace, server)
}

#[test]
fn those_who_get_no_email_are_told_exactly_of_rows_that_were_all_read() {
    let (workspace, server) = asking(300, &SCOPES, "");
    for (number, standing) in [
        (0, EmailStanding::Unsubscribed),
        (2, EmailStanding::Suppressed("SPAM_COMPLAINT")),
        (3, EmailStanding::Subscribed),
        (299, EmailStanding::Unsubscribed),
        (300, EmailStanding::Unsubscribed),
    ] {
        let email = format!("person-{number:06}@example.com");
        server.0.api().set_email_standing(&email, standing);
    }
    let told = estimated(&workspace, &[]);
    assert_eq!(
        told["no_email"],
        json!({"of": 294, "looked_up": 294, "found": 3, "unsubscribed": 2, "suppressed": 1,
            "is_estimate": false, "only_sent": false})
    );
    let outcome = workspace.run(&["estimate", "vip.toml", "-vv"]).exits(0);
    let line = "\nno e-mail: 3 of 294 e-mail addresses: 2 unsubscribed, 1 suppressed\n";
    assert!(outcome.stdout.contains(line), "{}", outcome.stdout);
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(!text.to_lowercase().contains("person-"), "{text}");
    }
}

#[test]
fn of_rows_that_were_not_all_read_those_who_get_no_email_are_reckoned() {
    let (workspace, server) = asking(150_000, &SCOPES, "");
    // Of each hundred, ten whose rows are sent.
    for number in (0..150_000).filter(|number| number % 10 == 0) {
        let email = format!("person-{number:06}@example.com");
        let standing = EmailStanding::Suppressed("INVALID_EMAIL");
        server.0.api().set_email_standing(&email, standing);
    }
    let calls = server.0.api().journal().len();
    let told = estimated(&workspace, &["--limit", "10"]);
    let found = &told["no_email"];
    assert_eq!(found["is_estimate"], true, "{found}");
    let (of, suppressed) = (
        found["of"].as_f64().unwrap(),
        found["suppressed"].as_f64().unwrap(),
    );
    assert!((of / 147_000.0 - 1.0).abs() < 0.03, "{found}");
    assert!((suppressed / 15_000.0 - 1.0).abs() < 0.15, "{found}");
    assert!(found["looked_up"].as_u64().unwrap() <= 10_000, "{found}");
    assert!(server.0.api().journal().len() - calls <= 101);
    let text = workspace
        .run(&["estimate", "vip.toml", "--limit", "10"])
        .exits(0)
        .stdout;
    assert!(text.contains("no e-mail: about 1"), "{text}");
}

#[test]
fn a_plan_without_room_is_warned_of() {
    let (workspace, server) = asking(300, &SCOPES, "");
    let plan = |used, max| {
        server.0.api().set_plan(vec![
            PlanUsage::new("email_sends", "messages", 10, 10),
            PlanUsage::new("customer_hub_active_profiles", "profiles", 9, 9),
            PlanUsage::new("active_profiles", "profiles", used, max),
        ]);
        estimated(&workspace, &[])
    };
    let told = plan(706, 1_000);
    assert_eq!(
        told["plan"],
        json!({"usage": "active_profiles", "used": 706, "max": 1_000, "used_at_most": 1_000, "may_pass": false})
    );
    assert!(!note(&told, "the plan"), "{told}");
    let told = plan(707, 1_000);
    assert_eq!(
        (&told["plan"]["used_at_most"], &told["plan"]["may_pass"]),
        (&json!(1_001), &json!(true))
    );
    let warning = "may be passed: 707 of the plan's 1,000 profiles are used (active_profiles), and 294 rows are at most as many new profiles";
    assert!(note(&told, warning), "{told}");
    server.0.api().set_plan(Vec::new());
    let told = estimated(&workspace, &[]);
    assert_eq!(told["plan"], Value::Null);
    assert!(!note(&told, "the plan"), "{told}");
}

#[test]
fn rows_that_are_as_the_last_run_sent_them_are_no_new_profiles() {
    let (workspace, server) = asking(300, &SCOPES, "[delta]\nsend = \"changed\"\n");
    server.0.api().add_list("VIP");
    workspace.run(&["run", "vip.toml"]).exits(0);
    workspace.write("a.csv", format!("{}new@example.com,gold\n", audience(300)));
    let plan = vec![PlanUsage::new("active_profiles", "profiles", 999, 1_000)];
    server.0.api().set_plan(plan);
    let told = estimated(&workspace, &[]);
    assert_eq!(told["plan"]["used_at_most"], 1_000, "{told}");
    assert_eq!(told["plan"]["may_pass"], false);
    workspace.write(
        "a.csv",
        format!(
            "{}new@example.com,gold\nnewer@example.com,\n",
            audience(300)
        ),
    );
    let told = estimated(&workspace, &[]);
    assert!(note(&told, "2 new and changed rows are at most"), "{told}");
}

#[test]
fn what_the_key_may_not_see_is_said_in_one_line_each() {
    for (missing, text, no_email, plan) in [
        (
            "profiles:read",
            "how many of the audience get no e-mail is not known (the API key may not look up profiles: it lacks the scope profiles:read)",
            false,
            true,
        ),
        (
            "usage:read",
            "the plan's number of profiles is not known: the key lacks the scope usage:read, which nothing else needs",
            true,
            false,
        ),
    ] {
        let scopes: Vec<&str> = SCOPES.into_iter().filter(|it| *it != missing).collect();
        let (workspace, _server) = asking(3, &scopes, "");
        let told = estimated(&workspace, &[]);
        assert!(note(&told, text), "{told}");
        assert_eq!(told["notes"].as_array().unwrap().len(), 2, "{told}");
        assert_eq!(told["no_email"].is_object(), no_email, "{told}");
        assert_eq!(told["plan"].is_object(), plan, "{told}");
    }
}

#[test]
fn an_api_that_is_down_is_asked_once() {
    let (workspace, server) = asking(3, &SCOPES, "");
    let down = ApiFaults::none().always(ApiFault::TooManyRequests {
        retry_after_seconds: 40,
    });
    server.0.api().set_faults(down);
    let told = estimated(&workspace, &[]);
    assert!(
        note(
            &told,
            "get no e-mail, how many profiles the plan has room for (Klaviyo did not look up profiles: a limit is used up"
        ),
        "{told}"
    );
    assert_eq!(
        (&told["no_email"], &told["plan"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(server.0.api().journal().len(), 1);
}
