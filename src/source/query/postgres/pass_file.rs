//! `~/.pgpass`: lines of `host:port:database:user:password`, of which the first that fits is taken.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::PostgresError;
use crate::base::secret::Secret;

/// The login whose password is looked for.
pub(super) struct PgLogin<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password for `entry`; none if the file is not there. A file that others can read is refused.
pub(super) fn find(path: &Path, entry: &PgLogin<'_>) -> Result<Option<Secret>, PostgresError> {
    let failed = |error: &std::io::Error| PostgresError::PassFile {
        path: path.to_owned(),
        cause: error.kind(),
    };
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(|error| failed(&error))?,
    };
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(PostgresError::OpenPassFile {
            path: path.to_owned(),
            mode,
        });
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    Ok(password_in(&text, entry).map(Secret::new))
}

fn password_in(text: &str, entry: &PgLogin<'_>) -> Option<String> {
    let port = entry.port.to_string();
    let wanted = [entry.host, &port, entry.database, entry.user];
    text.lines()
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .find_map(|line| {
            let (mut fields, password) = fields(line)?;
            let fits = |(field, wanted): (&mut (String, bool), &str)| {
                (field.1 && field.0 == "*") || field.0 == wanted
            };
            fields.iter_mut().zip(wanted).all(fits).then_some(password)
        })
}

/// The four fields before the password, each with whether it has no backslash, and the password.
fn fields(line: &str) -> Option<([(String, bool); 4], String)> {
    let mut fields: [(String, bool); 4] = std::array::from_fn(|_| (String::new(), true));
    let mut letters = line.chars();
    for (text, is_plain) in &mut fields {
        loop {
            match letters.next()? {
                ':' => break,
                '\\' => {
                    *is_plain = false;
                    text.push(letters.next()?);
                }
                letter => text.push(letter),
            }
        }
    }
    let mut password = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            ':' => break,
            '\\' => password.push(letters.next()?),
            letter => password.push(letter),
        }
    }
    Some((fields, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_is_taken() {
        let entry = PgLogin {
            host: "db",
            port: 5432,
            database: "shop",
            user: "ana",
        };
        let found = |text: &str| password_in(text, &entry);
        for (text, password) in [
            ("db:5432:shop:ana:geheim", Some("geheim")),
            ("# db\n\ndb:1:shop:ana:a\n*:*:*:ana:b\n*:*:*:*:c", Some("b")),
            (r"db:5432:shop:ana:a\:b\\c", Some(r"a:b\c")),
            (r"\d\b:*:*:*:x", Some("x")),
            (r"\*:*:*:*:x", None),
            ("db:5432:shop:ana", None),
            ("db:5432:shop:ANA:x", None),
            ("db:5432:shop:ana:x\r\n", Some("x")),
        ] {
            assert_eq!(found(text).as_deref(), password, "{text}");
        }
    }
}
