//! Phone numbers are judged as Google's own library judges them, in its Python port `phonenumbers` of the same metadata
//! release. `tests/engines` fetches it; `tests/support/phones.py` makes the numbers, of every region, and compares.
#![allow(clippy::unwrap_used, reason = "a test may end by a panic")]

use crate::support::engines;
use std::path::Path;
use std::process::Command;

/// The last line of the script, which sums up.
fn compare(options: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/phones.py");
    let output = Command::new(engines::python())
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_klaviyo-export"))
        .args(options)
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
    let said = compare(&["--count", "5000", "--seed", "2"]);
    assert!(said.starts_with("5000 numbers, "), "{said}");
    assert!(said.ends_with(" valid, 0 judged otherwise"), "{said}");
}

#[test]
fn the_examples_of_every_region_are_read_in_five_spellings() {
    let said = compare(&["--examples"]);
    let (count, rest) = said.split_once(" numbers, ").unwrap();
    assert!(count.parse::<u32>().unwrap() > 5_000, "{said}");
    assert!(rest.ends_with(" valid, 0 judged otherwise"), "{said}");
}

#[test]
#[ignore = "half a minute: tests/run --all"]
fn a_hundred_thousand_numbers_of_all_regions_are_judged_as_google_judges_them() {
    let said = compare(&["--count", "100000", "--seed", "1"]);
    assert!(said.starts_with("100000 numbers, "), "{said}");
    assert!(said.ends_with(" valid, 0 judged otherwise"), "{said}");
}
