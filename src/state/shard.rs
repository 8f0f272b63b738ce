//! Shards: one of the processes that send one audience of files together, and the night that they have in common.

use serde::{Deserialize, Serialize};

/// The most processes that one audience is dealt to.
pub const MAX_SHARDS: u32 = 9_999;

/// One of several processes: the number and how many there are, as in `3/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// The shard `number` of `of`; `None` unless 1 <= `number` <= `of` <= [`MAX_SHARDS`].
    pub const fn new(number: u32, of: u32) -> Option<Self> {
        if number >= 1 && number <= of && of <= MAX_SHARDS {
            Some(Self { number, of })
        } else {
            None
        }
    }

    /// Its number, from 1.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// How many there are.
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Whether the file at `index`, from 0, of all files is one of its own: every N-th is.
    pub const fn takes(self, index: usize) -> bool {
        index % self.of as usize == self.number as usize - 1
    }

    /// The text of it in names of folders and files: `03of16`.
    pub fn name(self) -> String {
        let width = self.of.to_string().len().max(2);
        format!("{:0width$}of{:0width$}", self.number, self.of)
    }

    /// The shard whose [`Shard::name`] it is.
    pub fn of_name(name: &str) -> Option<Self> {
        let (number, of) = name.split_once("of")?;
        let shard = Self::new(number.parse().ok()?, of.parse().ok()?)?;
        (shard.name() == name).then_some(shard)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.number, self.of)
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let shard = text
            .split_once('/')
            .filter(|(number, of)| digits(number) && digits(of))
            .and_then(|(number, of)| Self::new(number.parse().ok()?, of.parse().ok()?));
        shard.ok_or_else(|| {
            "write I/N, such as 3/16: the third of 16; I counts from 1, and N is at most 9999"
                .to_owned()
        })
    }
}

/// The name that the shards of one night share: 1 to 100 of `A-Z a-z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunGroup(String);

impl std::fmt::Display for RunGroup {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::str::FromStr for RunGroup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=100).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err("write 1 to 100 of A-Z a-z 0-9 . _ -, such as 2026-11-23".to_owned())
    }
}

/// The record of a run's place in a run group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// Which shard it is, from 1; `None` of the run that puts all shards' profiles on the list.
    pub number: Option<u32>,
    /// How many shards there are.
    pub of: u32,
    /// The run group.
    pub run_group: RunGroup,
    /// Hash over name, size and modification time of every file of all shards.
    pub files: String,
    /// The runs of the shards in their order, of the run that puts all on the list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<String>,
}

impl ShardRecord {
    /// Which shard the run is; `None` of the run for all of them.
    pub fn shard(&self) -> Option<Shard> {
        Shard::new(self.number?, self.of)
    }
}

/// The reason for which a shard does not begin, or the list is left alone.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// Another shard of the group has seen other files.
    #[error(
        "the files changed since shard {begun} of run group {run_group} began; use a new --run-group"
    )]
    FilesChanged {
        /// The shard that has begun.
        begun: Shard,
        /// The group.
        run_group: RunGroup,
    },
    /// Another shard of the group had another job file.
    #[error(
        "the job changed since shard {begun} of run group {run_group} began; use a new --run-group"
    )]
    JobChanged {
        /// The shard that has begun.
        begun: Shard,
        /// The group.
        run_group: RunGroup,
    },
    /// Another shard of the group counts otherwise.
    #[error(
        "shard {begun} of run group {run_group} has begun, and {shard} is of another number of shards; use a new --run-group"
    )]
    OtherNumber {
        /// The shard that has begun.
        begun: Shard,
        /// The one that is asked for.
        shard: Shard,
        /// The group.
        run_group: RunGroup,
    },
    /// Nothing of the group is there.
    #[error("no shard of run group {run_group} was run")]
    NoShard {
        /// The group.
        run_group: RunGroup,
    },
    /// Shards are missing, unfinished or failed.
    #[error(
        "run group {run_group} is not done: {}; nothing was added to the list",
        named(waits_for)
    )]
    NotDone {
        /// The group.
        run_group: RunGroup,
        /// Each with what is the matter with it, the first one first.
        waits_for: Vec<(Shard, &'static str)>,
    },
    /// The identifiers of a shard are not known any more.
    #[error(
        "shard {shard} of run group {run_group}: the identifiers of run {run_id} were removed; run all shards again with a new --run-group"
    )]
    NoIdentifiers {
        /// The shard.
        shard: Shard,
        /// The group.
        run_group: RunGroup,
        /// The shard's run.
        run_id: String,
    },
}

/// How many shards a message names.
const NAMED: usize = 10;

fn named(waits_for: &[(Shard, &'static str)]) -> String {
    let shards = waits_for.iter().take(NAMED);
    let mut names: Vec<String> = shards
        .map(|(shard, what)| format!("shard {shard} {what}"))
        .collect();
    let more = waits_for.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_a_number_of_a_number() {
        for (text, name) in [
            ("1/1", "01of01"),
            ("3/16", "03of16"),
            ("7/120", "007of120"),
            ("9999/9999", "9999of9999"),
        ] {
            let shard: Shard = text.parse().unwrap();
            assert_eq!(
                (shard.to_string(), shard.name()),
                (text.into(), name.into())
            );
            assert_eq!(Shard::of_name(name), Some(shard));
        }
        for text in [
            "", "1", "0/4", "5/4", "1/0", "1/10000", "+1/4", "1/4/4", " 1/4",
        ] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!(Shard::of_name("3of16"), None);
    }

    #[test]
    fn every_file_is_one_shard_s() {
        for of in 1..20 {
            for index in 0..50 {
                let shards = (1..=of).filter_map(|number| Shard::new(number, of));
                assert_eq!(shards.filter(|shard| shard.takes(index)).count(), 1);
            }
        }
        let third = Shard::new(3, 16).unwrap();
        let own: Vec<usize> = (0..40).filter(|index| third.takes(*index)).collect();
        assert_eq!(own, [2, 18, 34]);
    }

    #[test]
    fn a_run_group_is_a_word() {
        for text in ["a", "2026-11-23", "night_1.b", &"x".repeat(100)] {
            assert_eq!(text.parse::<RunGroup>().unwrap().to_string(), text);
        }
        for text in ["", "a b", "a/b", "ä", &"x".repeat(101)] {
            assert!(text.parse::<RunGroup>().is_err(), "{text}");
        }
    }
}
