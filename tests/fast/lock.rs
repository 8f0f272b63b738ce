//! One run of a job at a time.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use klaviyo_export_sandbox::{Fault, Faults};
use workspace::{LIMIT, Workspace};

const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n";

#[test]
fn a_second_run_ends_at_once_and_names_the_first() {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    let server = workspace.server_with(Faults::none().always(Fault::StallAfter {
        bytes: 0,
        time: None,
    }));
    let job = workspace.job("vip", JOB, Some(&server));
    let mut first = workspace.command(&["run", &job]).spawn().unwrap();
    assert!(
        server
            .0
            .wait_for(LIMIT, |events| format!("{events:?}").contains("Opened"))
    );

    for arguments in [&["run", job.as_str()][..], &["run", &job, "--dry-run"]] {
        let second = workspace.run(arguments).exits(11);
        let error = second.error();
        assert!(
            error.contains(&format!("process {} since ", first.id())),
            "{error}"
        );
        assert!(second.hint().contains("wait until it ends"));
        assert_eq!(second.stdout, "");
    }
    let runs = workspace.path("state/vip/runs");
    assert_eq!(
        std::fs::read_dir(&runs).unwrap().count(),
        1,
        "the second left no run"
    );
    let status = workspace.run(&["status", &job]).exits(0).stdout;
    assert!(
        status.contains(&format!("under way (process {}", first.id())),
        "{status}"
    );

    // Another job of the same state folder is free.
    let other = workspace.job("other", JOB, None);
    workspace.run(&["run", &other, "--dry-run"]).exits(0);

    // The lock goes with the process, however it ends.
    first.kill().unwrap();
    first.wait().unwrap();
    server.0.set_faults(Faults::none());
    workspace.run(&["run", &job]).exits(0);
}
