//! The meaning of a remote path: the logical directories `/profiles` and `/events`, and the objects right in them.
//!
//! A path is resolved against `/`, the home directory. Everything else is [`Place::Elsewhere`], which does not exist.

/// Longest object name, as most local file systems have it.
const MAX_NAME_BYTES: usize = 255;

/// A logical directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    /// `/profiles`
    Profiles,
    /// `/events`
    Events,
}

impl Folder {
    /// Every logical directory.
    pub(super) const ALL: [Self; 2] = [Self::Profiles, Self::Events];

    /// Its name, remote and local.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Profiles => "profiles",
            Self::Events => "events",
        }
    }
}

/// The place of an object, which may or may not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// The directory it lies in.
    pub(super) folder: Folder,
    /// Its name there: one path component, never `.` or `..`.
    pub(super) name: String,
}

impl std::fmt::Display for Object {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "/{}/{}", self.folder.name(), self.name)
    }
}

/// The target of a remote path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `/`
    Root,
    /// `/profiles` or `/events`.
    Folder(Folder),
    /// Something in one of them.
    Object(Object),
    /// Any other path: not mapped, so it does not exist.
    Elsewhere,
}

impl Place {
    /// Resolves a path as a client sent it.
    pub(super) fn of(path: &str) -> Self {
        match components(path).as_slice() {
            [] => Self::Root,
            [folder, rest @ ..] => {
                let Some(folder) = Folder::ALL.into_iter().find(|it| it.name() == *folder) else {
                    return Self::Elsewhere;
                };
                match rest {
                    [] => Self::Folder(folder),
                    [name] if name.len() <= MAX_NAME_BYTES && !name.contains('\0') => {
                        Self::Object(Object {
                            folder,
                            name: (*name).to_owned(),
                        })
                    }
                    _ => Self::Elsewhere,
                }
            }
        }
    }
}

/// The absolute path without `.`, `..` and doubled slashes.
pub(super) fn canonical(path: &str) -> String {
    format!("/{}", components(path).join("/"))
}

fn components(path: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                found.pop();
            }
            name => found.push(name),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mapped_paths_exist() {
        let object = |name: &str| {
            Place::Object(Object {
                folder: Folder::Profiles,
                name: name.to_owned(),
            })
        };
        for (path, place) in [
            ("", Place::Root),
            ("/", Place::Root),
            (".", Place::Root),
            ("/profiles/..", Place::Root),
            ("/profiles/", Place::Folder(Folder::Profiles)),
            ("events", Place::Folder(Folder::Events)),
            ("/profiles//a.csv", object("a.csv")),
            ("profiles/./a.csv", object("a.csv")),
            ("/events/../profiles/a.csv", object("a.csv")),
            ("/a.csv", Place::Elsewhere),
            ("/profiles/sub/a.csv", Place::Elsewhere),
            ("/../../etc/passwd", Place::Elsewhere),
            ("/profiles/../../etc", Place::Elsewhere),
            ("/profiles/a\0b", Place::Elsewhere),
        ] {
            assert_eq!(Place::of(path), place, "{path:?}");
        }
        assert_eq!(canonical("profiles//x/../a.csv"), "/profiles/a.csv");
        assert_eq!(canonical("."), "/");
    }
}
