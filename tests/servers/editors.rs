//! Taplo, which editors use for TOML, with the schema that the first line of a job file names.

use std::process::Command;

use crate::support::{engines, workspace};
use workspace::Workspace;

/// Whether Taplo finds nothing wrong with `name`, and what it says.
fn lint(workspace: &Workspace, name: &str) -> (bool, String) {
    let output = Command::new("node")
        .arg(engines::taplo())
        .args(["lint", name])
        .current_dir(workspace.path(""))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.success(), text)
}

#[test]
#[ignore = "slow lane: Taplo, from npm"]
fn an_editor_finds_the_schema_and_marks_an_unknown_key() {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    let schema = workspace.run(&["schema", "job"]).exits(0);
    workspace.write("klaviyo-export.schema.json", schema.stdout);
    workspace
        .run(&["init", "a.csv", "-o", "good.toml"])
        .exits(0);
    let (is_good, text) = lint(&workspace, "good.toml");
    assert!(is_good, "{text}");
    let good = std::fs::read_to_string(workspace.path("good.toml")).unwrap();
    let bad = good.replace("\ndirectory = ", "\ndirectroy = ");
    assert_ne!(bad, good);
    workspace.write("bad.toml", bad);
    let (is_good, text) = lint(&workspace, "bad.toml");
    assert!(!is_good && text.contains("directroy"), "{text}");
}
