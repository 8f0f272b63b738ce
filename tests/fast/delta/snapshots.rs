//! A snapshot that cannot be trusted costs a full send, and never a row.

use super::{JOB, Job, people, warnings};

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
