//! The built binary needs nothing but the C library: what else it uses is inside.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may end by a panic"
)]

use std::process::Command;

/// Files that may be loaded at run time: the C library's own files, and the compiler's run-time library.
const LIBC: [&str; 7] = [
    "linux-vdso",
    "libc",
    "libm",
    "libgcc_s",
    "ld-linux",
    "libpthread",
    "libdl",
];

#[test]
fn only_the_c_library_is_loaded_at_run_time() {
    let output = Command::new("ldd")
        .arg(env!("CARGO_BIN_EXE_klaviyo-export"))
        .env("LC_ALL", "C")
        .output()
        .expect("ldd, which comes with the C library");
    let text = String::from_utf8(output.stdout).unwrap();
    // A fully static binary is as good.
    let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    if said.contains("not a dynamic executable") || said.contains("statically linked") {
        return;
    }
    assert!(output.status.success(), "{said}");
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(|path| path.rsplit('/').next().unwrap())
        .collect();
    assert!(names.iter().any(|name| name.starts_with("libc.")), "{text}");
    for name in names {
        let stem = name.split(".so").next().unwrap();
        let allowed = LIBC
            .iter()
            .any(|library| stem == *library || stem.starts_with("ld-linux"));
        assert!(allowed, "{name} is not of the C library:\n{text}");
    }
}
