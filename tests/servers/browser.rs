//! `report.html` and the page of `runs --html` in Chromium, without a network: nothing in the console, nothing loaded, nothing that
//! axe-core finds, in light and dark and from a telephone's width to a wall's.

use std::path::Path;
use std::process::Command;

use crate::support::{engines, workspace};
use klaviyo_export_sandbox::{Fault, Faults};
use serde_json::{Value, json};
use workspace::Workspace;

const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\n[normalize]\nmax-rejected = { percent = 90, rows = 1000 }\n[parts]\nmax-rows = 2\n[retry]\nfirst = \"1ms\"\ngive-up-after = \"200ms\"\n";

/// The faults that a person would meet who opens the page. Screenshots are left in `$KLAVIYO_EXPORT_SCREENSHOTS`, if that names a folder.
fn open(page: &Path, name: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/browser.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(engines::browser()).arg(page);
    if let Some(folder) = std::env::var_os("KLAVIYO_EXPORT_SCREENSHOTS") {
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        command.arg(folder);
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn assert_clean(found: &Value) {
    for what in ["messages", "requests", "violations", "overflows"] {
        assert_eq!(found[what], json!([]), "{found:#}");
    }
    assert!(
        found["rules_passed"].as_u64().unwrap() > 25,
        "axe-core has looked: {found:#}"
    );
}

#[test]
#[ignore = "slow lane: a browser"]
fn pages_are_clean_in_a_browser() {
    let rows = (0..40).map(|n| format!("n{n}@example.com,+1650253{n:04}\n"));
    let rows: String = rows.collect();
    let audience = format!("email,phone\n{rows}nobody,12\nn1@example.com,\na,b,c\n");
    let workspace = Workspace::with(&[("a.csv", &audience)]);
    let server = workspace.server_with(Faults::none().once(Fault::CutAfter { bytes: 10 }));
    let body = format!(
        "{JOB}[list]\nname = \"VIP\"\ncreate = true\n{}",
        server.api_section()
    );
    let job = workspace.job("vip", &body, Some(&server));
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    workspace.run(&["run", &job]).exits(0);
    let done = workspace.last_run("vip").join("report.html");
    assert_clean(&open(&done, "done"));
    server
        .0
        .set_faults(Faults::none().always(Fault::CutAfter { bytes: 10 }));
    workspace.run(&["run", &job]).exits(14);
    let failed = workspace.last_run("vip").join("report.html");
    assert_clean(&open(&failed, "failed"));
    workspace
        .run(&["runs", &job, "--html", "runs.html"])
        .exits(0);
    assert_clean(&open(&workspace.path("runs.html"), "runs"));
}

#[test]
#[ignore = "slow lane: a browser"]
fn a_page_that_is_not_clean_is_found_out() {
    let workspace = Workspace::with(&[(
        "bad.html",
        "<!DOCTYPE html><title>x</title><script>console.log('here')</script><img src='a.png'>\
         <p style='width:5000px;color:#ccc;background:#fff'>wide</p>",
    )]);
    let found = open(&workspace.path("bad.html"), "bad");
    for what in ["messages", "requests", "violations", "overflows"] {
        assert_ne!(found[what], json!([]), "{what} of {found:#}");
    }
}
