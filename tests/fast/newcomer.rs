//! A newcomer with a file from a mail, in an empty folder, who types only what the program says to type next.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "the helpers of tests may panic as well; tables of cases are long"
)]

use crate::support::workspace;
use workspace::{Outcome, Server, Workspace};

/// Odd names of columns, semicolons, windows-1252, phone numbers of the row's country, and a column that looks like consent.
const ROWS: &str = "Kunden-Nr.;E-Mail (privat);Vorname;Telefon;Land;\"PLZ; Ort\";Newsletter Opt-In\n\
    7;Juergen@Example.com;Jürgen;(650) 253-0000;United States;Köln;ja\n\
    8;zoe@example.com;Zoë;020 7707 0707;United Kingdom;;nein\n\
    9;zoe@example.com;Zoé;;;;\n";

const RECEIVED: &str = "Email,PhoneNumber,ExternalID,FirstName,Country\n\
    \"juergen@example.com\",\"+16502530000\",\"7\",Jürgen,United States\n";

/// Most commands that a delivery may take.
const PATIENCE: usize = 6;

/// A person: remembers how many commands were typed.
struct Newcomer {
    workspace: Workspace,
    server: Server,
    typed: usize,
}

impl Newcomer {
    fn new(file: &str) -> Self {
        let workspace = Workspace::new();
        workspace.write(file, encoding_rs::WINDOWS_1252.encode(ROWS).0);
        let server = workspace.server();
        Self {
            workspace,
            server,
            typed: 0,
        }
    }

    /// Types a line as a shell would read it: words and quotes.
    fn types(&mut self, line: &str) -> Outcome {
        self.typed += 1;
        assert!(
            self.typed <= PATIENCE,
            "too many commands, the last: {line}"
        );
        let words = shlex::split(&self.filled_in(line)).unwrap();
        assert_eq!(words[0], "klaviyo-export");
        let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        self.workspace.run(&words)
    }

    /// With the server that this person has in place of the words to be filled in.
    fn filled_in(&self, command: &str) -> String {
        let flags = self.server.flags();
        let own = shlex::try_join(flags.iter().map(String::as_str)).unwrap();
        command.replace(
            "--to sftp://USER@sftp.klaviyo.com/profiles --identity ~/.ssh/klaviyo_ed25519",
            &own,
        )
    }
}

#[test]
fn a_file_is_delivered_by_what_the_messages_say() {
    let mut newcomer = Newcomer::new("Kunden 2026.csv");
    let outcome = newcomer.types("klaviyo-export run 'Kunden 2026.csv'");
    let mut outcome = newcomer.types(outcome.next());
    while newcomer.server.received().is_empty() {
        let next = outcome.next().to_owned();
        outcome = newcomer.types(&next);
    }
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let received = newcomer.server.received();
    assert!(received[0].starts_with(RECEIVED), "{}", received[0]);
    assert!(
        outcome.next().starts_with("klaviyo-export send ") && !outcome.next().contains("--limit"),
        "{}",
        outcome.next()
    );
}

#[test]
fn a_job_file_is_made_and_run_by_what_the_messages_say() {
    let mut newcomer = Newcomer::new("Kunden 2026.csv");
    let init = "klaviyo-export init 'Kunden 2026.csv' --to sftp://USER@sftp.klaviyo.com/profiles --identity ~/.ssh/klaviyo_ed25519";
    let mut outcome = newcomer.types(init);
    while newcomer.server.received().len() < 2 {
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let next = outcome.next().to_owned();
        outcome = newcomer.types(&next);
    }
    assert_eq!(newcomer.typed, 5);
    let received = newcomer.server.received();
    assert_eq!(received[0], received[1]);
    assert!(
        received[0].contains("\"zoe@example.com\",\"+442077070707\",\"8\",Zoë,United Kingdom\n")
    );
}

#[test]
fn the_sandbox_says_how_it_is_reached() {
    use std::io::{BufRead, BufReader};
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    let mut sandbox = workspace
        .command(&["sandbox", "--port", "0"])
        .spawn()
        .unwrap();
    let lines = BufReader::new(sandbox.stderr.take().unwrap()).lines();
    let next = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("next: ").map(str::to_owned))
        .unwrap();
    let words = shlex::split(&next.replace(" FILE ", " a.csv ")).unwrap();
    let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let outcome = workspace.run(&words);
    sandbox.kill().unwrap();
    sandbox.wait().unwrap();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

/// Files that are not what they seem, and what is said to type, whatever the command.
#[test]
fn every_command_names_the_delimiter_and_the_encoding() {
    let wide = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let plain = "email,name\nzoe@example.com,Zoe\nyan@example.com,Yan\n";
    for (name, bytes, flags, keys) in [
        (
            "semi.csv",
            plain.replace(',', ";").into_bytes(),
            "--delimiter ';'",
            "delimiter = \";\"",
        ),
        (
            "tabs.csv",
            plain.replace(',', "\t").into_bytes(),
            "--delimiter \"\\\\t\"",
            "delimiter = \"\\t\"",
        ),
        (
            "pipes.csv",
            plain.replace(',', "|").into_bytes(),
            "--delimiter '|'",
            "delimiter = \"|\"",
        ),
        (
            "latin.csv",
            b"email,pr\xe9nom\nzoe@example.com,Zo\xe9\n".to_vec(),
            "--encoding windows-1252",
            "encoding = \"windows-1252\"",
        ),
        (
            "wide.csv",
            wide(plain),
            "--encoding utf-16le",
            "encoding = \"utf-16le\"",
        ),
        (
            "both.csv",
            b"email;pr\xe9nom\nzoe@example.com;Zo\xe9\n".to_vec(),
            "--delimiter ';' --encoding windows-1252",
            "delimiter = \";\" and encoding = \"windows-1252\"",
        ),
        (
            "lines.csv",
            b"{\"email\":\"zoe@example.com\"}\n".to_vec(),
            "--format ndjson",
            "format = \"ndjson\"",
        ),
    ] {
        let workspace = Workspace::new();
        workspace.write(name, &bytes);
        for command in [&["preview", name][..], &["send", name, "--dry-run"]] {
            let refused = workspace.run(command).exits(12);
            assert!(
                refused.error().starts_with(&format!("{name}: ")),
                "{}",
                refused.error()
            );
            assert!(
                refused
                    .error()
                    .contains(&format!("{keys} under [audience], or --")),
                "{}",
                refused.error()
            );
            assert_eq!(
                refused.next(),
                format!("klaviyo-export {} {flags}", command.join(" "))
            );
            let next = shlex::split(refused.next()).unwrap();
            let next: Vec<&str> = next[1..].iter().map(String::as_str).collect();
            workspace.run(&next).exits(0);
        }
        let body = |more: &str| {
            format!("[audience]\nfiles = [\"{name}\"]\n{more}\n[columns]\nemail = \"Email\"\n")
        };
        let job = workspace.job("vip", &body(""), None);
        for command in [&["preview", &job][..], &["run", &job, "--dry-run"]] {
            let refused = workspace.run(command).exits(12);
            assert!(
                refused
                    .error()
                    .contains(&format!("write {keys} under [audience], or")),
                "{}",
                refused.error()
            );
            assert!(
                !refused.stderr.contains("next: "),
                "a flag of `send` is none of `run`: {}",
                refused.stderr
            );
        }
        workspace.job("vip", &body(&keys.replace(" and ", "\n")), None);
        workspace.run(&["run", &job, "--dry-run"]).exits(0);
    }
    let workspace = Workspace::new();
    workspace.write("bom.csv", [b"\xff\xfe".as_slice(), &wide(plain)].concat());
    workspace.run(&["send", "bom.csv", "--dry-run"]).exits(0);
}
