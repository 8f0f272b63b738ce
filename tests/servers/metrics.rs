//! The files and requests for monitoring are read by others' parsers: Prometheus' own in Python, and the Protocol Buffers of
//! OpenTelemetry. `tests/engines` fetches both.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::path::Path;
use std::process::Command;

use klaviyo_export_sandbox::api::EmailStanding;

use crate::support::engines;
use crate::support::listener::{Answers, Listener};
use crate::support::workspace::Workspace;

const BODY: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nmail = \"Email\"\n[list]\nname = \"VIP\"\ncreate = true\n[delta]\nsend = \"changed\"\n[guard]\n";

/// The script's words on a file.
fn read(kind: &str, file: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/watched.py");
    let output = Command::new(engines::monitoring_python())
        .arg(script)
        .arg(kind)
        .arg(file)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{said}");
    printed
}

#[test]
fn prometheus_and_opentelemetry_read_the_numbers_of_a_run() {
    let collector = Listener::start(Answers::Status(200));
    let workspace = Workspace::with(&[("a.csv", "mail\nann@example.com\nnobody\n")]);
    let server = workspace.server();
    let api = server.api_section();
    let url = collector.url("");
    let body = format!(
        "{BODY}{api}[metrics]\nfile = \"vip.prom\"\n{}",
        if cfg!(feature = "otlp") {
            format!("otlp-endpoint = \"{url}\"\n")
        } else {
            String::new()
        }
    );
    workspace.job("vip", &body, Some(&server));
    let fast = [("KLAVIYO_EXPORT_API_SPEED", "100")];
    let account = server.0.api();
    account.set_email_standing("ann@example.com", EmailStanding::Unsubscribed);
    workspace.run_with_env(&["run", "vip.toml"], &fast).exits(0);
    let good = read("prometheus", &workspace.path("vip.prom"));
    for line in [
        "klaviyo_export_last_run_rows{fate=read,job=vip} 2.0",
        "klaviyo_export_last_run_rows{fate=written,job=vip} 1.0",
        "klaviyo_export_last_run_rejected_rows{job=vip,reason=no-identifier} 1.0",
        "klaviyo_export_last_run_list_profiles{fate=attached,job=vip} 1.0",
        "klaviyo_export_last_run_no_email_profiles{job=vip,reason=unsubscribed} 1.0",
        "klaviyo_export_last_run_no_email_profiles{job=vip,reason=suppressed} 0.0",
        "klaviyo_export_last_run_exit_code{job=vip} 0.0",
    ] {
        assert!(good.lines().any(|told| told == line), "{line}\n{good}");
    }
    std::fs::remove_file(workspace.path("a.csv")).unwrap();
    workspace
        .run_with_env(&["run", "vip.toml"], &fast)
        .exits(12);
    let bad = read("prometheus", &workspace.path("vip.prom"));
    assert!(
        bad.contains("klaviyo_export_last_run_exit_code{job=vip} 12.0"),
        "{bad}"
    );
    let last = |text: &str| {
        let mut lines = text.lines();
        lines
            .find(|line| line.contains("_last_success_"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(last(&bad), last(&good));
    if cfg!(feature = "otlp") {
        let bodies: Vec<String> = collector.bodies().iter().map(ToString::to_string).collect();
        assert_eq!(bodies.len(), 4);
        workspace.write("otlp.ndjson", bodies.join("\n"));
        let told = read("otlp", &workspace.path("otlp.ndjson"));
        for line in [
            "span run vip ok",
            "span format ok",
            "span upload ok",
            "span list ok",
            "span run vip error",
            "klaviyo_export.last_run_rows{fate=read} 2.0",
            "klaviyo_export.last_run_exit_code{} 12.0",
        ] {
            assert!(told.lines().any(|it| it == line), "{line}\n{told}");
        }
    }
}
