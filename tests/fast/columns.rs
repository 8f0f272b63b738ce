//! The order of columns is the job's, whatever it is: a TOML reader may sort its tables.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "the helpers of tests may panic as well; audiences are made of text, and tables of cases are long"
)]

use crate::support::random;
use crate::support::workspace;
use random::Random;
use workspace::{Workspace, column};

const COLUMNS: [(&str, &str); 12] = [
    ("mail", "Email"),
    ("phone", "PhoneNumber"),
    ("id", "ExternalID"),
    ("zip", "Zip"),
    ("a b", "FirstName"),
    ("10", "Ten"),
    ("9", "Nine"),
    ("Ünï", "Umlaut"),
    ("city", "City"),
    ("Z", "zeta"),
    ("dot.ted", "Dotted"),
    ("tier", "Loyalty Tier"),
];

#[test]
fn thirty_shuffled_jobs_write_their_columns_in_their_order() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let (mut job, mut file) = (COLUMNS, COLUMNS);
        random.shuffle(&mut job);
        random.shuffle(&mut file);
        let identifier = |name: &str| ["Email", "PhoneNumber", "ExternalID"].contains(&name);
        let value = |(source, target): (&str, &str)| match target {
            "Email" => "zoe@example.com".to_owned(),
            "PhoneNumber" => "+16502530000".to_owned(),
            _ => format!("of {source}"),
        };
        let header = file.map(|(source, _)| source).join(",");
        let row = file.map(value).join(",");
        let columns: String = job
            .iter()
            .map(|(source, target)| format!("{source:?} = {target:?}\n"))
            .collect();
        let workspace = Workspace::with(&[("a.csv", &format!("{header}\n{row}\n"))]);
        let toml = workspace.job(
            "vip",
            &format!("[audience]\nfiles = [\"a.csv\"]\n[columns]\n{columns}"),
            None,
        );
        workspace.run(&["run", &toml, "--dry-run"]).exits(0);

        let part = &workspace.parts("vip")[0];
        let others = job
            .iter()
            .map(|(_, target)| *target)
            .filter(|target| !identifier(target));
        let expected: Vec<&str> = ["Email", "PhoneNumber", "ExternalID"]
            .into_iter()
            .chain(others)
            .collect();
        assert_eq!(
            part.lines().next().unwrap(),
            expected.join(","),
            "seed {seed}\n{columns}"
        );
        for pair in COLUMNS {
            assert_eq!(column(part, pair.1), [value(pair)], "seed {seed}");
        }
    }
}
