//! A sandbox with a list, several files, and the commands of a night.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Deref;

use super::stage::{FILE, JOB, JobText, Stage};
use super::workspace::{Outcome, column};

/// The run group of most tests.
pub(crate) const GROUP: &str = "2026-11-23";

/// A stage whose job reads `in/*.csv`.
pub(crate) struct Night(pub(crate) Stage);

impl Deref for Night {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.0
    }
}

impl Night {
    /// A night of the job `text`.
    pub(crate) fn new(text: &JobText) -> Self {
        let night = Self(Stage::new());
        night.write_job(text, "in/*.csv");
        night
    }

    /// Writes the job file, with these files as its audience.
    pub(crate) fn write_job(&self, text: &JobText, files: &str) {
        self.job(text);
        self.edit_job("audience.csv", files);
    }

    /// Replaces a piece of the job file.
    #[track_caller]
    pub(crate) fn edit_job(&self, piece: &str, by: &str) {
        let job = std::fs::read_to_string(self.workspace.path(FILE)).unwrap();
        assert!(job.contains(piece), "{job}");
        self.workspace.write(FILE, job.replacen(piece, by, 1));
    }

    /// Writes `in/<name>.csv` with these people.
    pub(crate) fn file(&self, name: &str, emails: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut text = "mail,phone,key,first,tier\n".to_owned();
        for email in emails {
            writeln!(text, "{},,,Ana,gold", email.as_ref()).unwrap();
        }
        self.workspace.write(&format!("in/{name}.csv"), text);
    }

    /// Deals people to so many files; returns all of them.
    pub(crate) fn files(&self, files: usize, each: usize) -> Vec<String> {
        let mut all = Vec::new();
        for file in 0..files {
            let people = (0..each).map(|n| format!("f{file}n{n}@example.com"));
            let people: Vec<String> = people.collect();
            self.file(&format!("part-{file:03}"), &people);
            all.extend(people);
        }
        all
    }

    pub(crate) fn shard(&self, shard: &str) -> Outcome {
        self.shard_of(shard, GROUP, &[])
    }

    pub(crate) fn shard_of(&self, shard: &str, group: &str, more: &[&str]) -> Outcome {
        let line = [
            "run",
            FILE,
            "--json",
            "--shard",
            shard,
            "--run-group",
            group,
        ];
        self.execute(&[&line[..], more].concat())
    }

    /// Runs all of them, one after the other.
    pub(crate) fn all_shards(&self, of: usize) {
        for number in 1..=of {
            self.shard(&format!("{number}/{of}")).exits(0);
        }
    }

    pub(crate) fn list(&self) -> Outcome {
        self.execute(&["list", FILE, "--run-group", GROUP, "--json"])
    }

    /// The addresses on the server: each once, or the test fails.
    #[track_caller]
    pub(crate) fn assert_received(&self, expected: &[String]) {
        let received = self.server.received();
        let mut emails: Vec<String> = received
            .iter()
            .flat_map(|text| column(text, "Email"))
            .collect();
        let mut expected = expected.to_vec();
        emails.sort();
        expected.sort();
        assert_eq!(emails, expected);
    }

    /// The names of what the server has.
    pub(crate) fn received_names(&self) -> Vec<String> {
        names(self.server.0.profiles())
    }

    /// The run folders of a shard, or of the job itself for an empty name.
    pub(crate) fn runs(&self, shard: &str) -> Vec<String> {
        let folder = self.workspace.path("state").join(JOB);
        let folder = match shard {
            "" => folder,
            shard => folder.join("shards").join(shard),
        };
        names(&folder.join("runs"))
    }

    /// The identifiers files that are left anywhere.
    pub(crate) fn identifiers(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.workspace.path("state")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "ids") {
                    found.insert(path.display().to_string());
                }
            }
        }
        found
    }
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
