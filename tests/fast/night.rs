//! The engineer at 3 a.m.: what the state on disk says and what a person is told are one. Each test plays the person, who
//! types what is printed after `next:` and `hint:`, word for word.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::schemas::assert_keeps;
use crate::support::{list_stage, workspace};
use std::fmt::Write as _;

use jiff::Timestamp;
use klaviyo_export::run::report::SCHEMA;
use klaviyo_export_sandbox::api::{ApiFault, ApiFaults};
use klaviyo_export_sandbox::{Fault, Faults};
use list_stage::Stage;
use serde_json::{Value, json};
use workspace::{Outcome, Server, Workspace};

/// Parts of two rows, and little patience.
const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[parts]\nmax-rows = 2\n[retry]\nfirst = \"1ms\"\nmax = \"5ms\"\ngive-up-after = \"200ms\"\n";

/// `count` rows below a header.
fn people(count: usize) -> String {
    let mut text = "email\n".to_owned();
    for row in 1..=count {
        writeln!(text, "n{row}@example.com").unwrap();
    }
    text
}

/// A job over eight rows, which are four parts.
fn started() -> (Workspace, Server) {
    let workspace = Workspace::with(&[("a.csv", &people(8))]);
    let server = workspace.server();
    workspace.job("vip", JOB, Some(&server));
    (workspace, server)
}

/// A run whose spool is complete, of which a part is delivered and the rest is not.
fn unfinished() -> (Workspace, Server) {
    let (workspace, server) = started();
    let faults = Faults::none()
        .times(Fault::DenyStat, 1)
        .always(Fault::CutAfter { bytes: 3 });
    server.0.set_faults(faults);
    workspace.run(&["run", "vip.toml"]).exits(14);
    server.0.set_faults(Faults::none());
    (workspace, server)
}

/// Types a line as a shell would read it.
fn types(workspace: &Workspace, line: &str) -> Outcome {
    let words = shlex::split(line).unwrap();
    assert_eq!(words[0], "klaviyo-export", "{line}");
    let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    workspace.run(&words)
}

fn status(workspace: &Workspace) -> Outcome {
    workspace.run(&["status", "vip.toml"]).exits(0)
}

fn json_of(workspace: &Workspace, arguments: &[&str]) -> Value {
    serde_json::from_str(&workspace.run(arguments).exits(0).stdout).unwrap()
}

#[test]
fn a_trial_does_not_take_the_place_of_an_unfinished_run() {
    let (workspace, server) = unfinished();
    let before = workspace.of_last_run("vip", "manifest.json");
    let received = server.received().len();
    let refused = workspace.run(&["run", "vip.toml", "--limit", "2"]).exits(2);
    assert!(
        refused
            .error()
            .starts_with("--limit 2 would replace the unfinished run "),
        "{}",
        refused.error()
    );
    assert_eq!(workspace.of_last_run("vip", "manifest.json"), before);
    assert_eq!(server.received().len(), received, "nothing was sent");
    assert_eq!(refused.next(), "klaviyo-export run vip.toml");
    let done = types(&workspace, refused.next()).exits(0);
    assert!(done.stdout.contains("continued this unfinished run"));
    let mut rows: Vec<String> = server
        .received()
        .iter()
        .flat_map(|part| part.lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    rows.sort();
    rows.dedup();
    assert_eq!(rows.len(), 8);
    assert!(status(&workspace).stdout.starts_with("vip: done, run "));
}

#[test]
fn a_trial_may_follow_a_run_that_ended_before_its_first_part() {
    let (workspace, server) = started();
    let bad = "@\n".repeat(30);
    workspace.write("a.csv", format!("{}{bad}", people(1)));
    workspace.run(&["run", "vip.toml"]).exits(17);
    assert_eq!(server.received().len(), 0);
    // The person corrects the file, and tries a few rows first.
    workspace.write("a.csv", people(8));
    workspace.run(&["run", "vip.toml", "--limit", "2"]).exits(0);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn fresh_gives_the_unfinished_run_up_and_says_so() {
    let (workspace, _server) = unfinished();
    let trial = ["run", "vip.toml", "--limit", "2", "--fresh"];
    let trial = workspace.run(&trial).exits(0);
    assert!(
        trial.stdout.contains("replaces the unfinished run "),
        "{}",
        trial.stdout
    );
}

#[test]
fn a_trial_is_told_as_one_and_what_comes_next_is_the_whole_run() {
    let (workspace, server) = started();
    workspace.run(&["run", "vip.toml", "--limit", "2"]).exits(0);
    let told = status(&workspace);
    assert!(
        told.stdout.starts_with("vip: trial, done, run "),
        "{}",
        told.stdout
    );
    assert!(told.stdout.contains("\n  trial      of 2 rows at most\n"));
    let runs = workspace.run(&["runs", "vip.toml"]).exits(0).stdout;
    assert!(
        runs.lines().nth(1).unwrap().ends_with("trial done"),
        "{runs}"
    );
    assert_eq!(
        json_of(&workspace, &["runs", "vip.toml", "--json"])[0]["limit"],
        json!(2)
    );
    assert_eq!(told.next(), "klaviyo-export run vip.toml");
    types(&workspace, told.next()).exits(0);
    assert_eq!(server.received().len(), 5);
    assert!(status(&workspace).stdout.starts_with("vip: done, run "));
}

#[test]
fn a_dry_run_does_not_hide_the_run_that_may_go_on() {
    let (workspace, _server) = unfinished();
    let keep = std::fs::read_to_string(workspace.path("vip.toml")).unwrap();
    workspace.write("vip.toml", format!("{keep}[state]\nkeep-runs = 1\n"));
    for _ in 0..3 {
        workspace.run(&["run", "vip.toml", "--dry-run"]).exits(0);
    }
    let told = status(&workspace);
    assert!(told.stdout.contains(" is unfinished ("), "{}", told.stdout);
    let done = types(&workspace, told.next()).exits(0);
    assert!(
        done.stdout.contains("continued this unfinished run"),
        "its parts and its manifest are still there: {}",
        done.stdout
    );
}

#[test]
fn a_copy_of_a_job_file_does_not_take_over_the_runs_of_the_first() {
    let (workspace, server) = unfinished();
    let staging = Workspace::new();
    let other = staging.server();
    let text = std::fs::read_to_string(workspace.path("vip.toml")).unwrap();
    let section = (server.section(), other.section());
    workspace.write("staging.toml", text.replace(&section.0, &section.1));
    for command in [
        &["run", "staging.toml"][..],
        &["run", "staging.toml", "--fresh"],
        &["run", "staging.toml", "--limit", "2"],
        &["check", "staging.toml"],
    ] {
        let refused = workspace.run(command).exits(10);
        let said = format!("{}{}", refused.stderr, refused.stdout);
        for path in ["vip.toml", "staging.toml"] {
            let path = workspace.path(path).display().to_string();
            assert!(said.contains(&path), "{command:?}: {said}");
        }
    }
    assert!(other.received().is_empty());
    // The first one's attempts are not lost, and it goes on.
    let told = status(&workspace);
    assert!(
        told.stdout.starts_with("vip: failed, run "),
        "{}",
        told.stdout
    );
    types(&workspace, told.next()).exits(0);
    let of_other = workspace.run(&["status", "staging.toml"]).exits(0).stdout;
    assert!(
        of_other.contains("  note       these runs belong to "),
        "{of_other}"
    );

    // The hint tells both ways out.
    let refused = workspace.run(&["run", "staging.toml"]).exits(10);
    let record = refused.hint().rsplit_once(": rm ").unwrap().1;
    std::fs::remove_file(record).unwrap();
    workspace.run(&["run", "staging.toml"]).exits(0);
    assert_eq!(other.received().len(), 4);
}

#[test]
fn a_job_file_that_was_moved_or_edited_keeps_its_runs() {
    let (workspace, _server) = unfinished();
    std::fs::rename(workspace.path("vip.toml"), workspace.path("moved.toml")).unwrap();
    let done = workspace.run(&["run", "moved.toml"]).exits(0);
    assert!(done.stdout.contains("continued this unfinished run"));
    let text = std::fs::read_to_string(workspace.path("moved.toml")).unwrap();
    workspace.write("moved.toml", format!("strict = true\n{text}"));
    workspace.run(&["run", "moved.toml"]).exits(0);
    // A copy that says the same is the same job.
    std::fs::copy(workspace.path("moved.toml"), workspace.path("copy.toml")).unwrap();
    workspace.run(&["run", "copy.toml"]).exits(0);
    workspace.run(&["run", "moved.toml"]).exits(0);
}

#[test]
fn a_file_that_is_sent_once_does_not_take_over_the_runs_of_a_job_file() {
    let (workspace, server) = unfinished();
    std::fs::copy(workspace.path("a.csv"), workspace.path("vip.csv")).unwrap();
    let flags = server.flags();
    let send = workspace::join(&["send", "vip.csv"], &flags);
    let refused = workspace.run(&send).exits(10);
    assert!(
        refused.next().ends_with(" --name vip-2"),
        "{}",
        refused.next()
    );
    types(&workspace, refused.next()).exits(0);
    types(&workspace, "klaviyo-export run vip.toml").exits(0);
}

/// A change that lets the next attempt fail.
type Breakage<'a> = &'a dyn Fn(&Workspace);

/// Everything that may fail before there is a run, and the command that `status` then says to type.
#[test]
fn an_attempt_that_failed_before_it_had_a_run_leaves_a_trace() {
    let (workspace, server) = started();
    workspace.run(&["run", "vip.toml"]).exits(0);
    let job = std::fs::read_to_string(workspace.path("vip.toml")).unwrap();
    let api = "[list]\nname = \"VIP\"\n[klaviyo]\nbase-url = \"http://127.0.0.1:1\"\napi-key-env = \"NO_KEY\"\n";
    let cases: [(&str, i32, Breakage<'_>); 4] = [
        ("check", 12, &|it| {
            std::fs::remove_file(it.path("a.csv")).unwrap();
        }),
        ("check", 12, &|it| {
            it.write("a.csv", "mail\nzoe@example.com\n");
        }),
        ("check", 10, &|it| {
            it.write("vip.toml", format!("{job}{api}"));
        }),
        ("check", 13, &|_| {
            std::fs::remove_file(server.0.private_key()).unwrap();
        }),
    ];
    for (command, code, break_it) in cases {
        break_it(&workspace);
        let failed = workspace.run(&["run", "vip.toml", "--json"]).exits(code);
        assert_valid(&failed.report());
        let failed = failed.reports(&[
            ("status", json!("failed")),
            ("exit_code", json!(code)),
            ("job", json!("vip")),
            ("run_id", Value::Null),
        ]);
        let error = failed.error().to_owned();
        assert_eq!(failed.report()["error"], json!(error));

        let told = status(&workspace);
        assert!(
            told.stdout
                .starts_with("vip: the last `run` failed before it had a run\n"),
            "{}",
            told.stdout
        );
        assert!(
            told.stdout.contains(&format!("  error      {error}\n")),
            "{}",
            told.stdout
        );
        assert!(told.stdout.contains(&format!("  exit code  {code}: ")));
        assert!(told.stdout.contains("vip: the run before it: done, run "));
        assert_eq!(told.next(), format!("klaviyo-export {command} vip.toml"));
        types(&workspace, told.next()).exits(code);

        let attempt = &json_of(&workspace, &["status", "vip.toml", "--json"])["last_attempt"];
        assert_eq!(
            (&attempt["exit_code"], &attempt["error"]),
            (&json!(code), &json!(error))
        );
        let runs = workspace.run(&["runs", "vip.toml"]).exits(0).stdout;
        assert!(runs.contains(&format!("failed ({code})")), "{runs}");
        assert!(
            runs.contains(&format!("the last attempt: {error}\n")),
            "{runs}"
        );
        let line = &json_of(&workspace, &["runs", "vip.toml", "--json"])[0];
        assert_eq!(
            (&line["run_id"], &line["exit_code"]),
            (&Value::Null, &json!(code))
        );

        workspace.write("vip.toml", &job);
        workspace.write("a.csv", people(8));
    }
}

#[test]
fn a_list_that_is_gone_and_a_key_that_is_revoked_leave_a_trace() {
    let stage = Stage::new();
    stage.job(&list_stage::JobText::default());
    stage.audience(["zoe@example.com"]);
    assert_eq!(stage.run().code, 0);
    let told = |error: &str| {
        let told = stage.execute(&["status", list_stage::FILE]);
        assert!(
            told.stdout
                .starts_with("vip: the last `run` failed before it had a run\n")
        );
        assert!(told.stdout.contains(error), "{}", told.stdout);
        assert!(told.stdout.contains("  exit code  16: "), "{}", told.stdout);
        let checked = stage.execute_line(told.next());
        assert_eq!(checked.code, 16, "{}", checked.stdout);
    };
    let key = stage.api().key_file().to_owned();
    let good = std::fs::read(&key).unwrap();
    std::fs::write(&key, "pk_revoked").unwrap();
    assert_eq!(stage.run().exits(16).report()["exit_code"], json!(16));
    told("API key");
    std::fs::write(&key, good).unwrap();
    stage.api().remove_list(&stage.vip());
    stage.run().exits(16);
    told("list");
}

/// The state that a version without these records left: the run goes on, and is the last one afterwards too.
#[test]
fn state_of_an_earlier_version_goes_on() {
    let (workspace, _server) = unfinished();
    let run = workspace.last_run("vip");
    let id = run.file_name().unwrap().to_str().unwrap().to_owned();
    for name in ["job.json", "last-attempt.json", &format!("runs/{id}/order")] {
        std::fs::remove_file(workspace.path(&format!("state/vip/{name}"))).unwrap();
    }
    let report = run.join("report.json");
    let mut old: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    for field in ["error", "limit", "formatted"] {
        old.as_object_mut().unwrap().remove(field).unwrap();
    }
    std::fs::write(&report, old.to_string()).unwrap();
    let told = status(&workspace);
    assert!(told.stdout.contains("  exit code  14: "), "{}", told.stdout);
    let done = types(&workspace, told.next()).exits(0);
    assert!(done.stdout.contains("continued this unfinished run"));
    workspace.run(&["run", "vip.toml"]).exits(0);
    let runs = json_of(&workspace, &["runs", "vip.toml", "--json"]);
    assert_eq!(runs[1]["run_id"], json!(id));
}

#[test]
fn the_very_first_attempt_has_a_trace_too_and_a_good_one_ends_it() {
    let (workspace, _server) = started();
    std::fs::remove_file(workspace.path("a.csv")).unwrap();
    workspace.run(&["run", "vip.toml"]).exits(12);
    let told = status(&workspace);
    assert!(
        told.stdout.starts_with("vip: the last `run` failed"),
        "{}",
        told.stdout
    );
    workspace.write("a.csv", people(8));
    let checked = types(&workspace, told.next()).exits(0);
    types(&workspace, checked.next()).exits(0);
    assert!(
        status(&workspace)
            .stdout
            .starts_with("vip: trial, done, run ")
    );
    assert_eq!(
        workspace
            .run(&["runs", "vip.toml"])
            .exits(0)
            .stdout
            .lines()
            .count(),
        2
    );
}

#[test]
fn json_is_printed_where_not_even_the_job_file_can_be_read() {
    let workspace = Workspace::new();
    let failed = workspace.run(&["run", "none.toml", "--json"]).exits(10);
    assert_valid(&failed.report());
    let failed = failed.reports(&[("job", Value::Null), ("exit_code", json!(10))]);
    assert_eq!(failed.report()["error"], json!(failed.error()));
    let failed = workspace
        .run(&["send", "none.csv", "--json", "--via", "api"])
        .exits(12);
    assert_valid(&failed.report());
}

#[track_caller]
fn assert_valid(report: &Value) {
    assert_keeps(SCHEMA, report);
}

#[test]
fn a_failed_run_tells_its_error_everywhere() {
    let (workspace, server) = started();
    server
        .0
        .set_faults(Faults::none().always(Fault::RefuseLogin));
    let failed = workspace.run(&["run", "vip.toml", "--json"]).exits(13);
    let error = json!(failed.error());
    assert_eq!(failed.report()["error"], error);
    let report: Value = serde_json::from_str(&workspace.of_last_run("vip", "report.json")).unwrap();
    assert_eq!(report["error"], error);
    assert_eq!(
        json_of(&workspace, &["runs", "vip.toml", "--json"])[0]["error"],
        error
    );
    assert_eq!(
        json_of(&workspace, &["status", "vip.toml", "--json"])["error"],
        error
    );
}

/// A variable of the packaged unit, which the person who reads its log does not have.
#[test]
fn the_printed_command_names_the_state_directory_of_the_variable() {
    let (workspace, server) = started();
    let state = workspace.path("service state").display().to_string();
    let of_service = |arguments: &[&str]| {
        workspace.run_with_env(arguments, &[("KLAVIYO_EXPORT_STATE_DIR", &state)])
    };
    server
        .0
        .set_faults(Faults::none().always(Fault::CutAfter { bytes: 3 }));
    let failed = of_service(&["run", "vip.toml"]).exits(14);
    server.0.set_faults(Faults::none());
    let flag = format!(" --state-dir '{state}'");
    assert_eq!(failed.next(), format!("klaviyo-export run vip.toml{flag}"));
    let told = of_service(&["status", "vip.toml"]).exits(0);
    assert_eq!(told.next(), failed.next());
    // Typed by a person without the variable, it goes on with the service's run.
    let done = types(&workspace, failed.next()).exits(0);
    assert!(
        done.stdout.contains("continued this unfinished run"),
        "{}",
        done.stdout
    );
    for (arguments, next) in [
        (&["run", "vip.toml", "--limit", "2"][..], "run vip.toml"),
        (&["check", "vip.toml"], "run vip.toml --limit 10"),
    ] {
        let outcome = of_service(arguments).exits(0);
        assert_eq!(outcome.next(), format!("klaviyo-export {next}{flag}"));
    }
}

#[test]
fn a_job_without_a_run_here_is_never_said_to_be_run() {
    let (workspace, server) = started();
    let state = workspace.path("elsewhere").display().to_string();
    workspace
        .run_with_env(
            &["run", "vip.toml"],
            &[("KLAVIYO_EXPORT_STATE_DIR", &state)],
        )
        .exits(0);
    let outcome = workspace.run(&["status", "vip.toml"]).exits(10);
    assert!(!outcome.stderr.contains("next: "), "{}", outcome.stderr);
    assert!(outcome.hint().contains("--state-dir"), "{}", outcome.hint());
    let outcome = workspace.run(&["runs", "vip.toml"]).exits(0);
    assert_eq!(outcome.next(), "klaviyo-export check vip.toml");
    assert_eq!(server.received().len(), 4);
}

/// The same run as one under a clock that was a year ahead would have left it.
fn move_to_the_future(workspace: &Workspace) {
    let run = workspace.last_run("vip");
    let id = run.file_name().unwrap().to_str().unwrap().to_owned();
    let ahead = id.replacen(&id[..4], "2099", 1);
    let now = Timestamp::now().to_string();
    for name in ["manifest.json", "report.json"] {
        let text = std::fs::read_to_string(run.join(name)).unwrap();
        let text = text.replace(&id, &ahead);
        let text = text.replace(&format!("_at\": \"{}", &now[..4]), "_at\": \"2099");
        std::fs::write(run.join(name), text).unwrap();
    }
    for entry in std::fs::read_dir(run.join("parts")).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace(&id, &ahead);
        std::fs::rename(&path, path.with_file_name(name)).unwrap();
    }
    std::fs::rename(&run, run.with_file_name(ahead)).unwrap();
}

#[test]
fn one_run_under_a_clock_that_was_ahead_does_not_stay_the_last_one() {
    let (workspace, server) = started();
    workspace.run(&["run", "vip.toml"]).exits(0);
    move_to_the_future(&workspace);
    let told = status(&workspace).stdout;
    assert!(told.contains("  note       run 2099"), "{told}");

    // The next run is interrupted, and is the last one all the same.
    server
        .0
        .set_faults(Faults::none().always(Fault::CutAfter { bytes: 3 }));
    let failed = workspace.run(&["run", "vip.toml"]).exits(14);
    assert!(
        failed.stdout.contains("which is in the future"),
        "{}",
        failed.stdout
    );
    server.0.set_faults(Faults::none());
    let told = status(&workspace);
    assert!(
        told.stdout.starts_with("vip: failed, run "),
        "{}",
        told.stdout
    );
    let done = types(&workspace, told.next()).exits(0);
    assert!(
        done.stdout.contains("continued this unfinished run"),
        "{}",
        done.stdout
    );
    let runs = json_of(&workspace, &["runs", "vip.toml", "--json"]);
    assert_eq!(runs.as_array().unwrap().len(), 2);
    assert!(runs[1]["run_id"].as_str().unwrap().starts_with("2099"));
}

#[test]
fn an_unfinished_run_of_a_clock_that_was_ahead_goes_on() {
    let (workspace, server) = unfinished();
    move_to_the_future(&workspace);
    let done = workspace.run(&["run", "vip.toml"]).exits(0);
    assert!(
        done.stdout.contains("continued this unfinished run"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains("which is in the future"),
        "{}",
        done.stdout
    );
    assert!(server.received().len() >= 4);
}

/// Everything is delivered, and then the folder of an old run cannot be removed.
#[test]
fn an_error_after_the_delivery_comes_with_the_report() {
    let (workspace, server) = started();
    let text = std::fs::read_to_string(workspace.path("vip.toml")).unwrap();
    workspace.write("vip.toml", format!("{text}[state]\nkeep-runs = 1\n"));
    workspace.run(&["run", "vip.toml"]).exits(0);
    // Files among the runs, older than all of them: no folders that could be removed.
    for name in ["20200101T000000Z-00000000", "20200102T000000Z-00000000"] {
        workspace.write(&format!("state/vip/runs/{name}"), "");
    }
    let ended = workspace.run(&["run", "vip.toml", "--json"]).exits(18);
    let ended = ended.reports(&[("status", json!("done")), ("exit_code", json!(18))]);
    assert_eq!(ended.report()["error"], json!(ended.error()));
    assert_eq!(server.received().len(), 8);
    let told = workspace.run(&["status", "vip.toml"]).exits(0).stdout;
    assert!(told.starts_with("vip: done, run "), "{told}");
    assert!(told.contains("  error      "), "{told}");
}

#[test]
fn a_run_that_stopped_on_the_way_does_not_say_that_all_parts_are_delivered() {
    let rows = format!("{}{}", people(1_100), "bad\n".repeat(2_000));
    let workspace = Workspace::with(&[("a.csv", &rows)]);
    let server = workspace.server();
    workspace.job(
        "vip",
        &JOB.replace("max-rows = 2", "max-rows = 500"),
        Some(&server),
    );
    let stopped = workspace.run(&["run", "vip.toml"]).exits(17).stdout;
    let told = status(&workspace).stdout;
    for text in [&stopped, &told] {
        let line = text
            .lines()
            .find(|line| line.starts_with("  delivered"))
            .unwrap();
        assert!(line.contains("written before it stopped"), "{text}");
    }
    assert_eq!(
        serde_json::from_str::<Value>(&workspace.of_last_run("vip", "report.json")).unwrap()["formatted"],
        json!(false)
    );
}

#[test]
fn parts_that_were_never_sent_are_a_number_and_not_a_list() {
    let workspace = Workspace::with(&[("a.csv", &people(60))]);
    let server = workspace.server_with(Faults::none().always(Fault::RefuseLogin));
    let body = JOB.replace("max-rows = 2", "max-rows = 2\nmax-waiting = 50");
    workspace.job("vip", &body, Some(&server));
    let failed = workspace.run(&["run", "vip.toml"]).exits(13).stdout;
    assert!(!failed.contains("not sent"), "{failed}");
    assert!(
        failed
            .lines()
            .any(|line| line.starts_with("  delivered  0 of ")),
        "{failed}"
    );
}

#[test]
fn blanked_cells_are_counted_apart_from_cleaned_ones() {
    let rows = "email,phone\nzoe@example.com,12\n\"yan@example.com\",\"+1 650\n253 0000\"\n";
    let workspace = Workspace::with(&[("a.csv", rows)]);
    let server = workspace.server();
    let body = JOB.replace(
        "email = \"Email\"",
        "email = \"Email\"\nphone = \"PhoneNumber\"",
    );
    workspace.job("vip", &body, Some(&server));
    let report = workspace.run(&["run", "vip.toml"]).exits(0).stdout;
    assert!(
        report.contains("  blanked    1 cell  invalid-phone 1\n"),
        "{report}"
    );
    assert!(!report.contains("repaired"), "{report}");
    let told = status(&workspace).stdout;
    assert!(told.contains("  blanked    1 cell\n"), "{told}");
    assert_eq!(
        json_of(&workspace, &["runs", "vip.toml", "--json"])[0]["cells_blanked"],
        json!(1)
    );
}

#[test]
fn sessions_tell_a_failure_once_and_wait_no_longer_than_they_say() {
    let workspace = Workspace::with(&[("a.csv", &people(8))]);
    let server = workspace.server_with(Faults::none().always(Fault::CutAfter { bytes: 3 }));
    let body = JOB
        .replace("first = \"1ms\"", "first = \"400ms\"")
        .replace("max = \"5ms\"", "max = \"400ms\"")
        .replace("give-up-after = \"200ms\"", "give-up-after = \"300ms\"");
    workspace.job("vip", &body, Some(&server));
    let failed = workspace.run(&["run", "vip.toml", "-q"]);
    assert_eq!(failed.code, 14, "{}", failed.stderr);
    let waits: Vec<&str> = failed
        .stderr
        .lines()
        .filter_map(|line| line.split_once("; trying again in ").map(|(_, wait)| wait))
        .collect();
    assert!(!waits.is_empty(), "{}", failed.stderr);
    for wait in waits {
        let (seconds, left) = wait.split_once(" s, giving up in ").unwrap();
        assert_eq!(left, "1 s", "both times have a blank before the unit");
        assert!(seconds.parse::<f64>().unwrap() <= 0.3, "{wait}");
    }
}

#[test]
fn an_undo_leaves_a_trace() {
    let stage = Stage::new();
    stage.job(&list_stage::JobText::list(
        "mirror = \"exact\"\nmax-removals = { percent = 100, members = 100 }",
    ));
    let list = stage.vip();
    stage.join_list(&list, &["old@example.com"]);
    stage.audience(["zoe@example.com"]);
    let done = stage.run();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let run = done.report()["run_id"].as_str().unwrap().to_owned();
    let undone = stage.execute(&["undo", list_stage::FILE, &run]);
    assert_eq!(undone.code, 0, "{}", undone.stderr);
    let told = stage.execute(&["status", list_stage::FILE]).stdout;
    assert!(told.contains("1 member added to the list again"), "{told}");
    let runs = stage.execute(&["runs", list_stage::FILE]).stdout;
    assert!(runs.contains(": removals undone "), "{runs}");
    let attempt: Value = serde_json::from_str(
        &stage
            .execute(&["status", list_stage::FILE, "--json"])
            .stdout,
    )
    .unwrap();
    assert_eq!(attempt["last_attempt"]["command"], json!("undo"));
}

#[test]
fn without_a_home_personal_data_does_not_land_in_the_working_folder() {
    let (workspace, server) = started();
    let homeless = |arguments: &[&str]| {
        let mut command = workspace.command(arguments);
        // A path that is none stands in for a user whom the user database does not know.
        command.env_remove("XDG_STATE_HOME").env("HOME", "none");
        Outcome::of(command.spawn().unwrap())
    };
    let refused = homeless(&["run", "vip.toml"]).exits(10);
    assert!(
        refused.error().contains("no folder for the state is known"),
        "{}",
        refused.error()
    );
    assert!(!workspace.path("klaviyo-export").exists());
    homeless(&["preview", "vip.toml"]).exits(0);
    assert!(
        homeless(&["check", "vip.toml"])
            .exits(10)
            .stdout
            .contains("FAILED   state")
    );
    homeless(&["run", "vip.toml", "--state-dir", "here"]).exits(0);
    assert_eq!(server.received().len(), 4);
}

#[test]
fn the_runs_of_a_large_job_fit_a_usual_terminal() {
    let (workspace, _server) = started();
    workspace.run(&["run", "vip.toml"]).exits(0);
    let manifest = workspace.last_run("vip").join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let large = text.replace("\"rows_read\": 8", "\"rows_read\": 300000");
    assert_ne!(large, text);
    std::fs::write(&manifest, large).unwrap();
    let runs = workspace.run(&["runs", "vip.toml"]).exits(0).stdout;
    assert!(runs.contains("300,000"));
    assert!(
        runs.lines().all(|line| line.chars().count() <= 80),
        "{runs}"
    );
}

#[test]
fn errors_hints_and_commands_have_colours_where_they_are_wanted() {
    let workspace = Workspace::new();
    let coloured = workspace.run_with_env(&["run", "a.toml"], &[("CLICOLOR_FORCE", "1")]);
    assert!(
        coloured
            .stderr
            .contains("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m "),
        "{:?}",
        coloured.stderr
    );
    assert!(
        coloured.stderr.contains("hint:\u{1b}[0m "),
        "{:?}",
        coloured.stderr
    );
    let plain = workspace.run(&["run", "a.toml"]);
    assert!(plain.stderr.starts_with("error: "), "{:?}", plain.stderr);
}

#[test]
fn what_check_cannot_know_is_not_called_ok() {
    let (workspace, server) = started();
    server.0.set_faults(Faults::none().always(Fault::DenyLook));
    let told = workspace.run(&["check", "vip.toml"]).exits(0);
    assert!(
        told.stdout.contains("  unknown  directory"),
        "{}",
        told.stdout
    );
    assert!(!told.stdout.contains("all is well"), "{}", told.stdout);
    assert_eq!(told.next(), "klaviyo-export check vip.toml --probe");
    let probed = types(&workspace, told.next()).exits(0);
    assert_eq!(probed.next(), "klaviyo-export run vip.toml --limit 10");
    server.0.set_faults(Faults::none());

    let text = std::fs::read_to_string(workspace.path("vip.toml")).unwrap();
    std::fs::create_dir_all(server.0.profiles().with_file_name("events")).unwrap();
    workspace.write(
        "vip.toml",
        text.replace("[sftp]\n", "[sftp]\ndirectory = \"/events\"\n"),
    );
    let told = workspace.run(&["check", "vip.toml"]).exits(0);
    assert!(
        told.stdout.contains("  warn     directory"),
        "{}",
        told.stdout
    );
    assert!(told.stdout.contains("not as profiles"), "{}", told.stdout);
}

#[test]
fn the_hint_about_a_damaged_manifest_keeps_what_is_known_of_the_list() {
    let (workspace, _server) = started();
    workspace.run(&["run", "vip.toml"]).exits(0);
    workspace.write("state/vip/tracked-AbC123.csv", "Email\n");
    std::fs::write(workspace.last_run("vip").join("manifest.json"), "{").unwrap();
    let told = workspace.run(&["check", "vip.toml"]).exits(18).stdout;
    let line = told
        .lines()
        .find(|line| line.contains("hint: restore it"))
        .unwrap();
    assert!(!line.contains("--state-dir"), "{line}");
    let command = line.rsplit_once("kept): ").unwrap().1;
    types(&workspace, command).exits(0);
    assert!(workspace.path("state/vip/tracked-AbC123.csv").exists());
}

/// A server that takes files and shows nothing: only a file tells whether the folder is there.
#[test]
fn a_folder_that_is_not_there_is_not_called_ok_on_a_server_that_shows_nothing() {
    let (workspace, server) = started();
    let text = std::fs::read_to_string(workspace.path("vip.toml")).unwrap();
    workspace.write(
        "vip.toml",
        text.replace("[sftp]\n", "[sftp]\ndirectory = \"/nope\"\n"),
    );
    server.0.set_faults(Faults::none().always(Fault::DenyLook));
    let told = workspace.run(&["check", "vip.toml"]).exits(0);
    assert!(
        told.stdout.contains("  unknown  directory"),
        "{}",
        told.stdout
    );
    let probed = types(&workspace, told.next()).exits(14);
    assert!(
        probed.stdout.contains("  FAILED   probe"),
        "{}",
        probed.stdout
    );
    assert!(
        probed.stdout.contains("check that the directory exists"),
        "{}",
        probed.stdout
    );
    workspace.write("vip.toml", text);
    let checked = types(&workspace, probed.next()).exits(0);
    types(&workspace, checked.next()).exits(0);
}

/// An API that is down when the run begins: it is told at once, and what is printed next ends where it should.
#[test]
fn an_api_that_is_down_when_the_run_begins_is_told_and_the_next_run_ends_well() {
    let stage = Stage::new();
    stage.job(&list_stage::JobText {
        give_up_after: "300ms",
        ..list_stage::JobText::list("")
    });
    stage.audience(["zoe@example.com"]);
    stage
        .api()
        .set_faults(ApiFaults::none().always(ApiFault::Unavailable));
    let failed = stage.run().exits(16);
    assert!(
        failed
            .stderr
            .contains(" did not answer when the run began: "),
        "{}",
        failed.stderr
    );
    let told = stage.execute(&["status", list_stage::FILE]);
    assert!(told.stdout.contains("  exit code  16: "), "{}", told.stdout);
    stage.api().set_faults(ApiFaults::none());
    assert_eq!(stage.execute_line(failed.next()).code, 0);
    let told = stage.execute(&["status", list_stage::FILE]);
    assert!(told.next().starts_with("nothing; "), "{}", told.stdout);
}

#[test]
fn a_host_that_has_no_address_ends_soon_and_says_what_to_check() {
    let (workspace, server) = started();
    let text = std::fs::read_to_string(workspace.path("vip.toml")).unwrap();
    workspace.write("vip.toml", text.replace("127.0.0.1", "nowhere.invalid"));
    let failed = workspace.run(&["run", "vip.toml"]).exits(14);
    assert!(
        failed
            .hint()
            .starts_with("check the host name and the network of this machine: getent hosts "),
        "{}",
        failed.hint()
    );
    let told = status(&workspace);
    assert_eq!(told.next(), "klaviyo-export run vip.toml");
    workspace.write("vip.toml", text);
    types(&workspace, told.next()).exits(0);
    assert!(server.received().len() >= 4);
}

/// The rows that a guard stored are approved although an earlier run has a start in the future.
#[test]
fn removals_are_approved_after_a_run_under_a_clock_that_was_ahead() {
    let stage = Stage::new();
    let list = stage.vip();
    stage.join_list(&list, &["old@example.com", "older@example.com"]);
    stage.job(&list_stage::JobText::list(""));
    stage.audience(["zoe@example.com"]);
    stage.run().exits(0);
    move_to_the_future(&stage.workspace);
    stage.job(&list_stage::JobText::list(
        "mirror = \"exact\"\nmax-removals = { percent = 100, members = 1 }",
    ));
    let stopped = stage.run().exits(17);
    assert!(
        stopped.next().contains("--approve-removals"),
        "{}",
        stopped.stderr
    );
    let told = stage.execute(&["status", list_stage::FILE]);
    assert!(
        told.next().contains("--approve-removals"),
        "{}",
        told.stdout
    );
    assert_eq!(stage.execute_line(told.next()).code, 0);
    stage.assert_members(["zoe@example.com"]);
}
