//! Driver manifests: small TOML files that say where a driver's library is.
//!
//! The driver manager reads them too, but goes on to the loader's own paths, the working directory among them, when there is
//! none; so drivers are found here, and the manager is given an absolute path.

use std::path::{Path, PathBuf};

use super::driver::Library;
use super::error::AdbcError;

/// The library that the manifest at `path` names.
pub(super) fn read(path: &Path) -> Result<Library, AdbcError> {
    let fault = |problem: &str| AdbcError::DriverManifest {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let text = std::fs::read_to_string(path).map_err(|error| fault(&error.to_string()))?;
    let table: toml::Table = toml::from_str(&text).map_err(|_| fault("is not TOML"))?;
    if let Some(version) = table.get("manifest_version")
        && version.as_integer() != Some(1)
    {
        return Err(fault(
            "is of a version that is not known; manifest_version = 1 is",
        ));
    }
    let driver = table.get("Driver").and_then(toml::Value::as_table);
    let driver = driver.ok_or_else(|| fault("has no [Driver]"))?;
    let platform = platform();
    let library = match driver.get("shared") {
        Some(toml::Value::String(library)) => Some(library.as_str()),
        Some(toml::Value::Table(libraries)) => {
            libraries.get(&platform).and_then(toml::Value::as_str)
        }
        _ => None,
    };
    let library = library
        .filter(|library| !library.is_empty())
        .ok_or_else(|| fault(&format!("names no library for {platform} in Driver.shared")))?;
    let library = PathBuf::from(library);
    if !library.is_absolute() {
        return Err(fault("Driver.shared is not an absolute path"));
    }
    let entrypoint = match driver.get("entrypoint") {
        None => None,
        Some(toml::Value::String(entrypoint)) => Some(entrypoint.clone()),
        Some(_) => return Err(fault("Driver.entrypoint is not a text")),
    };
    Ok(Library {
        path: library,
        entrypoint,
    })
}

/// The system and the processor in ADBC's words.
fn platform() -> String {
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "powerpc64le",
        "riscv32" => "riscv",
        other => other,
    };
    let library = if cfg!(target_env = "musl") {
        "_musl"
    } else {
        ""
    };
    format!("{}_{processor}{library}", std::env::consts::OS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Library, AdbcError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn manifest_names_a_library_for_all_platforms_or_for_each() {
        let one = of("manifest_version = 1\n[Driver]\nentrypoint = \"Init\"\nshared = \"/a.so\"");
        let one = one.unwrap();
        assert_eq!(one.path, Path::new("/a.so"));
        assert_eq!(one.entrypoint.as_deref(), Some("Init"));
        let each = of(&format!("[Driver.shared]\n{} = \"/b.so\"", platform()));
        assert_eq!(each.unwrap().path, Path::new("/b.so"));
    }

    #[test]
    fn manifest_without_an_absolute_path_is_refused() {
        for text in [
            "",
            "x",
            "[Driver]",
            "[Driver]\nshared = \"a.so\"",
            "[Driver.shared]\nplan9_mips = \"/a.so\"",
            "manifest_version = 2\n[Driver]\nshared = \"/a.so\"",
            "[Driver]\nentrypoint = 1\nshared = \"/a.so\"",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
