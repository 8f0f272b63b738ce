//! The files of one shard, out of all that a job names.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::files::{self, SourceInput, SourcePlace};
use super::{Audience, AudienceError, AudienceFiles, Opening};
use crate::state::shard::Shard;

impl Audience {
    /// As [`Audience::open`], of the shard's own files among all, which are sorted by name for it; there may be none. With
    /// it a hash over name, size and modification time of all files, by which the shards see whether they deal out the
    /// same ones. Standard input cannot be dealt out: [`AudienceError::StdinShard`].
    pub fn open_shard(
        files: &AudienceFiles,
        shard: Shard,
    ) -> Result<(Self, String), AudienceError> {
        let inputs = sorted(files)?;
        let hash = hash(&inputs)?;
        let mut audience = Opening::default();
        for (index, SourceInput { name, place }) in inputs.into_iter().enumerate() {
            if shard.takes(index) {
                let origin = place.origin(&name)?.ok_or(AudienceError::StdinShard)?;
                audience.add(name, origin, files)?;
            }
        }
        Ok((audience.finish(), hash))
    }
}

/// All files, sorted by the names that the job gives them: these are the same on every machine.
fn sorted(files: &AudienceFiles) -> Result<Vec<SourceInput>, AudienceError> {
    let mut inputs = files::resolve(files)?;
    inputs.sort_by(|a, b| Path::new(&a.name).cmp(Path::new(&b.name)));
    Ok(inputs)
}

/// Nothing of the files is read for it.
fn hash(inputs: &[SourceInput]) -> Result<String, AudienceError> {
    let mut text = String::new();
    for SourceInput { name, place } in inputs {
        // Writing to a String cannot fail.
        let _ = match place {
            SourcePlace::Stdin => return Err(AudienceError::StdinShard),
            SourcePlace::Path(path) => {
                let metadata = std::fs::metadata(path).map_err(|source| AudienceError::Open {
                    name: name.clone(),
                    source,
                })?;
                let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
                writeln!(
                    text,
                    "{name:?} {} {seconds}.{nanoseconds:09}",
                    metadata.len()
                )
            }
            SourcePlace::Object(object) => {
                let seen = object.fingerprint();
                writeln!(
                    text,
                    "{name:?} {} {} {}",
                    seen.bytes, seen.modified, seen.ends
                )
            }
        };
    }
    Ok(format!("{:032x}", xxh3_128(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(folder: &Path, names: &[&str]) -> AudienceFiles {
        AudienceFiles {
            files: names.iter().map(|&name| name.to_owned()).collect(),
            base: folder.to_owned(),
            format: None,
            delimiter: None,
            encoding: encoding_rs::UTF_8,
            escape: crate::source::audience::Escape::Unsaid,
            header_row: None,
        }
    }

    #[test]
    fn files_are_sorted_over_all_patterns_and_each_is_one_shard_s() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["x/b.csv", "x/a.csv", "w/c.csv"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "mail\na@example.com\n").unwrap();
        }
        let files = audience(folder.path(), &["x/*.csv", "w/c.csv"]);
        let open = |number| Audience::open_shard(&files, Shard::new(number, 4).unwrap()).unwrap();
        let names = |number| {
            let (audience, _) = open(number);
            let sources = audience.sources().iter();
            sources.map(|it| it.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(1), ["w/c.csv"]);
        assert_eq!(names(2), ["x/a.csv"]);
        assert_eq!(names(3), ["x/b.csv"]);
        assert!(names(4).is_empty());
        let before = open(1).1;
        assert_eq!(before, open(4).1);
        std::fs::write(folder.path().join("x/b.csv"), "mail\n").unwrap();
        assert_ne!(before, open(1).1);
        let stdin = audience(folder.path(), &["x/*.csv", "-"]);
        assert!(matches!(
            Audience::open_shard(&stdin, Shard::new(1, 1).unwrap()),
            Err(AudienceError::StdinShard)
        ));
    }
}
