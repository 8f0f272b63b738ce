//! `keygen`: a key that the program and others read, and that replaces none.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::os::unix::fs::PermissionsExt as _;

use russh::keys::{HashAlg, PrivateKey};

use crate::support::workspace::Workspace;

fn mode(workspace: &Workspace, name: &str) -> u32 {
    let about = std::fs::metadata(workspace.path(name)).unwrap();
    about.permissions().mode() & 0o777
}

fn text(workspace: &Workspace, name: &str) -> String {
    std::fs::read_to_string(workspace.path(name)).unwrap()
}

#[test]
fn a_key_is_made_and_its_public_half_is_shown() {
    let workspace = Workspace::new();
    let outcome = workspace
        .run(&["keygen", "keys/own", "--comment", "vip at night"])
        .exits(0);
    let private = text(&workspace, "keys/own");
    let public = text(&workspace, "keys/own.pub");
    let modes = ["keys", "keys/own", "keys/own.pub"].map(|name| mode(&workspace, name));
    assert_eq!(modes, [0o700, 0o600, 0o644]);
    let key = PrivateKey::from_openssh(&private).unwrap();
    assert!(!key.is_encrypted());
    assert_eq!(key.comment().to_string(), "vip at night");
    assert_eq!(
        public,
        format!("{}\n", key.public_key().to_openssh().unwrap())
    );
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    for told in [
        public.trim_end(),
        &fingerprint,
        "--identity keys/own -o customers.toml",
    ] {
        assert!(outcome.stdout.contains(told), "{told}: {}", outcome.stdout);
    }
    let secret = private.lines().nth(1).unwrap();
    assert!(!outcome.stdout.contains(secret) && outcome.stderr.is_empty());

    // Two keys are two keys.
    workspace.run(&["keygen", "keys/other"]).exits(0);
    assert_ne!(text(&workspace, "keys/other.pub"), public);
}

#[test]
fn a_key_without_a_name_is_where_the_readme_looks_for_it() {
    let workspace = Workspace::new();
    workspace.run(&["keygen"]).exits(0);
    assert_eq!(mode(&workspace, "home/.ssh/klaviyo_ed25519"), 0o600);
    let public = text(&workspace, "home/.ssh/klaviyo_ed25519.pub");
    assert!(public.ends_with(" klaviyo-export\n"), "{public}");
}

#[test]
fn no_file_is_replaced() {
    let workspace = Workspace::with(&[("key", "mine"), ("other.pub", "mine too")]);
    for (name, there) in [("key", "key"), ("other", "other.pub")] {
        let refused = workspace.run(&["keygen", name]).exits(2);
        let told = format!("{there}: the file exists, and keygen replaces no key");
        assert!(refused.error().starts_with(&told), "{}", refused.stderr);
    }
    assert_eq!(text(&workspace, "key"), "mine");
    assert!(!workspace.path("key.pub").exists() && !workspace.path("other").exists());
    workspace.write("folder", "");
    let refused = workspace.run(&["keygen", "folder/key"]).exits(18);
    assert!(refused.error().contains("folder"), "{}", refused.stderr);
}

#[test]
fn the_program_reads_it() {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    workspace.run(&["keygen", "own"]).exits(0);
    let body = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[sftp]\nusername = \"AbCdEf_GhIjKl\"\nprivate-key = \"own\"\nhost-key = [\"SHA256:YsOHqiyTERZOgtadQcV7qwHicPHzhQdtga4fyqfnOa8\"]\n";
    let job = workspace.job("vip", body, None);
    let checked = workspace.run(&["check", &job, "--offline"]).exits(0);
    let line = checked.stdout.lines().find(|line| line.contains(" key "));
    let fingerprint = PrivateKey::from_openssh(text(&workspace, "own")).unwrap();
    let fingerprint = fingerprint.fingerprint(HashAlg::Sha256).to_string();
    assert!(
        line.is_some_and(|line| line.trim_start().starts_with("ok") && line.contains(&fingerprint)),
        "{}",
        checked.stdout
    );
}
