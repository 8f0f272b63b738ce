//! Traces and metrics of a run for a collector of OpenTelemetry. A foreign decoder reads them in `tests/servers/metrics.rs`.
#![cfg(feature = "sandbox")]

use crate::support::workspace::Workspace;

const BODY: &str =
    "[audience]\nfiles = [\"a.csv\"]\n[columns]\nmail = \"Email\"\n[parts]\nmax-rows = 2\n";

/// A job with this address of a collector.
fn job(workspace: &Workspace, endpoint: &str, server: Option<&crate::support::workspace::Server>) {
    let body = format!("{BODY}[metrics]\notlp-endpoint = \"{endpoint}\"\n");
    workspace.job("vip", &body, server);
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_without_it_says_so() {
    let workspace = Workspace::with(&[("a.csv", "mail\n")]);
    job(&workspace, "http://127.0.0.1:4318", None);
    let refused = workspace.run(&["run", "vip.toml"]).exits(10);
    let error = refused.error();
    assert!(error.contains("`metrics.otlp-endpoint` needs a build with OpenTelemetry: cargo install --features otlp"), "{error}");
}

#[cfg(feature = "otlp")]
mod with_it {
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use super::job;
    use crate::support::listener::{Answers, Listener, nobody};
    use crate::support::workspace::Workspace;

    const GOOD: &str = "mail\nann@example.com\nbo@example.com\ncy@example.com\nnobody\n";

    /// The attributes of a span, a resource or a point.
    fn attribute<'a>(of: &'a Value, key: &str) -> &'a Value {
        let mut attributes = of["attributes"].as_array().unwrap().iter();
        let found = attributes.find(|attribute| attribute["key"] == key);
        let value = &found.unwrap_or_else(|| panic!("no {key} in {of:#}"))["value"];
        value.as_object().unwrap().values().next().unwrap()
    }

    fn nanoseconds(of: &Value, key: &str) -> i128 {
        of[key].as_str().unwrap().parse().unwrap()
    }

    fn is_id(id: &Value, digits: usize) -> bool {
        let id = id.as_str().unwrap();
        id.len() == digits
            && id.bytes().all(|byte| byte.is_ascii_hexdigit())
            && id.bytes().any(|byte| byte != b'0')
    }

    #[test]
    fn a_collector_gets_the_trace_and_the_numbers_of_a_run() {
        let collector = Listener::start(Answers::Status(200));
        let workspace = Workspace::with(&[("a.csv", GOOD)]);
        let server = workspace.server();
        job(&workspace, &collector.url("/otlp/"), Some(&server));
        let report = workspace
            .run(&["run", "vip.toml", "--json"])
            .exits(0)
            .report();
        assert_eq!(report["notices"][0]["kind"], "otlp", "{report:#}");
        assert_eq!(report["notices"][0]["outcome"], "delivered");
        assert_eq!(
            collector.lines(),
            ["POST /otlp/v1/traces", "POST /otlp/v1/metrics"]
        );
        let [traces, metrics] = &collector.bodies()[..] else {
            panic!("two requests");
        };
        assert!(
            collector.received()[0]
                .headers
                .contains("content-type: application/json")
        );
        let traces = &traces["resourceSpans"][0];
        assert_eq!(
            attribute(&traces["resource"], "service.name"),
            "klaviyo-export"
        );
        assert_eq!(attribute(&traces["resource"], "klaviyo_export.job"), "vip");
        let spans = traces["scopeSpans"][0]["spans"].as_array().unwrap();
        let [run, stages @ ..] = &spans[..] else {
            panic!("spans");
        };
        assert_eq!(run["name"], "run vip");
        assert!(
            is_id(&run["traceId"], 32) && is_id(&run["spanId"], 16),
            "{run:#}"
        );
        assert_eq!(attribute(run, "klaviyo_export.run_id"), &report["run_id"]);
        assert_eq!(attribute(run, "klaviyo_export.rows_read"), "4");
        assert_eq!(run["status"], json!({}));
        let names: Vec<&Value> = stages.iter().map(|span| &span["name"]).collect();
        assert_eq!(names, ["format", "upload"]);
        for span in stages {
            assert_eq!(
                (&span["traceId"], &span["parentSpanId"]),
                (&run["traceId"], &run["spanId"])
            );
            assert_ne!(span["spanId"], run["spanId"]);
            let begun = nanoseconds(span, "startTimeUnixNano");
            let ended = nanoseconds(span, "endTimeUnixNano");
            assert!(begun <= ended, "{span:#}");
            assert!(nanoseconds(run, "startTimeUnixNano") <= begun, "{spans:#?}");
            assert!(ended <= nanoseconds(run, "endTimeUnixNano"), "{spans:#?}");
        }
        let metrics = metrics["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
            .as_array()
            .unwrap();
        let metric = |name: &str| {
            metrics
                .iter()
                .find(|metric| metric["name"] == name)
                .unwrap()
        };
        let rows = metric("klaviyo_export.last_run_rows")["gauge"]["dataPoints"]
            .as_array()
            .unwrap();
        let of_fate = |fate: &str| {
            rows.iter()
                .find(|point| attribute(point, "fate") == fate)
                .unwrap()
        };
        assert_eq!(of_fate("read")["asDouble"], 4.0);
        assert_eq!(of_fate("rejected")["asDouble"], 1.0);
        assert_eq!(metric("klaviyo_export.last_run_size")["unit"], "By");
        for value in ["ann@", "nobody"] {
            let sent = collector.bodies();
            assert!(!format!("{sent:?}").contains(value));
        }
    }

    #[test]
    fn a_failure_is_a_span_with_an_error_and_headers_come_from_the_environment() {
        let collector = Listener::start(Answers::Status(200));
        let workspace = Workspace::new();
        job(&workspace, &collector.url(""), None);
        let headers = [("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2%20x")];
        let failed = workspace
            .run_with_env(&["run", "vip.toml"], &headers)
            .exits(12);
        let received = collector.received();
        assert_eq!(received.len(), 2);
        assert!(
            received
                .iter()
                .all(|it| it.headers.contains("api-key: hunter2 x")),
            "{received:?}"
        );
        let span = &received[0].json()["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(span["status"]["code"], 2);
        assert_eq!(span["status"]["message"], failed.error());
        assert!(!failed.stderr.contains("hunter2"), "{}", failed.stderr);
    }

    #[test]
    fn no_collector_can_fail_a_run_or_delay_it_for_long() {
        let never = Listener::start(Answers::Never);
        let wrong = Listener::start(Answers::Status(400));
        for (endpoint, problem, requests) in [
            (never.url(""), "no answer in time", None),
            (wrong.url(""), "it answered 400", Some(1)),
            (nobody(""), "the connection failed", None),
        ] {
            let workspace = Workspace::with(&[("a.csv", GOOD)]);
            let server = workspace.server();
            job(&workspace, &endpoint, Some(&server));
            let begun = Instant::now();
            let report = workspace
                .run(&["run", "vip.toml", "--json"])
                .exits(0)
                .report();
            assert!(begun.elapsed() < Duration::from_secs(15));
            let told = report["notices"][0]["problem"].as_str().unwrap();
            assert!(told.contains(problem), "{told}");
            if let Some(requests) = requests {
                assert_eq!(wrong.lines().len(), requests);
            }
        }
        // A secret does not go over an open line.
        let workspace = Workspace::with(&[("a.csv", GOOD)]);
        let server = workspace.server();
        job(&workspace, "http://collector.example.com", Some(&server));
        let headers = [("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2")];
        let outcome = workspace.run_with_env(&["run", "vip.toml", "--json"], &headers);
        let notice = outcome.exits(0).report()["notices"][0].clone();
        assert_eq!(notice["outcome"], "not-sent", "{notice:#}");
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let workspace = Workspace::with(&[("a.csv", GOOD)]);
        for endpoint in [
            "localhost:4318",
            "http://",
            "http://ana:hunter2@h",
            "https://h/?x",
        ] {
            job(&workspace, endpoint, None);
            let refused = workspace.run(&["run", "vip.toml"]).exits(10);
            let error = refused.error();
            assert!(
                error.contains("`metrics.otlp-endpoint` must be the address of a collector"),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
