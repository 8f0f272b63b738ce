//! The numbers of the last run as a text file of Prometheus, for the textfile collector of its node exporter.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::numbers::{Label, Metric, NumberUnit};
use crate::state::manifest::StateError;
use crate::state::shard::Shard;
use crate::state::storage::storage;

/// The permissions of the file: the node exporter is another user.
const MODE: u32 = 0o644;

/// The file of a run, or of a shard: `vip.prom`, `vip-03of16.prom`.
pub(super) fn path_of(path: &Path, shard: Option<Shard>) -> PathBuf {
    let Some(shard) = shard else {
        return path.to_owned();
    };
    let part = |part: Option<&std::ffi::OsStr>| {
        part.map_or_else(String::new, |part| part.to_string_lossy().into_owned())
    };
    let (stem, end) = (part(path.file_stem()), part(path.extension()));
    let dot = if end.is_empty() { "" } else { "." };
    path.with_file_name(format!("{stem}-{}{dot}{end}", shard.name()))
}

/// The folder of the file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new("."))
}

/// Replaces the file, so that whoever reads it sees the old or the new content.
pub(super) fn write(path: &Path, text: &str) -> Result<(), StateError> {
    let failed = storage(path, "replace it");
    // A collector takes files that end in .prom, and no other.
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path)).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let mode = std::fs::Permissions::from_mode(MODE);
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// The numbers in Prometheus' text format.
pub(super) fn text(numbers: &[Metric], job: &str, shard: Option<Shard>) -> String {
    let job = ("job".into(), job.to_owned().into());
    let shard = shard.map(|shard| ("shard".into(), shard.to_string().into()));
    let labels: Vec<_> = std::iter::once(job).chain(shard).collect();
    let mut registry = Registry::with_prefix_and_labels("klaviyo_export", labels.into_iter());
    for number in numbers {
        let family = Family::<Vec<Label>, Gauge<f64, AtomicU64>>::default();
        for (labels, value) in &number.values {
            family.get_or_create(labels).set(*value);
        }
        let (name, help) = (number.name, number.help);
        match number.unit {
            NumberUnit::None => registry.register(name, help, family),
            NumberUnit::Seconds => {
                registry.register_with_unit(name, help, Unit::Seconds, family);
            }
            NumberUnit::Bytes => registry.register_with_unit(name, help, Unit::Bytes, family),
        }
    }
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_has_a_file_of_its_own() {
        let shard = Shard::new(3, 16);
        for (path, own) in [("/m/vip.prom", "/m/vip-03of16.prom"), ("vip", "vip-03of16")] {
            assert_eq!(path_of(Path::new(path), shard), Path::new(own));
            assert_eq!(path_of(Path::new(path), None), Path::new(path));
        }
    }
}
