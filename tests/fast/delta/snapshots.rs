//! A snapshot that cannot be trusted costs a full send, and never a row.

use std::process::{Command, Stdio};

use klaviyo_export_sandbox::{Fault, Faults};

use super::{BODY, DELTA, JOB, Job, lines, people, warnings};
use crate::support::workspace::Outcome;

/// Runs where no file may have more than 200 KB.
fn run_with_small_files(job: &Job) -> Outcome {
    let program = job.workspace.command(&["run", "vip.toml", "--json"]);
    let environment = program.get_envs();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(program.get_current_dir().unwrap())
        .env_clear()
        .envs(environment.filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Outcome::of(command.spawn().unwrap())
}

#[test]
fn a_snapshot_that_cannot_be_written_costs_nothing_of_the_delivery() {
    // Under this rule the identifiers of unchanged rows are in memory.
    let parts = "[normalize]\nshared-identifiers = \"report\"\n[parts]";
    let body = BODY.replace("max-rows = 40", "max-rows = 2000");
    let job = Job::with(&body.replace("[parts]", parts), DELTA);
    // 240 KB of snapshot.
    let mut rows = people(10_000);
    let no_snapshot = "no snapshot of this run was kept (";
    job.audience(&rows);
    let first = run_with_small_files(&job).exits(0);
    assert_eq!(first.report()["rows_written"], 10_000);
    assert!(warnings(&first).contains(no_snapshot), "{first:?}");
    assert_eq!(job.night(&rows, &[]).1.len(), 10_000);
    // There is a snapshot before.
    rows.insert(7, "Rome");
    job.audience(&rows);
    let before = job.received();
    let night = run_with_small_files(&job).exits(0);
    assert!(warnings(&night).contains(no_snapshot), "{night:?}");
    assert!(warnings(&night).contains("File too large"), "{night:?}");
    assert_eq!(job.rows_since(&before), lines(&[(7, "Rome")]));
    // What that run sent is not known: the next one sends all.
    assert_eq!(job.night(&rows, &[]).1.len(), 10_000);
    assert_eq!(job.night(&rows, &[]).1.len(), 0);
}

#[test]
fn a_snapshot_of_no_use_costs_a_full_send_with_a_word() {
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, &str); 5] = [
        (|bytes| bytes.clear(), "it is damaged"),
        (|bytes| bytes.truncate(4096 + 24), "it is damaged"),
        (|bytes| bytes[4096 + 30] ^= 1, "it is damaged"),
        (|bytes| bytes.extend([0; 24]), "it is damaged"),
        (
            |bytes| {
                let text = String::from_utf8(bytes[..4095].to_vec()).unwrap();
                let newer = text.replacen("\"version\":1,", "\"version\":9,", 1);
                bytes[..4095].copy_from_slice(newer.as_bytes());
            },
            "it has the form of version 9, and this program reads version 1",
        ),
    ];
    for (change, because) in changes {
        let job = Job::new();
        let rows = people(50);
        job.night(&rows, &[]);
        let path = job.workspace.path("state").join(JOB).join("snapshot");
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let (night, sent) = job.night(&rows, &[]);
        assert_eq!(sent.len(), 50, "{because}");
        assert!(warnings(&night).contains(because), "{}", warnings(&night));
        assert_eq!(job.night(&rows, &[]).1.len(), 0, "{because}");
    }
}

#[test]
fn the_files_of_the_hashes_are_not_to_be_mixed_up() {
    let job = Job::new();
    let rows = people(50);
    job.night(&rows, &[]);
    let state = job.workspace.path("state").join(JOB);
    // Another key: nothing can be compared.
    std::fs::write(state.join("snapshot.key"), [7; 32]).unwrap();
    let (night, sent) = job.night(&rows, &[]);
    assert_eq!(sent.len(), 50);
    assert!(
        warnings(&night).contains("was made with another key"),
        "{}",
        warnings(&night)
    );
    // Keys that mean nothing are not known any more.
    std::fs::write(state.join("unsettled"), "").unwrap();
    let (night, sent) = job.night(&rows, &[]);
    assert_eq!(sent.len(), 50);
    assert!(
        warnings(&night).contains("is of no use: it is damaged"),
        "{}",
        warnings(&night)
    );
    assert_eq!(job.night(&rows, &[]).1.len(), 0);
}

#[test]
fn no_value_and_no_plain_hash_is_in_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let job = Job::new();
    job.night(&people(50), &[]);
    job.night(&people(49), &[]);
    let state = job.workspace.path("state").join(JOB);
    for name in ["snapshot", "snapshot.key", "unsettled"] {
        let path = state.join(name);
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains("example.com") && !text.contains("Oslo"),
            "{name}"
        );
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let bytes = std::fs::read(state.join("snapshot")).unwrap();
    // Whoever tries candidates needs the key: none of these hashes is there without it.
    for key in 0..49 {
        let cell = format!("\"n{key}@example.com\"");
        for kind in 0..3 {
            let digest = xxhash_rust::xxh3::xxh3_128_with_seed(cell.as_bytes(), kind);
            for bytes_of in [digest.to_be_bytes(), digest.to_le_bytes()] {
                assert!(!bytes.windows(16).any(|window| window == bytes_of));
            }
        }
    }
}

/// A job with a property for those who left, after a first night, and that night's run folder.
fn with_left_property() -> (Job, std::path::PathBuf) {
    let job = Job::with(BODY, &format!("{DELTA}left-property = \"In Audience\"\n"));
    let (night, _) = job.night(&people(50), &[]);
    assert_eq!(warnings(&night).matches("left-property").count(), 0);
    let report = night.report();
    let runs = job.workspace.path("state").join(JOB).join("runs");
    let run = runs.join(report["run_id"].as_str().unwrap());
    (job, run)
}

#[test]
fn who_left_and_is_not_known_any_more_is_told() {
    type Loss = fn(&std::path::Path);
    let losses: [(Loss, &str, usize); 3] = [
        (
            |run| std::fs::write(run.join("manifest.json"), "{").unwrap(),
            "manifest.json: is damaged (line 1)",
            0,
        ),
        (
            |run| {
                let files = std::fs::read_dir(run.join("parts")).unwrap();
                let files = files.map(|file| file.unwrap().path());
                for file in files.filter(|path| path.extension().is_some_and(|end| end == "ids")) {
                    std::fs::remove_file(file).unwrap();
                }
            },
            ".ids: cannot read it",
            0,
        ),
        (
            |run| {
                let files = std::fs::read_dir(run.join("parts")).unwrap();
                let files = files.map(|file| file.unwrap().path());
                for file in files.filter(|path| path.extension().is_some_and(|end| end == "ids")) {
                    let text = std::fs::read_to_string(&file).unwrap();
                    let lines = text.split_inclusive('\n').take(5);
                    std::fs::write(file, lines.collect::<String>()).unwrap();
                }
            },
            "the identifiers of the last run are not complete",
            1,
        ),
    ];
    for (loss, because, told) in losses {
        let (job, run) = with_left_property();
        loss(&run);
        let mut rows = people(50);
        rows.remove(&3);
        rows.remove(&30);
        // A run whose manifest is damaged cannot go on: the way out is `--fresh`.
        let (night, sent) = job.night(&rows, &["--fresh"]);
        assert_eq!(sent.len(), told, "{because}: {sent:?}");
        let all = warnings(&night);
        let note = format!(
            "left-property is not sent for {} of 2 rows that left the audience: ",
            2 - told
        );
        assert!(all.contains(&note) && all.contains(because), "{all}");
    }
}

#[test]
fn who_left_before_a_snapshot_of_no_use_is_told() {
    let (job, run) = with_left_property();
    let snapshot = job.workspace.path("state").join(JOB).join("snapshot");
    std::fs::write(snapshot, "").unwrap();
    let (night, sent) = job.night(&people(49), &[]);
    assert_eq!(sent.len(), 49);
    let run_id = run.file_name().unwrap().to_string_lossy().into_owned();
    let note = format!(
        "left-property is not sent for rows that left the audience after run {run_id}: nobody knows them"
    );
    assert!(warnings(&night).contains(&note), "{}", warnings(&night));
    let (night, _) = job.night(&people(48), &[]);
    assert!(!warnings(&night).contains("left-property"));
}

#[test]
fn keys_of_what_is_sent_that_cannot_be_read_cost_the_snapshot_with_a_word() {
    let job = Job::with(
        BODY,
        &DELTA.replace("percent = 100, rows", "percent = 50, rows"),
    );
    let mut rows = people(50);
    job.night(&rows, &[]);
    for key in 0..40 {
        rows.insert(key, "Rome");
    }
    job.audience(&rows);
    let run_id = job.run(&[]).exits(17).report()["run_id"].clone();
    let run_id = run_id.as_str().unwrap();
    let state = job.workspace.path("state").join(JOB);
    let keys = state.join("runs").join(run_id).join("unsettled.next");
    std::fs::write(keys, "").unwrap();
    job.server
        .0
        .set_faults(Faults::none().always(Fault::CutAfter { bytes: 3 }));
    let cut = job.run(&["--approve-changes", run_id]).exits(14);
    assert!(
        warnings(&cut).contains("unsettled.next is of no use: it is damaged"),
        "{}",
        warnings(&cut)
    );
    job.server.0.set_faults(Faults::none());
    // Some of the others may have come to the server: nobody is left out who is now what he was before.
    let (_, sent) = job.night(&people(50), &["--fresh"]);
    assert_eq!(sent.len(), 50);
}
