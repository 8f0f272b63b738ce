//! The crates that a build brings, and the files that a package of the program has.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::layers::{folder, sources};

/// The lines that a command of Cargo prints.
fn cargo(arguments: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The names of the crates that are linked in a build with these flags.
fn linked(flags: &[&str]) -> BTreeSet<String> {
    let arguments = ["tree", "--locked", "--edges=normal", "--prefix=none"];
    let lines = cargo(&[&arguments[..], flags].concat());
    let names = lines.iter().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

fn has_arrow(names: &BTreeSet<String>) -> bool {
    names.iter().any(|name| name.starts_with("arrow"))
}

#[test]
fn arrow_is_there_only_where_columns_are_read() {
    let none = linked(&["--no-default-features"]);
    assert!(!has_arrow(&none) && !none.contains("parquet"), "{none:?}");
    assert!(!has_arrow(&linked(&[
        "--no-default-features",
        "--features=cloud,otlp,sandbox"
    ])));
    for feature in ["adbc", "parquet"] {
        let features = format!("--features={feature}");
        assert!(has_arrow(&linked(&["--no-default-features", &features])));
    }
}

#[test]
fn tls_is_rustls_with_ring_and_the_authorities_of_the_system() {
    let all = linked(&["--features=cloud,otlp"]);
    for name in ["ring", "rustls", "rustls-platform-verifier"] {
        assert!(all.contains(name), "{name}");
    }
    for name in [
        "aws-lc-sys",
        "native-tls",
        "openssl-sys",
        "webpki-roots",
        "libssh2-sys",
    ] {
        assert!(!all.contains(name), "{name}");
    }
    let second = linked(&["--no-default-features", "--features=ssh2"]);
    assert!(second.contains("libssh2-sys") && second.contains("openssl-sys"));
}

/// The files outside of `src` that the program is compiled with, unit tests aside.
fn compiled_in() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in sources(&folder("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        if path.ends_with("tests.rs") {
            continue;
        }
        for macro_name in ["include_str!(\"", "include_bytes!(\""] {
            for rest in code.split(macro_name).skip(1) {
                let named = path.parent().unwrap().join(rest.split('"').next().unwrap());
                let named = std::fs::canonicalize(named).unwrap();
                let below = named.strip_prefix(root.canonicalize().unwrap()).unwrap();
                found.insert(below.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn the_package_has_all_that_it_is_built_from_and_no_tests() {
    let list = [
        "package",
        "--list",
        "--locked",
        "--allow-dirty",
        "--package",
    ];
    let files: BTreeSet<String> = cargo(&[&list[..], &["klaviyo-export"]].concat())
        .into_iter()
        .collect();
    let compiled = compiled_in();
    assert!(compiled.len() > 5, "{compiled:?}");
    for needed in compiled.iter().map(String::as_str).chain([
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "docs/job-file.md",
        "docs/demo.svg",
        "packaging/build-deb",
        "examples/for-loop.sh",
        "src/lib.rs",
    ]) {
        assert!(files.contains(needed), "{needed}");
    }
    for file in &files {
        let first = file.split('/').next().unwrap();
        let is_other = [
            "bench", "benches", "book", "crates", "fuzz", "target", "tests",
        ]
        .contains(&first);
        assert!(!is_other && !file.contains(".png"), "{file}");
    }
    let sandbox = cargo(&[&list[..], &["klaviyo-export-sandbox"]].concat());
    for needed in ["LICENSE", "src/lib.rs", "src/api/server.rs"] {
        assert!(sandbox.iter().any(|file| file == needed), "{needed}");
    }
}

#[test]
fn the_packages_tell_where_their_documentation_is_and_who_maintains_them() {
    let manifest: toml::Table = toml::from_str(include_str!("../../Cargo.toml")).unwrap();
    let package = &manifest["package"];
    assert_eq!(
        package["documentation"].as_str(),
        Some("https://docs.rs/klaviyo-export")
    );
    let maintainer = package["metadata"]["deb"]["maintainer"].as_str().unwrap();
    let (name, address) = maintainer.split_once(" <").unwrap();
    assert!(!name.is_empty() && address.contains('@') && !address.contains("localhost"));
    // docs.rs builds with features that are there.
    let features = manifest["features"].as_table().unwrap();
    for feature in package["metadata"]["docs"]["rs"]["features"]
        .as_array()
        .unwrap()
    {
        assert!(
            features.contains_key(feature.as_str().unwrap()),
            "{feature}"
        );
    }
}
