//! Servers that misbehave, each in one way: the run ends within its limits, says what it was, takes little memory and time, and
//! prints no control character of theirs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests may panic as well"
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use klaviyo_export::base::interrupt::Interrupt;

use crate::support::sshd::{Sshd, SshdBuilder, current_user};
use crate::support::transport::{self, over_both};
use crate::support::workspace::Workspace;

over_both! {
    subsystems_that_misbehave_end_the_run_within_its_limits;
    peers_that_are_no_ssh_server_end_the_run_within_its_limits;
}

/// The most memory of a run, in kB.
const MOST_MEMORY: f64 = 100_000.0;
/// The longest that a run may take: `give-up-after`, one more try, and what starting takes on a busy machine.
const LONGEST: f64 = 60.0;
/// The CPU time that a run takes for itself, in seconds: this is a debug build.
const OWN_CPU: f64 = 1.5;

/// The end of a run: its exit code, and a text that its output has.
struct End {
    code: i32,
    says: &'static str,
}

/// The use that a run made of the machine.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) code: f64,
    /// In kB.
    pub(crate) memory: f64,
    /// In seconds.
    cpu: f64,
    /// In seconds.
    elapsed: f64,
}

/// Runs the program on the workspace's `vip.toml`, with what it prints in the file `output`.
pub(crate) fn measure(output: &Path, arguments: &[&str], workspace: &Workspace) -> Measured {
    let measured = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/foreign/usage.py"))
        .args([output, Path::new(env!("CARGO_BIN_EXE_klaviyo-export"))])
        .args(arguments)
        .arg(workspace.path("vip.toml"))
        .arg("--state-dir")
        .arg(workspace.path("state"))
        .output()
        .unwrap();
    let measured = String::from_utf8(measured.stdout).unwrap();
    let numbers: Vec<f64> = measured
        .split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect();
    let [code, memory, cpu, elapsed] = numbers[..] else {
        panic!("{measured:?}");
    };
    Measured {
        code,
        memory,
        cpu,
        elapsed,
    }
}

/// Runs a job of one row against the server at `port`, and holds it to its limits.
#[track_caller]
fn assert_ends(kind: &str, sshd: &Sshd, port: u16, end: &End) {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    workspace.write("known_hosts", {
        let key = sshd.host_key("ed25519");
        format!("[127.0.0.1]:{port} {key}\n")
    });
    workspace.write(
        "vip.toml",
        format!(
            "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n\
             [retry]\nfirst = \"100ms\"\nmax = \"500ms\"\ngive-up-after = \"4s\"\n\
             [sftp]\nhost = \"127.0.0.1\"\nport = {port}\nusername = \"{}\"\nprivate-key = \"{}\"\n\
             known-hosts = [\"known_hosts\"]\ndirectory = \"/profiles\"\nsessions = 1\n\
             connect-timeout = \"10s\"\nstall-timeout = \"3s\"\ncommit-timeout = \"3s\"\n{}",
            current_user(),
            sshd.user_key().display(),
            transport::line(),
        ),
    );
    let output = workspace.path("output");
    let Measured {
        code,
        memory,
        cpu,
        elapsed,
    } = measure(&output, &["run"], &workspace);
    let bytes = std::fs::read(&output).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    println!("{kind}: exit {code}, {memory} kB, {cpu} s of {elapsed} s\n{text}");
    #[expect(clippy::float_cmp, reason = "an exit code")]
    let is_code = code == f64::from(end.code);
    assert!(is_code && text.contains(end.says), "{kind}: {code}\n{text}");
    let raw = |it: char| it.is_control() && it != '\n';
    assert!(!text.contains(raw), "{kind}: {text:?}");
    assert!(text.len() < 5_000, "{kind}: {} bytes of output", text.len());
    assert!(memory < MOST_MEMORY, "{kind}: {memory} kB");
    assert!(elapsed < LONGEST, "{kind}: {elapsed} s");
    assert!(
        cpu < OWN_CPU + elapsed * 0.2,
        "{kind}: {cpu} s of CPU in {elapsed} s"
    );
}

/// All at once: most of them only wait.
#[track_caller]
fn assert_all_end<T: Send>(kinds: Vec<(&'static str, T, End)>, run: impl Fn(&str, T, &End) + Sync) {
    std::thread::scope(|scope| {
        let (run, tried) = (&run, transport::transport());
        let running: Vec<_> = kinds
            .into_iter()
            .map(|(kind, what, end)| {
                (
                    kind,
                    scope.spawn(move || {
                        transport::over(tried);
                        run(kind, what, &end);
                    }),
                )
            })
            .collect();
        let failed = running
            .into_iter()
            .filter_map(|(kind, it)| it.join().err().map(|_| kind));
        let failed: Vec<_> = failed.collect();
        assert!(failed.is_empty(), "{failed:?}");
    });
}

fn subsystems_that_misbehave_end_the_run_within_its_limits() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/foreign/hostile.py");
    let end = |code, says| End { code, says };
    let kinds = vec![
        ("denies to look", (), end(0, "1 row")),
        ("ends at FSTAT and EXTENDED", (), end(0, "1 row")),
        ("escapes", (), end(14, "permission denied")),
        ("floods", (), end(14, "did not answer")),
        ("drip", (), end(14, "did not answer")),
        ("silent at INIT", (), end(14, "did not answer")),
        ("silent at OPEN", (), end(14, "did not answer")),
        ("silent at WRITE", (), end(14, "acknowledged nothing")),
        ("silent at CLOSE", (), end(14, "did not confirm it")),
        ("wrong id", (), end(14, "did not answer")),
        ("huge length", (), end(14, "SFTP")),
        ("unknown packet", (), end(14, "SFTP")),
        ("short packet", (), end(14, "SFTP")),
        ("long handle", (), end(0, "1 row")),
        ("answers twice", (), end(0, "1 row")),
        ("success for a cut file", (), end(15, "another size")),
    ];
    assert_all_end(kinds, |kind, (), end| {
        let command = format!("exec python3 '{}' '{kind}'", script.display());
        let sshd = SshdBuilder::default().script(&command).start();
        assert_ends(kind, &sshd, sshd.port, end);
    });
}

fn peers_that_are_no_ssh_server_end_the_run_within_its_limits() {
    type Peer = fn(&mut TcpStream) -> std::io::Result<()>;
    let end = |code, says| End { code, says };
    let kinds: Vec<(&'static str, Peer, End)> = vec![
        (
            "an endless banner",
            |stream| loop {
                stream.write_all(&b"\x1b[5mwelcome\r\n".repeat(100))?;
            },
            end(14, ""),
        ),
        (
            "an endless line",
            |stream| loop {
                stream.write_all(&[b'a'; 4_096])?;
            },
            end(14, ""),
        ),
        (
            "a byte at a time",
            |stream| {
                for byte in b"SSH-2.0-Slow_1.0\r\n".iter().cycle() {
                    stream.write_all(&[*byte])?;
                    Interrupt::new().sleep(Duration::from_millis(500));
                }
                Ok(())
            },
            end(14, "did not answer"),
        ),
        (
            "a greeting and noise",
            |stream| {
                stream.write_all(b"SSH-2.0-Noise_1.0\r\n")?;
                loop {
                    stream.write_all(&[0xff; 4_096])?;
                }
            },
            end(14, ""),
        ),
        (
            "a greeting and silence",
            |stream| {
                stream.write_all(b"SSH-2.0-Mute_1.0\r\n")?;
                std::io::copy(stream, &mut std::io::sink()).map(drop)
            },
            end(14, "did not answer"),
        ),
        (
            "half a banner and the end",
            |stream| stream.write_all(b"SSH-2.0-Cut"),
            end(14, "the connection was closed"),
        ),
        (
            "a greeting, half an offer and the end",
            |stream| stream.write_all(b"SSH-2.0-Cut_1.0\r\n\0\0\x02\0\x04\x14abc"),
            end(14, "the connection was closed"),
        ),
        (
            "a web server",
            |stream| {
                stream.read_exact(&mut [0; 8])?;
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\nServer: \x1b[31mx\r\n\r\n")
            },
            end(14, "HTTP/1.1 400"),
        ),
    ];
    let sshd = Sshd::start();
    assert_all_end(kinds, |kind, peer, end| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                std::thread::spawn(move || {
                    // The client goes when it has had enough.
                    let _ = peer(&mut stream);
                });
            }
        });
        assert_ends(kind, &sshd, port, end);
    });
}

/// The size of a cell that hardly anything is packed into.
const MEGABYTES: usize = 400;

/// A CSV whose one cell has so many megabytes.
fn write_bomb(mut sink: impl std::io::Write, megabytes: usize) {
    sink.write_all(b"email,note\nzoe@example.com,").unwrap();
    let block = vec![b'a'; 1_000_000];
    for _ in 0..megabytes {
        sink.write_all(&block).unwrap();
    }
    sink.write_all(b"\nana@example.com,short\n").unwrap();
}

#[test]
fn a_cell_that_unpacks_to_hundreds_of_megabytes_is_one_rejected_row_in_little_memory() {
    let workspace = Workspace::new();
    let gz = std::fs::File::create(workspace.path("bomb.csv.gz")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(gz, flate2::Compression::fast());
    write_bomb(&mut gz, MEGABYTES);
    gz.finish().unwrap();
    let zst = std::fs::File::create(workspace.path("bomb.csv.zst")).unwrap();
    let mut zst = zstd::stream::write::Encoder::new(zst, 1).unwrap();
    write_bomb(&mut zst, MEGABYTES);
    zst.finish().unwrap().flush().unwrap();
    for name in ["bomb.csv.gz", "bomb.csv.zst"] {
        assert!(std::fs::metadata(workspace.path(name)).unwrap().len() < 6_000_000);
        workspace.write(
            "vip.toml",
            format!(
                "name = \"vip\"\n[audience]\nfiles = [\"{name}\"]\n[columns]\nemail = \"Email\"\n"
            ),
        );
        let output = workspace.path("output");
        let measured = measure(
            &output,
            &["run", "--dry-run", "--fresh", "--json"],
            &workspace,
        );
        let said = std::fs::read_to_string(&output).unwrap();
        assert!(said.contains("\"rows_rejected\": 1,"), "{name}: {said}");
        assert!(said.contains("\"rows_written\": 1,"), "{name}: {said}");
        assert!(measured.memory < 200_000.0, "{name}: {measured:?}");
    }
}

/// Writes a Parquet file of so many rows, each with a text of a megabyte that is the same in all of them.
fn write_parquet_bomb(path: &Path, rows: usize, with_dictionary: bool) {
    let text = "a".repeat(1_000_000);
    let schema = Arc::new(Schema::new(vec![
        Field::new("email", DataType::Utf8, false),
        Field::new("note", DataType::Utf8, false),
    ]));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(with_dictionary)
        .set_dictionary_page_size_limit(4_000_000)
        .build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).unwrap();
    for begin in (0..rows).step_by(100) {
        let emails = (begin..begin + 100).map(|row| format!("{row}@example.com"));
        let emails: ArrayRef = Arc::new(StringArray::from_iter_values(emails));
        let notes: ArrayRef = Arc::new(StringArray::from(vec![text.as_str(); 100]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![emails, notes]);
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn a_parquet_file_that_unpacks_to_a_gigabyte_ends_at_the_guard_in_little_memory() {
    for (what, with_dictionary) in [("a dictionary", true), ("plain pages", false)] {
        let workspace = Workspace::new();
        let path = workspace.path("bomb.parquet");
        write_parquet_bomb(&path, 1_500, with_dictionary);
        assert!(std::fs::metadata(&path).unwrap().len() < 2_000_000);
        workspace.write(
            "vip.toml",
            "name = \"vip\"\n[audience]\nfiles = [\"bomb.parquet\"]\n\
             [columns]\nemail = \"Email\"\nnote = \"Note\"\n",
        );
        let output = workspace.path("output");
        let measured = measure(&output, &["run", "--dry-run", "--limit", "20"], &workspace);
        let said = std::fs::read_to_string(&output).unwrap();
        assert!((measured.code - 17.0).abs() < 0.1, "{what}: {said}");
        assert!(said.contains("record-too-long"), "{what}: {said}");
        assert!(measured.memory < 600_000.0, "{what}: {measured:?}");
    }
}
