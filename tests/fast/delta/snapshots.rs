//! A snapshot that cannot be trusted costs a full send, and never a row.

use std::process::{Command, Stdio};

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
    let job = Job::with(&BODY.replace("max-rows = 40", "max-rows = 2000"), DELTA);
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
