//! Notices: who is told how a run ended, what they are sent, and that none of them fails or delays a run.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::time::{Duration, Instant};

use klaviyo_export::run::watch::notice::SCHEMA;
use klaviyo_export_sandbox::{Fault, Faults};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::listener::{Answers, Listener, nobody};
use crate::support::schemas::assert_keeps;
use crate::support::workspace::{LIMIT, Outcome, Server, Workspace};

const BODY: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nmail = \"Email\"\n[retry]\nfirst = \"1ms\"\nmax = \"5ms\"\ngive-up-after = \"100ms\"\n";
const GOOD: &str = "mail\nzoe.quux@example.com\nnobody\n";
/// A token in a URL, which nobody may see.
const TOKEN: &str = "/hunter2-ping-key";
/// No notice may delay a run longer; and what a busy machine may take for the run itself.
const AT_MOST: Duration = Duration::from_secs(10 + 5);

const WEBHOOK: &str = "[notify]\nwebhook-url-env = \"HOOK\"\n";
const HEARTBEAT: &str = "[notify]\nheartbeat-url-env = \"BEAT\"\n";

/// A job, and where its parts go.
struct Job {
    workspace: Workspace,
    server: Server,
}

impl Job {
    fn new(notify: &str) -> Self {
        Self::with(notify, Faults::none())
    }

    fn with(notify: &str, faults: Faults) -> Self {
        let workspace = Workspace::with(&[("a.csv", GOOD)]);
        let server = workspace.server_with(faults);
        let job = Self { workspace, server };
        job.says(notify);
        job
    }

    fn says(&self, notify: &str) {
        self.workspace
            .job("vip", &format!("{BODY}{notify}"), Some(&self.server));
        self.workspace.set_mode("vip.toml", 0o644);
    }

    /// Runs with the URLs in variables.
    fn run(&self, url: &str, flags: &[&str]) -> Outcome {
        let arguments = [&["run", "vip.toml"], flags].concat();
        let variables = [("HOOK", url), ("BEAT", url)];
        self.workspace.run_with_env(&arguments, &variables)
    }

    /// The audience is missing, so that a run fails before it begins; or it is there again.
    fn breaks(&self) {
        std::fs::remove_file(self.workspace.path("a.csv")).unwrap();
    }

    fn is_mended(&self) {
        self.workspace.write("a.csv", GOOD);
    }
}

#[track_caller]
fn assert_valid(notice: &Value) {
    let schema = assert_keeps(SCHEMA, notice);
    let fields = schema["properties"].as_object().unwrap();
    assert!(fields.keys().eq(notice.as_object().unwrap().keys()));
}

/// The events of the notices, in their order.
fn events(server: &Listener) -> Vec<String> {
    let bodies = server.bodies();
    bodies.iter().for_each(assert_valid);
    let event = |notice: &Value| notice["event"].as_str().unwrap().to_owned();
    bodies.iter().map(event).collect()
}

#[test]
fn the_schema_of_a_notice_is_a_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    let required = schema["required"].as_array().unwrap().len();
    assert_eq!(required, schema["properties"].as_object().unwrap().len());
}

#[test]
fn a_heartbeat_is_told_the_begin_and_the_end_and_trials_tell_nothing() {
    let service = Listener::start(Answers::Status(200));
    let url = service.url(&format!("{TOKEN}?create=1"));
    let job = Job::new(HEARTBEAT);
    let report = job.run(&url, &["--json"]).exits(0).report();
    let ping = |tail: &str| format!("GET {TOKEN}{tail}?create=1");
    assert_eq!(service.lines(), [ping("/start"), ping("")]);
    let told: Vec<&Value> = report["notices"].as_array().unwrap().iter().collect();
    let fields = told
        .iter()
        .map(|it| (&it["event"], &it["outcome"], &it["status"]));
    assert_eq!(
        fields.collect::<Vec<_>>(),
        [
            (&json!("start"), &json!("delivered"), &json!(200)),
            (&json!("success"), &json!("delivered"), &json!(200)),
        ]
    );
    // What is on disk says the same as what was printed.
    let on_disk: Value =
        serde_json::from_str(&job.workspace.of_last_run("vip", "report.json")).unwrap();
    assert_eq!(on_disk, report);
    // It is told of a failure before there is a run too.
    job.breaks();
    job.run(&url, &[]).exits(12);
    assert_eq!(service.lines()[2..], [ping("/start"), ping("/fail")]);
    job.is_mended();
    job.run(&url, &["--limit", "1"]).exits(0);
    job.run(&url, &["--dry-run"]).exits(0);
    assert_eq!(service.lines().len(), 4);
}

#[test]
fn one_notice_is_sent_for_each_change() {
    let service = Listener::start(Answers::Status(204));
    let url = service.url(TOKEN);
    let job = Job::new(WEBHOOK);
    job.run(&url, &[]).exits(0);
    assert_eq!(service.lines().len(), 0, "all is well, and nobody asked");
    job.breaks();
    job.run(&url, &[]).exits(12);
    job.run(&url, &[]).exits(12);
    // It fails in another way.
    let mut other = job.workspace.command(&["run", "vip.toml"]);
    let text = std::fs::read_to_string(job.workspace.path("vip.toml")).unwrap();
    job.workspace.write(
        "vip.toml",
        text.replace("[retry]", "[normalize]\ndefault-region = \"USA\"\n[retry]"),
    );
    other.env("HOOK", &url);
    Outcome::of(other.spawn().unwrap()).exits(10);
    job.workspace.write("vip.toml", &text);
    job.is_mended();
    job.run(&url, &[]).exits(0);
    job.run(&url, &[]).exits(0);
    assert_eq!(events(&service), ["failure", "failure", "recovery"]);
    assert!(
        service
            .lines()
            .iter()
            .all(|line| *line == format!("POST {TOKEN}"))
    );
    let [first, other, recovery] = &service.bodies()[..] else {
        panic!("three notices");
    };
    assert_eq!(
        (&first["exit_code"], &other["exit_code"]),
        (&json!(12), &json!(10))
    );
    assert_eq!(first["job"], "vip");
    assert_eq!(first["run_id"], Value::Null);
    assert!(
        first["error"].as_str().unwrap().contains("a.csv"),
        "{first:#}"
    );
    assert_eq!(
        (&recovery["exit_code"], &recovery["error"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(
        (&recovery["rows_read"], &recovery["rows_rejected"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        (&recovery["parts"], &recovery["parts_delivered"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(recovery["failing_since"], first["failing_since"]);
    assert!(first["failing_since"].is_string());
    // The report that it names is there, and says who was told.
    let report = std::fs::read_to_string(first["report"].as_str().unwrap()).unwrap();
    let _: Value = serde_json::from_str(&report).unwrap();
    let report = std::fs::read_to_string(recovery["report"].as_str().unwrap()).unwrap();
    assert!(report.contains("\"recovery\""), "{report}");
}

#[test]
fn a_job_says_of_which_changes_it_tells() {
    for (on, expected) in [
        ("[\"failure\"]", &["failure"][..]),
        ("[\"recovery\"]", &["recovery"]),
        ("[]", &[]),
        (
            "\"always\"",
            &["success", "failure", "failure", "recovery", "success"],
        ),
    ] {
        let service = Listener::start(Answers::Status(200));
        let url = service.url(TOKEN);
        let job = Job::new(&format!("{WEBHOOK}on = {on}\n"));
        job.run(&url, &[]).exits(0);
        job.breaks();
        job.run(&url, &[]).exits(12);
        job.run(&url, &[]).exits(12);
        job.is_mended();
        job.run(&url, &[]).exits(0);
        job.run(&url, &[]).exits(0);
        assert_eq!(events(&service), expected, "{on}");
    }
}

#[test]
fn a_failure_that_nobody_heard_of_is_told_again() {
    let deaf = Listener::start(Answers::Status(500));
    let job = Job::new(WEBHOOK);
    job.breaks();
    job.run(&deaf.url(TOKEN), &[]).exits(12);
    assert_eq!(deaf.lines().len(), 3, "it was tried three times");
    let service = Listener::start(Answers::Status(200));
    job.run(&service.url(TOKEN), &[]).exits(12);
    assert_eq!(events(&service), ["failure"]);
    // Nobody has to be told of a recovery who never heard of the failure.
    let job = Job::new(WEBHOOK);
    job.breaks();
    job.run(&deaf.url(TOKEN), &[]).exits(12);
    job.is_mended();
    job.run(&service.url(TOKEN), &[]).exits(0);
    assert_eq!(service.lines().len(), 1);
    // A moment of trouble is no trouble.
    let shaky = Listener::start(Answers::First(1, 503, 200));
    let job = Job::new(&format!("{WEBHOOK}on = \"always\"\n"));
    let report = job.run(&shaky.url(TOKEN), &["--json"]).exits(0).report();
    assert_eq!(report["notices"][0]["outcome"], "delivered", "{report:#}");
    assert_eq!(shaky.lines().len(), 2);
}

/// A service that is not well, and what is told of it.
fn services() -> Vec<(Option<Listener>, String, &'static str, &'static str)> {
    let elsewhere = Listener::start(Answers::Status(200));
    let start = |answers: Answers, outcome, problem| {
        let listener = Listener::start(answers);
        let url = listener.url(TOKEN);
        (Some(listener), url, outcome, problem)
    };
    vec![
        start(Answers::Never, "timed-out", "no answer in time"),
        start(Answers::Drip, "timed-out", "no answer in time"),
        start(Answers::Status(500), "failed", "it answered 500"),
        start(Answers::Status(404), "failed", "it answered 404"),
        start(Answers::HangUp, "failed", "the connection failed"),
        start(
            Answers::Redirect(elsewhere.url("/elsewhere")),
            "failed",
            "it answered 302, and redirects are not followed",
        ),
        (None, nobody(TOKEN), "failed", "the connection failed"),
        (
            None,
            format!("http://hooks.example.com{TOKEN}"),
            "not-sent",
            "used for this machine only",
        ),
        (
            None,
            format!("https://hooks.example.com{TOKEN}"),
            "failed",
            "has no address",
        ),
        (
            None,
            "hunter2".to_owned(),
            "not-sent",
            "it must begin with https://",
        ),
        (None, String::new(), "not-sent", "the environment variable"),
    ]
}

#[test]
fn no_service_can_fail_a_run_or_delay_it_for_long() {
    let services = services();
    let run = |(listener, url, outcome, problem): &(Option<Listener>, String, &str, &str)| {
        let notify =
            "[notify]\nheartbeat-url-env = \"BEAT\"\nwebhook-url-env = \"HOOK\"\non = \"always\"\n";
        for code in [0, 12] {
            let job = Job::new(notify);
            if code == 12 {
                job.breaks();
            }
            let begun = Instant::now();
            let ended = job.run(url, &["--json"]).exits(code);
            let took = begun.elapsed();
            assert!(took < AT_MOST, "{took:?} {url}");
            let report = ended.report();
            let notices = report["notices"].as_array().unwrap();
            let of = |kind: &str, event: &str| {
                let mut found = notices.iter();
                found
                    .find(|it| it["kind"] == kind && it["event"] == event)
                    .cloned()
                    .unwrap()
            };
            let end = if code == 0 { "success" } else { "failure" };
            for notice in [
                of("heartbeat", "start"),
                of("heartbeat", end),
                of("webhook", end),
            ] {
                assert_eq!(notice["outcome"], *outcome, "{notice:#} {url}");
                assert!(
                    notice["problem"].as_str().unwrap().contains(problem),
                    "{notice:#}"
                );
            }
            // It is said, and the secret is not.
            assert!(ended.stderr.contains("webhook: "), "{}", ended.stderr);
            let seen = format!("{}{}", ended.stdout, ended.stderr);
            assert!(
                !seen.contains("hunter2") && !seen.contains("hooks.example"),
                "{seen}"
            );
            if let Some(listener) = listener {
                assert!(!listener.received().is_empty());
            }
        }
    };
    std::thread::scope(|scope| {
        for service in &services {
            scope.spawn(move || run(service));
        }
    });
}

#[test]
fn a_signal_ends_the_notices_soon() {
    let service = Listener::start(Answers::Never);
    let job = Job::new(&format!("{WEBHOOK}on = \"always\"\n"));
    let mut command = job.workspace.command(&["run", "vip.toml", "--json"]);
    let child = command.env("HOOK", service.url(TOKEN)).spawn().unwrap();
    assert!(service.wait(LIMIT));
    let begun = Instant::now();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    // The run was done already: that is its exit code.
    let ended = Outcome::of(child).exits(0);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let notice = &ended.report()["notices"][0];
    assert_eq!(notice["outcome"], "timed-out", "{notice:#}");
}

#[test]
fn a_run_that_a_signal_ends_is_told() {
    let service = Listener::start(Answers::Status(200));
    let job = Job::with(WEBHOOK, Faults::none().always(Fault::RefuseConnection));
    let text = std::fs::read_to_string(job.workspace.path("vip.toml")).unwrap();
    job.workspace
        .write("vip.toml", text.replace("give-up-after = \"100ms\"\n", ""));
    let mut command = job.workspace.command(&["run", "vip.toml"]);
    let child = command.env("HOOK", service.url(TOKEN)).spawn().unwrap();
    assert!(job.server.0.wait_for(LIMIT, |events| events.len() > 2));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    Outcome::of(child).exits(143);
    assert_eq!(events(&service), ["failure"]);
    let notice = &service.bodies()[0];
    assert_eq!(
        (&notice["status"], &notice["exit_code"]),
        (&json!("interrupted"), &json!(143))
    );
    assert!(
        notice["next"]
            .as_str()
            .unwrap()
            .starts_with("klaviyo-export run vip.toml"),
        "{notice:#}"
    );
}

#[test]
fn a_program_gets_the_path_of_the_report() {
    let job = Job::new(
        "[notify]\ncommand = [\"sh\", \"-c\", \"echo $KLAVIYO_EXPORT_NOTICE $1 >> told; cat \\\"$1\\\" > seen.json\", \"tell\"]\non = \"always\"\n",
    );
    let report = job.run("", &["--json"]).exits(0).report();
    let notice = &report["notices"][0];
    assert_eq!(
        (&notice["kind"], &notice["outcome"], &notice["status"]),
        (&json!("command"), &json!("delivered"), &json!(0))
    );
    let read = |name: &str| std::fs::read_to_string(job.workspace.path(name)).unwrap();
    let told = read("told");
    let path = told.trim().strip_prefix("success /").unwrap();
    assert!(path.ends_with("/report.json"), "{told}");
    let seen: Value = serde_json::from_str(&read("seen.json")).unwrap();
    assert_eq!(
        (&seen["run_id"], &seen["notices"]),
        (&report["run_id"], &json!([]))
    );
    // An attempt without a run has a report too.
    job.breaks();
    job.run("", &[]).exits(12);
    let seen: Value = serde_json::from_str(&read("seen.json")).unwrap();
    assert_eq!(
        (&seen["run_id"], &seen["exit_code"]),
        (&Value::Null, &json!(12))
    );
    assert!(
        read("told")
            .lines()
            .last()
            .unwrap()
            .starts_with("failure /")
    );
}

#[test]
fn no_program_can_fail_a_run_or_outlive_it() {
    for (command, outcome, problem) in [
        ("[\"/no/such/program\"]", "failed", "cannot be run"),
        (
            "[\"sh\", \"-c\", \"exit 3\"]",
            "failed",
            "ended with exit status: 3",
        ),
        (
            "[\"sh\", \"-c\", \"sleep 60 & echo $! > child; wait\"]",
            "timed-out",
            "did not end in time, and was killed",
        ),
    ] {
        let job = Job::new(&format!("[notify]\ncommand = {command}\non = \"always\"\n"));
        let begun = Instant::now();
        let ended = job.run("", &["--json"]).exits(0);
        assert!(begun.elapsed() < AT_MOST, "{:?}", begun.elapsed());
        let notice = ended.report()["notices"][0].clone();
        assert_eq!(notice["outcome"], outcome, "{notice:#}");
        assert!(
            notice["problem"].as_str().unwrap().contains(problem),
            "{notice:#}"
        );
        let child = std::fs::read_to_string(job.workspace.path("child"));
        if let Ok(child) = child {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
            // It may be a zombie of whoever adopts it.
            assert!(state.is_err() || state.unwrap().contains(") Z "), "{child}");
        }
    }
}

#[test]
fn a_program_is_refused_where_others_can_write_the_job() {
    let job = Job::new("[notify]\ncommand = [\"true\"]\n");
    job.workspace.set_mode("vip.toml", 0o666);
    let refused = job.run("", &[]).exits(10);
    assert!(
        refused.error().contains("`notify.command` runs a program"),
        "{}",
        refused.error()
    );
}

#[test]
fn slack_gets_blocks() {
    let service = Listener::start(Answers::Status(200));
    let url = service.url(TOKEN);
    let job = Job::new(&format!("{WEBHOOK}webhook-format = \"slack\"\n"));
    let text = std::fs::read_to_string(job.workspace.path("vip.toml")).unwrap();
    job.workspace
        .write("vip.toml", text.replace("a.csv", "<a> & `b`.csv"));
    job.run(&url, &[]).exits(12);
    job.workspace.write("vip.toml", &text);
    job.run(&url, &[]).exits(0);
    let [failure, recovery] = &service.bodies()[..] else {
        panic!("two messages");
    };
    assert_eq!(
        failure["text"],
        "vip failed: the audience cannot be read, lacks a column, or is empty (exit code 12)"
    );
    assert_eq!(recovery["text"], "vip is well again");
    for message in [failure, recovery] {
        for block in message["blocks"].as_array().unwrap() {
            let text = match block["type"].as_str().unwrap() {
                "section" => &block["text"],
                "context" => &block["elements"][0],
                other => panic!("{other}"),
            };
            assert_eq!(text["type"], "mrkdwn");
            let text = text["text"].as_str().unwrap();
            assert!(
                !text.is_empty() && text.len() <= 3_000 && !text.contains('<'),
                "{text}"
            );
        }
    }
    let error = failure["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(error.contains("&lt;a&gt; &amp; 'b'.csv"), "{error}");
    assert!(
        recovery
            .to_string()
            .contains("2 rows read, 1 written, 1 rejected"),
        "{recovery:#}"
    );
    assert!(
        failure.to_string().contains("failing since 2"),
        "{failure:#}"
    );
    assert!(
        recovery.to_string().contains("had failed since 2"),
        "{recovery:#}"
    );
}

#[test]
fn the_secret_can_be_in_a_file_or_come_from_a_program() {
    let service = Listener::start(Answers::Status(200));
    let url = service.url(TOKEN);
    for keys in [
        "webhook-url-file = \"hook\"",
        "webhook-url-command = [\"cat\", \"hook\"]",
    ] {
        let job = Job::new(&format!("[notify]\n{keys}\non = \"always\"\n"));
        job.workspace.write("hook", format!("{url}\n"));
        job.workspace.set_mode("hook", 0o600);
        job.workspace.run(&["run", "vip.toml", "-vv"]).exits(0);
    }
    assert_eq!(events(&service), ["success", "success"]);
    // A file that others can read is not used, and that fails no run.
    let job = Job::new("[notify]\nwebhook-url-file = \"hook\"\non = \"always\"\n");
    job.workspace.write("hook", &url);
    job.workspace.set_mode("hook", 0o644);
    let ended = job.workspace.run(&["run", "vip.toml"]).exits(0);
    assert!(
        ended.stderr.contains("other users can read it"),
        "{}",
        ended.stderr
    );
    assert_eq!(service.lines().len(), 2);
    let refused = Job::new(&format!("[notify]\nwebhook-url-env = \"{url}\"\n")).run("", &[]);
    let error = refused.exits(10).error().to_owned();
    assert!(
        error.contains("never the URL itself") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn no_log_shows_a_url() {
    let service = Listener::start(Answers::Status(500));
    let url = service.url(TOKEN);
    let job = Job::new(
        "[notify]\nheartbeat-url-env = \"BEAT\"\nwebhook-url-env = \"HOOK\"\non = \"always\"\n",
    );
    let mut command = job.workspace.command(&["run", "vip.toml"]);
    let child = command
        .envs([("HOOK", &*url), ("BEAT", &url), ("RUST_LOG", "trace")])
        .spawn();
    let ended = Outcome::of(child.unwrap()).exits(0);
    let verbose = job.run(&url, &["-vv"]).exits(0);
    let report = job.workspace.of_last_run("vip", "report.json");
    let seen = [
        ended.stdout,
        ended.stderr,
        verbose.stdout,
        verbose.stderr,
        report,
    ]
    .concat();
    assert!(seen.contains("it answered 500"), "{seen}");
    assert!(!seen.contains("hunter2"), "{seen}");
    let state = std::fs::read_to_string(job.workspace.path("state/vip/outcome.json")).unwrap();
    assert!(!state.contains("hunter2"), "{state}");
}

#[test]
fn notices_hold_no_value_of_a_row() {
    let service = Listener::start(Answers::Status(200));
    let job = Job::new(&format!("{WEBHOOK}on = \"always\"\n"));
    job.run(&service.url(TOKEN), &[]).exits(0);
    let sent = String::from_utf8(service.received()[0].body.clone()).unwrap();
    for value in ["quux", "nobody", "example.com"] {
        assert!(!sent.contains(value), "{sent}");
    }
}

#[test]
fn check_tells_who_is_told_and_sends_a_test_only_when_asked() {
    let service = Listener::start(Answers::Status(200));
    let url = service.url(TOKEN);
    let variables = [("HOOK", &*url), ("BEAT", &url)];
    let job = Job::new(
        "[notify]\nheartbeat-url-env = \"BEAT\"\nwebhook-url-env = \"HOOK\"\ncommand = [\"sh\", \"-c\", \"cat $1 > seen.json\", \"tell\"]\n",
    );
    let notify = |arguments: &[&str], variables: &[(&str, &str)]| {
        let checked = job.workspace.run_with_env(
            &[&["check", "vip.toml", "--json"], arguments].concat(),
            variables,
        );
        let findings = checked.exits(0).report();
        let mut checks = findings["checks"].as_array().unwrap().iter();
        checks
            .find(|check| check["name"] == "notify")
            .cloned()
            .unwrap()
    };
    let found = notify(&[], &variables);
    assert_eq!(found["status"], "ok");
    assert_eq!(
        found["detail"],
        "heartbeat, webhook, command sh; on failure and recovery; nothing was sent: --probe sends a test notice to each"
    );
    assert_eq!(service.lines().len(), 0);
    let found = notify(&["--probe"], &variables);
    assert_eq!(found["status"], "ok", "{found:#}");
    let mut lines = service.lines();
    lines.sort();
    assert_eq!(lines, [format!("GET {TOKEN}"), format!("POST {TOKEN}")]);
    let received = service.received();
    let posted = received
        .iter()
        .find(|it| it.method == "POST")
        .unwrap()
        .json();
    assert_valid(&posted);
    assert_eq!(posted["event"], "test");
    let seen = std::fs::read_to_string(job.workspace.path("seen.json")).unwrap();
    assert!(seen.contains("\"job\": \"vip\""), "{seen}");
    // What is wrong is a warning: it would fail no run.
    let found = notify(&[], &[("HOOK", "hunter2")]);
    assert_eq!(found["status"], "warn");
    let notes = found["notes"].to_string();
    assert!(
        notes.contains("heartbeat: no URL: the environment variable BEAT is not set"),
        "{notes}"
    );
    assert!(
        notes.contains("webhook: it is not a URL") && !notes.contains("hunter2"),
        "{notes}"
    );
    let deaf = Listener::start(Answers::Status(403));
    let url = deaf.url(TOKEN);
    let found = notify(&["--probe"], &[("HOOK", &*url), ("BEAT", &url)]);
    assert!(
        found["notes"]
            .to_string()
            .contains("webhook: test, not delivered: it answered 403"),
        "{found:#}"
    );
}

#[test]
fn shards_tell_of_failures_and_list_of_the_night() {
    let service = Listener::start(Answers::Status(200));
    let url = service.url(TOKEN);
    let both = "[notify]\nheartbeat-url-env = \"BEAT\"\nwebhook-url-env = \"HOOK\"\n";
    let job = Job::new("");
    let api = job.server.api_section();
    let body = format!("{BODY}[list]\nname = \"VIP\"\ncreate = true\n{api}{both}")
        .replace("a.csv", "in/*.csv")
        .replace("\"100ms\"", "\"10s\"");
    job.workspace.job("vip", &body, Some(&job.server));
    job.workspace.write("in/1.csv", "mail\nann@example.com\n");
    job.workspace.write("in/2.csv", "mail\nbo@example.com\n");
    let variables = [
        ("HOOK", &*url),
        ("BEAT", &url),
        ("KLAVIYO_EXPORT_API_SPEED", "100"),
    ];
    let run = |arguments: &[&str]| {
        let arguments = [
            &[arguments[0], "vip.toml", "--run-group", "g"],
            &arguments[1..],
        ]
        .concat();
        job.workspace.run_with_env(&arguments, &variables)
    };
    run(&["run", "--shard", "1/2"]).exits(0);
    assert_eq!(service.lines().len(), 0);
    // It is too early.
    run(&["list"]).exits(17);
    let ping = |tail: &str| format!("GET {TOKEN}{tail}");
    let mut lines = service.lines();
    lines.sort();
    assert_eq!(
        lines,
        [ping("/fail"), ping("/start"), format!("POST {TOKEN}")]
    );
    let before = lines.len();
    // A shard that fails tells so, and which one it is.
    job.workspace.write("in/3.csv", "post\nx\n");
    let failed = run(&["run", "--shard", "2/2", "--fresh"]);
    assert_ne!(failed.code, 0);
    let received = service.received();
    let mut lines: Vec<String> = received[before..]
        .iter()
        .map(crate::support::listener::Received::line)
        .collect();
    lines.sort();
    assert_eq!(lines, [ping("/fail"), format!("POST {TOKEN}")]);
    let posted = received[before..]
        .iter()
        .find(|it| it.method == "POST")
        .unwrap()
        .json();
    assert_valid(&posted);
    assert_eq!(posted["shard"], "2/2");
    std::fs::remove_file(job.workspace.path("in/3.csv")).unwrap();
    run(&["run", "--shard", "2/2"]).exits(0);
    let before = service.lines().len();
    run(&["list"]).exits(0);
    let mut lines = service.lines()[before..].to_vec();
    lines.sort();
    assert_eq!(lines, [ping(""), ping("/start"), format!("POST {TOKEN}")]);
    assert_eq!(service.bodies().last().unwrap()["event"], "recovery");
}
