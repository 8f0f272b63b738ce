//! Where drivers are, whether they may be trusted, and their loading.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use adbc_core::error::Status;
use adbc_core::options::AdbcVersion;
use adbc_driver_manager::ManagedDriver;

use super::error::{AdbcError, DriverRefusal};
use super::manifest;
use crate::base::environment::Environment;

/// The packages that bring the driver of an engine.
const PACKAGES: [(&str, &str); 7] = [
    (
        "duckdb",
        "libduckdb from https://duckdb.org/install or npm's @duckdb/node-bindings-*",
    ),
    ("sqlite", "PyPI's adbc-driver-sqlite"),
    ("postgresql", "PyPI's adbc-driver-postgresql"),
    ("snowflake", "PyPI's adbc-driver-snowflake"),
    ("bigquery", "PyPI's adbc-driver-bigquery"),
    ("flightsql", "PyPI's adbc-driver-flightsql"),
    ("spark", "PyPI's adbc-driver-spark"),
];

/// A driver's shared library.
#[derive(Debug)]
pub(super) struct Library {
    /// Absolute.
    pub(super) path: PathBuf,
    /// As its manifest says.
    pub(super) entrypoint: Option<String>,
}

/// The library of `driver`, which is an absolute path or a name, if nobody else can change it.
pub(super) fn find(driver: &str, environment: &Environment) -> Result<Library, AdbcError> {
    let named = Path::new(driver);
    let library = if named.is_absolute() {
        Library {
            path: named.to_owned(),
            entrypoint: None,
        }
    } else {
        in_folders(driver, &folders(environment))?
    };
    let path = library.path.canonicalize();
    let path = path.and_then(|path| path.metadata().map(|data| (path, data)));
    let unreadable = |problem: String| AdbcError::DriverFile {
        path: library.path.clone(),
        problem,
        advice: advice(driver),
    };
    let (path, data) = path.map_err(|error| unreadable(error.to_string()))?;
    if !data.is_file() {
        return Err(unreadable("no file".to_owned()));
    }
    trust(&path)?;
    Ok(Library { path, ..library })
}

/// The folders of drivers, as the driver managers of other languages have them; none that depends on the working directory.
fn folders(environment: &Environment) -> Vec<PathBuf> {
    let from_variable = environment.get("ADBC_DRIVER_PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(from_variable).collect();
    let configuration = environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
    let configuration = configuration
        .filter(|folder| folder.is_absolute())
        .or_else(|| environment.home().map(|home| home.join(".config")));
    folders.extend(configuration.map(|folder| folder.join("adbc/drivers")));
    folders.push(PathBuf::from("/etc/adbc/drivers"));
    folders.retain(|folder| folder.is_absolute());
    folders
}

fn in_folders(driver: &str, folders: &[PathBuf]) -> Result<Library, AdbcError> {
    for folder in folders {
        let manifest = folder.join(format!("{driver}.toml"));
        if manifest.is_file() {
            trust(&manifest)?;
            return manifest::read(&manifest);
        }
        let library = folder.join(format!("lib{driver}{}", std::env::consts::DLL_SUFFIX));
        if library.is_file() {
            return Ok(Library {
                path: library,
                entrypoint: None,
            });
        }
    }
    let folders: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    Err(AdbcError::DriverNotFound {
        driver: driver.to_owned(),
        folders: folders.join(", "),
        advice: advice(driver),
    })
}

/// Refuses a file that others than its owner can change, itself or by their right on its folder.
fn trust(path: &Path) -> Result<(), AdbcError> {
    const STICKY: u32 = 0o1000;
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(&path).to_owned();
    for (path, allowed) in [(path, 0), (folder, STICKY)] {
        let mode = match path.metadata() {
            Ok(data) => data.permissions().mode() & 0o7777,
            Err(error) => {
                return Err(AdbcError::DriverFile {
                    problem: error.to_string(),
                    advice: advice(&path.to_string_lossy()),
                    path,
                });
            }
        };
        if mode & 0o022 != 0 && mode & allowed == 0 {
            return Err(AdbcError::DriverUntrusted { path, mode });
        }
    }
    Ok(())
}

/// How to come by the driver.
fn advice(driver: &str) -> String {
    let name = Path::new(driver).file_name();
    let name = name.map_or_else(String::new, |name| name.to_string_lossy().to_lowercase());
    let known = PACKAGES.iter().find(|(engine, _)| name.contains(engine));
    match known {
        Some((_, package)) => {
            format!("{package} brings it: write the absolute path of its library as driver")
        }
        None if Path::new(driver).is_absolute() => {
            "https://arrow.apache.org/adbc lists the drivers".to_owned()
        }
        None => format!(
            "dbc install {driver} brings it if it is one of https://arrow.apache.org/adbc, or write the absolute path of its library as driver"
        ),
    }
}

/// Loads the library into this process.
pub(super) fn load(
    library: &Library,
    entrypoint: Option<&str>,
) -> Result<ManagedDriver, AdbcError> {
    let entrypoint = library.entrypoint.as_deref().or(entrypoint);
    // DuckDB's is another than the one that follows from its name.
    let name = library.path.file_name().map(|name| name.to_string_lossy());
    let is_duckdb = name.is_some_and(|name| name.starts_with("libduckdb"));
    let entrypoint = entrypoint.or_else(|| is_duckdb.then_some("duckdb_adbc_init"));
    let load = |version| {
        let entrypoint = entrypoint.map(str::as_bytes);
        ManagedDriver::load_dynamic_from_filename(&library.path, entrypoint, version)
    };
    let loaded = match load(AdbcVersion::V110) {
        Err(error) if error.status == Status::NotImplemented => load(AdbcVersion::V100),
        loaded => loaded,
    };
    loaded.map_err(|error| {
        // The words of the system's loader name libraries and functions; a driver's own are not shown.
        let problem = match error.message.strip_prefix("Error with dynamic library: ") {
            Some(system) => system.chars().filter(|c| !c.is_control()).collect(),
            None => DriverRefusal::of(&error).to_string(),
        };
        AdbcError::DriverLoad {
            path: library.path.clone(),
            problem,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_the_variables_the_users_and_the_systems() {
        let environment = Environment::from_pairs([
            ("ADBC_DRIVER_PATH", "/a:.:drivers:/b"),
            ("XDG_CONFIG_HOME", "config"),
            ("HOME", "/home/ana"),
        ]);
        let expected = [
            "/a",
            "/b",
            "/home/ana/.config/adbc/drivers",
            "/etc/adbc/drivers",
        ];
        assert_eq!(folders(&environment), expected.map(PathBuf::from));
    }

    #[test]
    fn library_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libx.so");
        std::fs::write(&path, "").unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let found = || find(path.to_str().unwrap(), &Environment::default());
        set(&path, 0o644);
        found().unwrap();
        set(&path, 0o664);
        assert!(matches!(
            found(),
            Err(AdbcError::DriverUntrusted { mode: 0o664, .. })
        ));
        set(&path, 0o644);
        set(folder.path(), 0o777);
        assert!(matches!(
            found(),
            Err(AdbcError::DriverUntrusted { mode: 0o777, .. })
        ));
        set(folder.path(), 0o1777);
        found().unwrap();
        set(folder.path(), 0o700);
    }

    #[test]
    fn missing_driver_is_told_with_the_package_that_brings_it() {
        let environment = Environment::from_pairs([("HOME", "/nowhere")]);
        let text = find("snowflake", &environment).unwrap_err().to_string();
        assert!(
            text.contains("adbc-driver-snowflake") && text.contains("/etc/adbc/drivers"),
            "{text}"
        );
        let text = find("mssql", &environment).unwrap_err().to_string();
        assert!(text.contains("dbc install mssql"), "{text}");
        let text = find("/nowhere/libduckdb.so", &environment)
            .unwrap_err()
            .to_string();
        assert!(text.contains("node-bindings"), "{text}");
    }
}
