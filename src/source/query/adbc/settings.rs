//! `[audience.adbc]`: what is refused before a driver is looked for.

use std::path::Path;

use super::hosts;
use crate::source::day_time::DayTime;

/// How the engine is reached.
#[derive(Debug, Clone, Default)]
pub struct AdbcSettings {
    /// A shared library's absolute path, or a driver's name on the system's and user's driver paths.
    pub driver: String,
    /// The library's entry point, where its name does not tell.
    pub entrypoint: Option<String>,
    /// Where the database is.
    pub uri: Option<String>,
    /// Options of the database, in the driver's words.
    pub options: Vec<(String, String)>,
    /// Options whose values are secrets, with the variables that hold them.
    pub option_env: Vec<(String, String)>,
    /// The time of day of dates in arrays, which PostgreSQL makes texts of.
    pub day_time: DayTime,
}

/// Parts of the names of options that are secrets.
const SECRETS: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "token",
    "secret",
    "private_key",
    "access_key",
    "api_key",
];

const DRIVER: &str = "audience.adbc.driver";
const ENTRYPOINT: &str = "audience.adbc.entrypoint";
const URI: &str = "audience.adbc.uri";
const OPTIONS: &str = "audience.adbc.options";
const OPTION_ENV: &str = "audience.adbc.option-env";

impl AdbcSettings {
    /// The key of the job file that is wrong, and what is wrong with it, in words; no value of it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        self.check_driver()
            .map_err(|problem| (DRIVER, problem.to_owned()))?;
        if let Some(entrypoint) = &self.entrypoint
            && !is_symbol(entrypoint)
        {
            let problem = "must be a function's name, such as \"AdbcDriverInit\"";
            return Err((ENTRYPOINT, problem.to_owned()));
        }
        if let Some(uri) = &self.uri {
            check_uri(uri).map_err(|problem| (URI, problem))?;
        }
        let mut seen: Vec<&str> = self.uri.iter().map(|_| "uri").collect();
        for (name, value) in &self.options {
            check_option(name, value).map_err(|problem| (OPTIONS, problem))?;
            seen.push(name);
        }
        for (name, variable) in &self.option_env {
            if name.is_empty() || name.contains('\0') || !is_symbol(variable) {
                let problem = "must be names of options, each with the name of a variable, such as { password = \"WAREHOUSE_PASSWORD\" }";
                return Err((OPTION_ENV, problem.to_owned()));
            }
            if seen.contains(&name.as_str()) {
                return Err((
                    OPTION_ENV,
                    format!("{name} is also given as a value; keep one of them"),
                ));
            }
        }
        Ok(())
    }

    fn check_driver(&self) -> Result<(), &'static str> {
        let driver = &self.driver;
        let is_named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if driver.is_empty() {
            Err(
                "is empty; write a driver's name, such as \"duckdb\", or the absolute path of its library",
            )
        } else if driver.contains(char::is_control) {
            Err("has a control character in it")
        } else if Path::new(driver).is_absolute() {
            Ok(())
        } else if driver.contains(['/', '\\', '.']) {
            Err(
                "must be an absolute path, or a name without slashes and dots: a driver is never looked for in the working directory",
            )
        } else if driver.chars().all(is_named) {
            Ok(())
        } else {
            Err("is not the name of a driver: use letters, digits, - and _")
        }
    }

    /// The driver and the machines that it reaches, for people: no user, no password.
    pub fn name(&self) -> String {
        let driver = Path::new(&self.driver).file_name();
        let driver = driver.map_or_else(
            || self.driver.clone().into(),
            std::ffi::OsStr::to_string_lossy,
        );
        let mut name = format!("adbc {driver}");
        for host in self.uri.iter().flat_map(|uri| hosts::of_uri(uri)) {
            name.push(' ');
            name.extend(host.chars().filter(|c| !c.is_control()));
        }
        name
    }
}

fn is_symbol(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_secret(option: &str) -> bool {
    let option = option.to_ascii_lowercase().replace('-', "_");
    SECRETS.iter().any(|secret| option.contains(secret))
        || option
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| ["pat", "pwd", "pass", "apikey"].contains(&word))
}

fn check_uri(uri: &str) -> Result<(), String> {
    const ADVICE: &str = "write option-env = { uri = \"WAREHOUSE_URI\" }, or the secret alone as an option of option-env";
    if uri.contains('\0') {
        return Err("has a NUL in it".to_owned());
    }
    let authority = match uri.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next(),
        None => uri.split('/').next(),
    };
    // A password may have an @ of its own, and slashes that should have been escaped.
    let user = authority.and_then(|authority| authority.rsplit_once('@'));
    if user.is_some_and(|(user, _)| user.contains(':')) {
        return Err(format!("holds a password; {ADVICE}"));
    }
    match hosts::pairs(uri).find(|(name, value)| is_secret(name) && !is_plain(value)) {
        Some((name, _)) => Err(format!("holds a secret ({}); {ADVICE}", plain_name(name))),
        None => Ok(()),
    }
}

fn check_option(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || name.contains('\0') || value.contains('\0') {
        return Err("has an empty name, or a NUL in it".to_owned());
    }
    // BigQuery's `auth_credentials` holds a path or the whole file, by another option.
    let is_key = [
        "PRIVATE KEY-----",
        "\"private_key\"",
        "\"client_secret\"",
        "\"refresh_token\"",
    ]
    .iter()
    .any(|sign| value.contains(sign));
    if (is_secret(name) && !is_plain(value)) || is_key {
        let name = plain_name(name);
        return Err(format!(
            "{name} looks like a secret; write option-env = {{ \"{name}\" = \"A_VARIABLE\" }}"
        ));
    }
    if name == "uri" {
        return check_uri(value).map_err(|problem| format!("uri {problem}"));
    }
    Ok(())
}

/// A switch such as `cache_token = true` is no secret.
fn is_plain(value: &str) -> bool {
    ["", "true", "false", "enabled", "disabled"].contains(&value)
}

fn plain_name(name: &str) -> String {
    // What is no name may be a piece of a secret.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.chars().all(is_plain) {
        name.to_owned()
    } else {
        "…".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(driver: &str) -> AdbcSettings {
        AdbcSettings {
            driver: driver.to_owned(),
            ..AdbcSettings::default()
        }
    }

    #[test]
    fn driver_is_a_name_or_an_absolute_path() {
        for driver in ["duckdb", "/opt/libduckdb.so", "adbc_driver-x"] {
            of(driver).check().unwrap();
        }
        for driver in [
            "",
            "./a.so",
            "a/b",
            "libduckdb.so",
            "..",
            "a b",
            "a\0",
            "~/a.so",
        ] {
            assert_eq!(of(driver).check().unwrap_err().0, DRIVER, "{driver:?}");
        }
    }

    #[test]
    fn secrets_in_the_clear_are_refused_without_being_shown() {
        for uri in [
            "postgresql://ana:s3cret@db/shop",
            "ana:s3cret@acme/db",
            "sc://h:1/;token=s3cret",
            "host=h password=s3cret",
            "x://h/?api-key=s3cret",
        ] {
            let mut settings = of("x");
            settings.uri = Some(uri.to_owned());
            let (key, problem) = settings.check().unwrap_err();
            assert_eq!(key, URI, "{uri}");
            assert!(!problem.contains("s3cret"), "{problem}");
            settings.uri = None;
            settings.options = vec![("uri".to_owned(), uri.to_owned())];
            assert_eq!(settings.check().unwrap_err().0, OPTIONS, "{uri}");
        }
        for name in [
            "password",
            "adbc.snowflake.sql.auth_token",
            "jwt_private_key_pkcs8_value",
            "databricks.pat",
            "Client-Secret",
        ] {
            let mut settings = of("x");
            settings.options = vec![(name.to_owned(), "s3cret".to_owned())];
            let (key, problem) = settings.check().unwrap_err();
            assert_eq!(key, OPTIONS);
            assert!(
                problem.contains(name) && problem.contains("option-env"),
                "{problem}"
            );
            assert!(!problem.contains("s3cret"), "{problem}");
        }
        for value in [
            "{\"private_key\":\"s3cret\"}",
            "{\"refresh_token\": \"s3cret\"}",
        ] {
            let mut settings = of("x");
            settings.options = vec![("auth_credentials".to_owned(), value.to_owned())];
            let (_, problem) = settings.check().unwrap_err();
            assert!(problem.contains("looks like a secret"), "{problem}");
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }

    #[test]
    fn what_is_no_secret_passes() {
        let mut settings = of("x");
        for uri in [
            "sc://127.0.0.1:15002",
            "postgresql://ana@db/shop",
            "/a/b:c@d.db",
            ":memory:",
        ] {
            settings.uri = Some(uri.to_owned());
            settings.check().unwrap();
        }
        settings.options = [
            ("path", "a.db"),
            ("auth_credentials", "/etc/key.json"),
            ("cache_mfa_token", "true"),
            ("s3_path", "x"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        settings.option_env = vec![("password".to_owned(), "DB_PASSWORD".to_owned())];
        settings.check().unwrap();
        settings.option_env = vec![("path".to_owned(), "DB_PATH".to_owned())];
        assert_eq!(settings.check().unwrap_err().0, OPTION_ENV);
        settings.option_env = vec![("password".to_owned(), "s3cret!".to_owned())];
        let (_, problem) = settings.check().unwrap_err();
        assert!(!problem.contains("s3cret"));
    }

    #[test]
    fn name_has_the_host_and_no_user() {
        let mut settings = of("/opt/libadbc_driver_spark.so");
        settings.uri = Some("sc://ana@127.0.0.1:15002".to_owned());
        assert_eq!(settings.name(), "adbc libadbc_driver_spark.so 127.0.0.1");
    }
}
