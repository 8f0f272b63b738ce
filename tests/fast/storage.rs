//! State on this machine that is damaged, newer, changed or gone: one clear error, exit code 18, nothing deleted, and
//! `--fresh` as the way out.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may end by a panic"
)]

use crate::support::delivery;
use crate::support::scene;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use delivery::{JOB, JobOptions, Outcome};
use klaviyo_export_sandbox::{Fault, Faults};
use scene::Scene;

/// A run that is spooled to the end and has sent nothing: the server took no connection.
struct Unfinished {
    scene: Scene,
    run: PathBuf,
}

impl Unfinished {
    fn new() -> Self {
        let options = JobOptions {
            max_rows: 100,
            give_up_after: "500ms",
            ..JobOptions::default()
        };
        let refused = Faults::none().always(Fault::RefuseConnection);
        let scene = Scene::new(300, &options, refused);
        // A machine that is busy may give up before the last part is written; such a run goes on with formatting.
        let unfinished = (0..20)
            .map(|_| scene.run().assert_code(14).report().run_id)
            .map(|run_id| scene.workspace.path(&format!("state/{JOB}/runs/{run_id}")))
            .find(|run| manifest(run)["formatted"] == true)
            .expect("one of twenty runs to format the audience to its end");
        scene.sandbox.set_faults(Faults::none());
        Self {
            scene,
            run: unfinished,
        }
    }

    fn manifest(&self) -> PathBuf {
        self.run.join("manifest.json")
    }

    /// The file of the second part.
    fn part(&self) -> PathBuf {
        let mut files = files(&self.run).into_keys();
        files
            .find(|path| path.ends_with("-0002.csv"))
            .unwrap()
            .into()
    }

    /// Fails unless a run ends in exit code 18, says this with `path` in it, sends nothing and leaves every file alone;
    /// and unless `--fresh` then delivers the audience.
    fn assert_refused(&self, path: &Path, texts: &[&str]) {
        let before = files(&self.run);
        let sent = self.scene.opened();
        for _ in 0..2 {
            let refused = self.scene.run();
            refused.assert_code(18).assert_says(texts);
            refused.assert_says(&[path.to_str().unwrap(), "--fresh"]);
            let errors = refused
                .stderr
                .lines()
                .filter(|line| line.starts_with("error: "));
            assert_eq!(errors.count(), 1, "{refused:#?}");
        }
        assert!(files(&self.run) == before, "files were changed or removed");
        assert_eq!(self.scene.opened(), sent, "something was sent");
        let fresh = self
            .scene
            .workspace
            .call(&["run", "job.toml", "--json", "--fresh"]);
        self.scene.assert_delivered(&fresh);
    }
}

/// The manifest of a run, as it stands in its folder.
fn manifest(run: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap()
}

/// Every file of a run's folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn the_run_that_is_left_alone_goes_on() {
    let unfinished = Unfinished::new();
    let outcome = unfinished.scene.run();
    let report = unfinished.scene.assert_delivered(&outcome);
    assert!(unfinished.run.ends_with(&report.run_id));
}

#[test]
fn a_part_file_that_was_changed_is_named() {
    let unfinished = Unfinished::new();
    let part = unfinished.part();
    let mut bytes = fs::read(&part).unwrap();
    // Of the same size, and with the same time: only the hash tells.
    *bytes.last_mut().unwrap() = b' ';
    let modified = fs::metadata(&part).unwrap().modified().unwrap();
    fs::write(&part, bytes).unwrap();
    let file = fs::File::options().write(true).open(&part).unwrap();
    file.set_modified(modified).unwrap();
    unfinished.assert_refused(&part, &["has changed since it was written"]);
}

#[test]
fn a_part_file_that_is_gone_is_named() {
    let unfinished = Unfinished::new();
    let part = unfinished.part();
    fs::remove_file(&part).unwrap();
    unfinished.assert_refused(&part, &["the part file cannot be read", "No such file"]);
}

#[test]
fn a_manifest_that_was_cut_is_named() {
    let unfinished = Unfinished::new();
    let manifest = unfinished.manifest();
    let bytes = fs::read(&manifest).unwrap();
    fs::write(&manifest, &bytes[..bytes.len() / 2]).unwrap();
    unfinished.assert_refused(&manifest, &["is damaged (line "]);
}

#[test]
fn an_empty_manifest_is_named() {
    let unfinished = Unfinished::new();
    let manifest = unfinished.manifest();
    fs::write(&manifest, "").unwrap();
    unfinished.assert_refused(&manifest, &["is damaged (line "]);
}

#[test]
fn a_manifest_of_a_newer_version_is_named() {
    let unfinished = Unfinished::new();
    let manifest = unfinished.manifest();
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        text.replacen("\"version\": 1", "\"version\": 2", 1),
    )
    .unwrap();
    unfinished.assert_refused(&manifest, &["is of version 2", "reads version 1"]);
}

#[test]
fn a_changed_source_is_refused_when_the_job_says_so_and_nothing_is_deleted() {
    let unfinished = Unfinished::new();
    let job = unfinished.scene.workspace.path("job.toml");
    let text = fs::read_to_string(&job).unwrap();
    let careful = text.replacen("[audience]", "[audience]\non-source-change = \"refuse\"", 1);
    // Another job is another run: it is the one that must be refused.
    fs::write(&job, careful).unwrap();
    unfinished
        .scene
        .sandbox
        .set_faults(Faults::none().always(Fault::RefuseConnection));
    unfinished.scene.run().assert_code(14);
    unfinished.scene.sandbox.set_faults(Faults::none());
    unfinished.scene.workspace.audience(400, 900);
    let runs = unfinished.run.parent().unwrap();
    let before = files(runs);
    let refused: Outcome = unfinished.scene.run();
    refused
        .assert_code(12)
        .assert_says(&["on-source-change", "--fresh"]);
    assert!(files(runs) == before, "files were changed or removed");
    let fresh = unfinished
        .scene
        .workspace
        .call(&["run", "job.toml", "--json", "--fresh"]);
    unfinished.scene.assert_delivered(&fresh);
}
