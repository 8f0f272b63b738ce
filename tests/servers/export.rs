//! The main promise, against a real OpenSSH server: what the server has is what was spooled, and another program's CSV
//! reader finds in it what was meant. And the servers that must be refused, with what the user is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may end by a panic"
)]

mod refused;

use crate::support::cut_proxy;
use crate::support::delivery;
use crate::support::sshd;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use cut_proxy::{Cut, CutProxy};
use delivery::{
    JobOptions, Outcome, Running, Target, Workspace, assert_bytes, base_name, csv_files, wait_until,
};
use klaviyo_export::run::report::RunReport;
use sshd::{Sshd, SshdBuilder, current_user, keygen};

/// The rows of a CSV file as Python's `csv` module reads them, the header first.
fn read_by_python(path: &Path) -> Vec<Vec<String>> {
    let program = "import csv, json, sys\n\
                   with open(sys.argv[1], newline='', encoding='utf-8') as file:\n\
                   \x20   print(json.dumps(list(csv.reader(file, strict=True))))";
    let output = Command::new("python3")
        .args(["-c", program])
        .arg(path)
        .output()
        .expect("python3");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Where the fixture's user delivers to, with the server's key known.
fn target(sshd: &Sshd) -> Target {
    let known = format!("{} {}\n", sshd.host_name(), sshd.host_key("ed25519"));
    Target {
        port: sshd.port,
        username: current_user(),
        private_key: sshd.user_key(),
        trust: format!(
            "known-hosts = [\"{}\"]",
            sshd.write_known_hosts(&known).display()
        ),
        directory: sshd.files().display().to_string(),
    }
}

/// The flags of `send` that reach the fixture's server, but for what makes its key known.
fn destination(sshd: &Sshd) -> Vec<String> {
    let files = sshd.files();
    vec![
        format!(
            "--to=sftp://{}@127.0.0.1:{}{}",
            current_user(),
            sshd.port,
            files.display()
        ),
        format!("--identity={}", sshd.user_key().display()),
        "--json".into(),
    ]
}

/// Fails unless all arrived as it was spooled and nothing else is there; gives the report and Python's rows, parts in order.
fn assert_arrived(
    workspace: &Workspace,
    job: &str,
    sshd: &Sshd,
    outcome: &Outcome,
) -> (RunReport, Vec<Vec<String>>) {
    outcome.assert_code(0);
    let report = outcome.report();
    let received = csv_files(&sshd.files());
    assert_bytes(&report, &workspace.spooled(job, &report.run_id), &received);
    assert_eq!(received.len(), report.parts.len(), "{:?}", received.keys());
    let mut rows = Vec::new();
    for part in &report.parts {
        let path = part.remote_path.as_deref().unwrap();
        assert_eq!(path, sshd.remote(&base_name(path)));
        let mut records = read_by_python(Path::new(path));
        let header = records.remove(0);
        assert_eq!(records.len() as u64, part.rows);
        if rows.is_empty() {
            rows.push(header);
        } else {
            assert_eq!(header, rows[0], "every part has the same header");
        }
        rows.append(&mut records);
    }
    (report, rows)
}

/// The E.164 numbers of the fixture's rows.
const PHONES: [&str; 20] = [
    "+551139235555",
    "+497112842222",
    "+15147214711",
    "+4722442222",
    "+420241725555",
    "", // Danish, a digit too long
    "+3222190303",
    "+4315134505",
    "+35316792424",
    "", // Chilean, too short
    "", // Indian, a digit too long
    "+918022289999",
    "+61293323633",
    "",
    "+33380736699",
    "+35898702000",
    "+34914454454",
    "+351213466111",
    "+14079997788",
    "+441313153300",
];

#[test]
fn a_customer_table_arrives_with_its_columns_guessed() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audiences/chinook_like.csv");
    let sshd = Sshd::start();
    let known = format!("{} {}\n", sshd.host_name(), sshd.host_key("ed25519"));
    let known = sshd.write_known_hosts(&known);
    let workspace = Workspace::new();
    let mut flags = destination(&sshd);
    flags.push(format!("--known-hosts={}", known.display()));
    flags.push("--keep-parts".into());
    let mut arguments = vec!["send", fixture.to_str().unwrap()];
    arguments.extend(flags.iter().map(String::as_str));
    let outcome = workspace.call(&arguments);
    let (report, rows) = assert_arrived(&workspace, "chinook_like", &sshd, &outcome);

    let columns = [
        ("Email", 11),
        ("PhoneNumber", 9),
        ("ExternalID", 0),
        ("FirstName", 1),
        ("LastName", 2),
        ("Organization", 3),
        ("Address1", 4),
        ("City", 5),
        ("Region", 6),
        ("Country", 7),
        ("Zip", 8),
    ];
    let mut expected: Vec<Vec<String>> =
        vec![columns.iter().map(|(header, _)| (*header).into()).collect()];
    let source = read_by_python(&fixture);
    for (record, phone) in source[1..].iter().zip(PHONES) {
        let cell = |(header, index): &(&str, usize)| match *header {
            "PhoneNumber" => phone.to_owned(),
            _ => record[*index].replace('\n', " "),
        };
        expected.push(columns.iter().map(cell).collect());
    }
    assert_eq!(rows, expected);
    assert_eq!((report.rows_read, report.rows_written), (20, 20));
    let repairs: Vec<(&str, u64)> = report
        .repairs
        .iter()
        .map(|(code, count)| (code.code(), *count))
        .collect();
    assert_eq!(repairs, [("invalid-phone", 3), ("line-break", 1)]);
    assert!(report.rejections.is_empty() && report.duplicates == 0);
}

/// Cells as they stand in a source, and as they must arrive.
const CELLS: [(&str, &str); 16] = [
    ("plain", "plain"),
    ("comma, and \"quotes\"", "comma, and \"quotes\""),
    ("\"all quoted\"", "\"all quoted\""),
    ("two\nlines", "two lines"),
    ("windows\r\nlines", "windows lines"),
    ("a\ttab", "a tab"),
    ("  around  ", "around"),
    ("", ""),
    ("\"", "\""),
    (",", ","),
    ("Łódź, Škoda, Ünïcödé", "Łódź, Škoda, Ünïcödé"),
    ("東京タワー", "東京タワー"),
    ("👩‍👩‍👧 family 🎉", "👩‍👩‍👧 family 🎉"),
    ("مرحبا \"بك\"", "مرحبا \"بك\""),
    ("=1+1", "=1+1"),
    (
        "it's; a | pipe \\ and a back\\slash",
        "it's; a | pipe \\ and a back\\slash",
    ),
];

/// An audience with every pair of [`CELLS`] in a row, as CSV, and the rows that must arrive.
fn awkward_audience() -> (Vec<u8>, Vec<Vec<String>>) {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["id", "mail", "name", "note"]).unwrap();
    let mut expected = vec![
        ["Email", "ExternalID", "FirstName", "Note"]
            .map(String::from)
            .to_vec(),
    ];
    for round in 0..8 {
        for (index, (name, arrived)) in CELLS.iter().enumerate() {
            for (other, (note, noted)) in CELLS.iter().enumerate() {
                let id = format!("{round}-{index}-{other}");
                let mail = format!("someone+{id}@example.com");
                csv.write_record([&id[..], &mail, name, note]).unwrap();
                expected.push(vec![mail, id, (*arrived).into(), (*noted).into()]);
            }
        }
    }
    (csv.into_inner().unwrap(), expected)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    file.write_all(bytes).unwrap();
    file.finish().unwrap()
}

#[test]
fn awkward_cells_of_a_gzipped_file_arrive_in_parts_over_four_sessions() {
    let sshd = Sshd::start();
    let workspace = Workspace::new();
    let (csv, expected) = awkward_audience();
    workspace.write("audience.csv.gz", gzip(&csv));
    let options = JobOptions {
        file: "audience.csv.gz",
        sessions: 4,
        max_rows: 150,
        ..JobOptions::default()
    };
    workspace.job(&target(&sshd), &options);
    let outcome = workspace.run();
    let (report, rows) = assert_arrived(&workspace, delivery::JOB, &sshd, &outcome);
    assert_eq!(report.parts.len(), 14);
    assert!(rows == expected, "the cells are not what was meant");
    let logins = sshd.log_count("Accepted publickey");
    assert!((1..=4).contains(&logins), "{logins} logins");
}

#[test]
fn parts_larger_than_the_window_arrive_whole() {
    let sshd = Sshd::start();
    let workspace = Workspace::new();
    workspace.audience(12_000, 1_000);
    let options = JobOptions {
        sessions: 2,
        max_rows: 5_000,
        sftp: "window = \"1MB\"".into(),
        ..JobOptions::default()
    };
    workspace.job(&target(&sshd), &options);
    let (report, _) = assert_arrived(&workspace, delivery::JOB, &sshd, &workspace.run());
    assert_eq!(report.parts.len(), 3);
    assert!(report.parts[0].bytes > 4_500_000);
}

#[test]
fn a_server_without_setstat_and_rename_takes_parts() {
    let sshd = SshdBuilder::default()
        .subsystem("internal-sftp -P setstat,fsetstat,posix-rename,rename,read")
        .start();
    let workspace = Workspace::new();
    workspace.audience(300, 200);
    let options = JobOptions {
        max_rows: 100,
        ..JobOptions::default()
    };
    workspace.job(&target(&sshd), &options);
    assert_arrived(&workspace, delivery::JOB, &sshd, &workspace.run());
}

#[test]
fn delivered_parts_are_removed_here_unless_they_are_to_be_kept() {
    let sshd = Sshd::start();
    let workspace = Workspace::new();
    workspace.audience(300, 200);
    let options = JobOptions {
        max_rows: 100,
        parts: String::new(),
        ..JobOptions::default()
    };
    workspace.job(&target(&sshd), &options);
    let outcome = workspace.run();
    let report = outcome.assert_code(0).report();
    assert_eq!(csv_files(&sshd.files()).len(), 3);
    assert!(workspace.spooled(delivery::JOB, &report.run_id).is_empty());
}

#[test]
fn connections_that_are_cut_lose_nothing_and_leave_nothing() {
    let sshd = Sshd::start();
    let mut cuts = vec![Cut::Reset(900_000), Cut::Close(300_000), Cut::Reset(30_000)];
    let server = ([127, 0, 0, 1], sshd.port).into();
    let proxy = CutProxy::start(server, move || cuts.pop().unwrap_or(Cut::Never));
    let workspace = Workspace::new();
    workspace.audience(2_000, 1_000);
    let options = JobOptions {
        max_rows: 1_000,
        sessions: 2,
        ..JobOptions::default()
    };
    let mut target = target(&sshd);
    target.port = proxy.port();
    target.trust = format!(
        "known-hosts = [\"{}\"]",
        sshd.write_known_hosts(&format!(
            "[127.0.0.1]:{} {}\n",
            proxy.port(),
            sshd.host_key("ed25519")
        ))
        .display()
    );
    workspace.job(&target, &options);
    let (report, _) = assert_arrived(&workspace, delivery::JOB, &sshd, &workspace.run());
    assert_eq!(proxy.cuts(), 3);
    let attempts: u32 = report.parts.iter().map(|part| part.attempts).sum();
    assert!(attempts > 2, "{attempts}");
}

#[test]
fn a_server_that_is_down_at_first_is_waited_for() {
    let mut sshd = Sshd::start();
    let workspace = Workspace::new();
    workspace.audience(100, 200);
    let target = target(&sshd);
    workspace.job(&target, &JobOptions::default());
    sshd.stop();
    let running = workspace.start();
    running.wait_for_stderr("trying again");
    sshd.restart();
    assert_eq!(sshd.port, target.port, "somebody else took the port");
    assert_arrived(&workspace, delivery::JOB, &sshd, &running.wait());
}

/// A run whose server died when some parts had arrived, and which tries again.
fn killed_on_the_way(sshd: &mut Sshd, workspace: &Workspace, options: &JobOptions) -> Running {
    workspace.job(&target(sshd), options);
    let running = workspace.start();
    let files = sshd.files();
    wait_until("a part", || csv_files(&files).len() > 2);
    sshd.stop();
    running.wait_for_stderr("trying again");
    running
}

#[test]
fn a_server_that_dies_on_the_way_and_comes_back_gets_the_rest() {
    let mut sshd = Sshd::start();
    let port = sshd.port;
    let workspace = Workspace::new();
    workspace.audience(60_000, 1_000);
    let options = JobOptions {
        sessions: 2,
        max_rows: 6_000,
        ..JobOptions::default()
    };
    let running = killed_on_the_way(&mut sshd, &workspace, &options);
    sshd.restart();
    assert_eq!(sshd.port, port, "somebody else took the port");
    let (report, _) = assert_arrived(&workspace, delivery::JOB, &sshd, &running.wait());
    assert_eq!(report.parts.len(), 10);
}

#[test]
fn a_server_that_comes_back_with_another_key_gets_nothing_more() {
    let mut sshd = Sshd::start();
    let port = sshd.port;
    let workspace = Workspace::new();
    workspace.audience(60_000, 1_000);
    let options = JobOptions {
        max_rows: 6_000,
        ..JobOptions::default()
    };
    let running = killed_on_the_way(&mut sshd, &workspace, &options);
    let before = csv_files(&sshd.files());
    sshd.change_host_key("ed25519");
    sshd.restart();
    assert_eq!(sshd.port, port, "somebody else took the port");
    running
        .wait()
        .assert_code(13)
        .assert_says(&["has CHANGED from"]);
    assert!(csv_files(&sshd.files()) == before);
}

#[test]
fn six_sessions_at_a_server_that_takes_few_logins_at_a_time_end_well() {
    let sshd = SshdBuilder::default().config("MaxStartups 2:100:2").start();
    // Somebody who never logs in has both places at first, and then one of them.
    let idle = || std::net::TcpStream::connect(("127.0.0.1", sshd.port)).unwrap();
    let (_stays, leaves) = (idle(), idle());
    let workspace = Workspace::new();
    workspace.audience(3_600, 1_000);
    let options = JobOptions {
        sessions: 6,
        max_rows: 300,
        ..JobOptions::default()
    };
    workspace.job(&target(&sshd), &options);
    let running = workspace.start();
    running.wait_for_stderr("trying again");
    drop(leaves);
    let (report, _) = assert_arrived(&workspace, delivery::JOB, &sshd, &running.wait());
    assert_eq!(report.parts.len(), 12);
    assert!(report.parts.iter().all(|part| part.attempts == 1));
}

#[test]
fn a_key_with_a_passphrase_is_opened_by_the_environment() {
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("locked");
    keygen(&key, &["-t", "ed25519", "-N", "correct horse"]);
    let sshd = SshdBuilder::default()
        .authorize(&key.with_extension("pub"))
        .start();
    let workspace = Workspace::new();
    workspace.audience(10, 200);
    let mut target = target(&sshd);
    target.private_key = key;
    let options = JobOptions {
        sftp: "passphrase-env = \"KEY_PASSPHRASE\"".into(),
        ..JobOptions::default()
    };
    workspace.job(&target, &options);
    let with = |passphrase: Option<&str>| {
        let mut command = workspace.command(&["run", "job.toml", "--json"]);
        if let Some(passphrase) = passphrase {
            command.env("KEY_PASSPHRASE", passphrase);
        }
        let outcome = delivery::Running::start(&mut command).wait();
        let told = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!told.contains("horse"), "{told}");
        outcome
    };
    with(None).assert_code(10).assert_says(&["KEY_PASSPHRASE"]);
    with(Some("wrong horse"))
        .assert_code(13)
        .assert_says(&["the passphrase does not open key file"]);
    let outcome = with(Some("correct horse"));
    assert_arrived(&workspace, delivery::JOB, &sshd, &outcome);
}
