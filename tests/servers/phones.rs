//! Phone numbers are judged as Google's own library judges them, in its Python port `phonenumbers` of the same metadata
//! release. `tests/engines` fetches it; `tests/support/phones.py` makes the numbers, of every region, and compares.
#![allow(clippy::unwrap_used, reason = "a test may end by a panic")]

use crate::support::engines;
use std::path::Path;
use std::process::Command;

/// What the script says of itself on its last line.
fn compare(count: &str, seed: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/phones.py");
    let output = Command::new(engines::python())
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_klaviyo-export"))
        .args(["--count", count, "--seed", seed])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_few_thousand_numbers_are_judged_as_google_judges_them() {
    let said = compare("5000", "2");
    assert!(said.starts_with("5000 numbers, "), "{said}");
    assert!(said.ends_with(" valid, 0 judged otherwise"), "{said}");
}

#[test]
#[ignore = "half a minute: tests/run --all"]
fn a_hundred_thousand_numbers_of_all_regions_are_judged_as_google_judges_them() {
    let said = compare("100000", "1");
    assert!(said.starts_with("100000 numbers, "), "{said}");
    assert!(said.ends_with(" valid, 0 judged otherwise"), "{said}");
}
