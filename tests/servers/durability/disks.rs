//! Disks that are full or read-only: mounted in a mount namespace of the test's own, with `unshare` (Debian's util-linux).

use klaviyo_export_sandbox::Faults;

use super::delivery::{JobOptions, Outcome, Running};
use super::scene::Scene;

/// More waits for the server than a small disk holds.
fn scene() -> Scene {
    let options = JobOptions {
        sessions: 1,
        max_rows: 500,
        parts: "keep-parts = false".to_owned(),
        ..JobOptions::default()
    };
    Scene::new(10_000, &options, Faults::none().bytes_per_second(1_000_000))
}

/// Mounts what `mounts` says, then runs the job, each in the workspace as root of a namespace of its own. What `after` does
/// then still sees the mounts; a later run is the second outcome.
fn in_namespace(scene: &Scene, mounts: &str, after: &str) -> (Outcome, Outcome) {
    let program = scene.workspace.command(&["run", "job.toml", "--json"]);
    let path = program.get_program().to_str().unwrap();
    let script = format!(
        "mkdir -p state\n{mounts}\n\
         {path} run job.toml --json >out1 2>err1; echo $? >code1\n\
         ls -R state >listing\n{after}\n\
         {path} run job.toml --json; echo $? >code2"
    );
    let mut command = super::surrounded_as(&program, "unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]);
    let ended = Running::start(&mut command).wait();
    let read = |name: &str| {
        std::fs::read_to_string(scene.workspace.path(name))
            .unwrap_or_else(|error| panic!("{name}: {error}; {ended:#?}"))
    };
    let code = |name: &str| read(name).trim().parse().ok();
    let first = Outcome {
        code: code("code1"),
        stdout: read("out1"),
        stderr: read("err1"),
        took: ended.took,
    };
    let second = Outcome {
        code: code("code2"),
        ..ended
    };
    (first, second)
}

#[test]
fn a_full_disk_is_named_and_the_next_run_goes_on_when_there_is_room() {
    let scene = scene();
    let (full, roomy) = in_namespace(
        &scene,
        "mount -t tmpfs -o size=3m none state",
        "mount -o remount,size=300m none state",
    );
    full.assert_code(18).assert_says(&[
        "error: ",
        "/state/weather/runs/",
        "No space left on device",
        "hint: free space or correct the storage named above, then run the same command again",
    ]);
    let listing = std::fs::read_to_string(scene.workspace.path("listing")).unwrap();
    assert!(listing.contains("manifest.json"), "{listing}");
    let report = scene.assert_rows(&roomy);
    assert!(
        report
            .warnings
            .iter()
            .any(|text| text.contains("continued this unfinished run")),
        "{:?}",
        report.warnings
    );
}

#[test]
fn a_read_only_state_directory_is_named_before_anything_is_sent() {
    let scene = scene();
    let (read_only, writable) = in_namespace(
        &scene,
        "mount --bind state state && mount -o remount,bind,ro state",
        "umount state",
    );
    read_only.assert_code(18).assert_says(&[
        "error: ",
        "/state",
        "Read-only file system",
        "hint: ",
    ]);
    // The report of an attempt without a run: nothing was formatted, nothing was sent.
    assert_eq!(read_only.report().exit_code, 18);
    assert!(read_only.report().parts.is_empty());
    scene.assert_rows(&writable);
}
