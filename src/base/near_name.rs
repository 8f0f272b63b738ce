//! The name that was meant, where no file has the one that was written.

use std::path::Path;

/// How alike two names are, from 0 to 1, that one may be meant by the other (Jaro and Winkler).
const ALIKE: f64 = 0.85;

/// The file in the same folder as `path`, which is not there, whose name is most like its own, told as `path` was
/// `written`. Files that `may_be` refuses by their names are not looked at.
pub(crate) fn near_name(
    written: &str,
    path: &Path,
    may_be: impl Fn(&str) -> bool,
) -> Option<String> {
    let wanted = path.file_name()?.to_str()?.to_lowercase();
    let folder = path.parent()?;
    // A bare name's parent is empty, which is no path.
    let folder = if folder == Path::new("") {
        Path::new(".")
    } else {
        folder
    };
    let (likeness, nearest) = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| may_be(name))
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name))
        .max_by(|(a, a_name), (b, b_name)| a.total_cmp(b).then_with(|| b_name.cmp(a_name)))?;
    let folder = written.rfind('/').map_or("", |slash| &written[..=slash]);
    (likeness >= ALIKE).then(|| format!("{folder}{nearest}"))
}
