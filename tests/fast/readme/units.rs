//! The systemd units and the line for cron.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clap::Parser as _;
use klaviyo_export::base::exit_code::ExitCode;
use klaviyo_export::cli::Cli;

use super::examples::words;
use super::section;

const SERVICE: &str = include_str!("../../../packaging/klaviyo-export@.service");
const TIMER: &str = include_str!("../../../packaging/klaviyo-export@.timer");
/// The text of packaging/klaviyo-export.cron.
pub(super) const CRON: &str = include_str!("../../../packaging/klaviyo-export.cron");

/// The sections of a unit, each with its keys and values.
fn unit(text: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut sections: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').into();
        } else if !line.starts_with('#') {
            let (key, value) = line.split_once('=').unwrap();
            let entries = sections.entry(section.clone()).or_default();
            entries.push((key.to_owned(), value.to_owned()));
        }
    }
    sections
}

#[test]
fn units_are_in_order() {
    let service = unit(SERVICE);
    let value = |key: &str| {
        let entries = &service["Service"];
        let found = entries.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone()).unwrap()
    };
    let command = value("ExecStart");
    assert!(command.starts_with("klaviyo-export run /etc/"));
    assert!(words(&command).is_some_and(|words| Cli::try_parse_from(words).is_ok()));
    let final_codes: BTreeSet<u8> = value("RestartPreventExitStatus")
        .split(' ')
        .map(|code| code.parse().unwrap())
        .collect();
    let goes_on = [ExitCode::Done, ExitCode::Transfer, ExitCode::Terminated];
    let others = ExitCode::ALL.iter().filter(|code| !goes_on.contains(code));
    assert_eq!(final_codes, others.map(|code| code.number()).collect());
    assert_eq!(
        value("SuccessExitStatus"),
        ExitCode::Terminated.number().to_string()
    );
    assert!(
        unit(TIMER)["Timer"]
            .iter()
            .any(|(key, _)| key == "OnCalendar")
    );
    let (_, line) = CRON.trim_end().rsplit_once('\n').unwrap();
    assert!(section("operations", "## cron").contains(line));
}

#[test]
fn units_are_what_systemd_takes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    // Neither the program nor its user is installed where the tests run.
    let service: String = SERVICE
        .replace(
            "ExecStart=klaviyo-export",
            concat!("ExecStart=", env!("CARGO_BIN_EXE_klaviyo-export")),
        )
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("User="))
        .collect();
    write("klaviyo-export@.service", &service);
    let timer = write("klaviyo-export@.timer", TIMER);
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .arg(timer)
        .output();
    // A machine without systemd has nothing to say.
    if let Ok(output) = verified {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
}
