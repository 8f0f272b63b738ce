//! Where the server is and who asks, by the URL, else by the `PG*` variables, else by what libpq takes for granted.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::config::TargetSessionAttrs;

use super::pass_file::{self, PgLogin};
use super::url::Url;
use super::{PostgresError, PostgresSettings};
use crate::base::environment::Environment;
use crate::base::secret::Secret;

const DEFAULT_PORT: u16 = 5432;
/// Where servers of distributions, and of PostgreSQL's own build, have their sockets.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];
/// libpq would wait for ever; a nightly run must not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How much TLS there must be, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// The trust anchors for the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// No file is named, and the default one is not there.
    None,
    System,
    File(PathBuf),
}

/// One server of those that are tried.
#[derive(Debug, Clone)]
pub(super) struct PgHost {
    /// A name, an address, or the folder of a socket.
    pub(super) host: String,
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) password: Option<Secret>,
}

impl PgHost {
    pub(super) fn is_socket(&self) -> bool {
        self.host.starts_with('/') && self.address.is_none()
    }

    /// For people.
    pub(super) fn server(&self) -> String {
        if self.host.contains(':') {
            return format!("[{}]:{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }
}

/// All that is needed to connect.
#[derive(Debug, Clone)]
pub(super) struct PgTarget {
    pub(super) places: Vec<PgHost>,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) tls: TlsMode,
    pub(super) roots: Roots,
    pub(super) timeout: Duration,
    pub(super) options: Option<String>,
    pub(super) application: String,
    pub(super) session: TargetSessionAttrs,
    pub(super) loopback_only: bool,
}

impl PgTarget {
    /// Looks everything up, and reads the file of passwords where one may be needed.
    pub(super) fn new(
        settings: &PostgresSettings,
        environment: &Environment,
    ) -> Result<Self, PostgresError> {
        let url = Url::parse(&settings.url).unwrap_or_default();
        let said = PgOptions { url, environment };
        let user = match said.of("user", "PGUSER") {
            Some(user) => user.to_owned(),
            None => whoami::username().map_err(|_| PostgresError::NoUser)?,
        };
        let database = said.of("dbname", "PGDATABASE").unwrap_or(&user).to_owned();
        let tls = said.tls_mode()?;
        let (roots, tls) = match (said.roots(), tls) {
            // As libpq has it: a trust store that everybody is in says nothing unless the name is checked.
            (Roots::System, TlsMode::Require) => (Roots::System, TlsMode::VerifyFull),
            (roots @ Roots::File(_), TlsMode::Require) => (roots, TlsMode::VerifyCa),
            other => other,
        };
        let mut target = Self {
            places: said.places()?,
            user,
            database,
            tls,
            roots,
            timeout: said.timeout()?,
            options: said.of("options", "PGOPTIONS").map(str::to_owned),
            application: said
                .of("application_name", "PGAPPNAME")
                .or(said.url.get("fallback_application_name"))
                .unwrap_or("klaviyo-export")
                .to_owned(),
            session: said.session()?,
            loopback_only: environment.loopback_only(),
        };
        target.find_passwords(settings, &said)?;
        Ok(target)
    }

    fn find_passwords(
        &mut self,
        settings: &PostgresSettings,
        said: &PgOptions<'_>,
    ) -> Result<(), PostgresError> {
        let one = match &settings.password_env {
            Some(variable) => Some(Secret::of_variable(said.environment, variable).ok_or_else(
                || PostgresError::NoVariable {
                    variable: variable.clone(),
                },
            )?),
            None => Secret::of_variable(said.environment, "PGPASSWORD"),
        };
        let file = said.of("passfile", "PGPASSFILE").map(PathBuf::from);
        let file = file.or_else(|| said.environment.home().map(|home| home.join(".pgpass")));
        for place in &mut self.places {
            place.password.clone_from(&one);
            if let (None, Some(file)) = (&one, &file) {
                let is_default = SOCKET_DIRECTORIES[0] == place.host;
                let entry = PgLogin {
                    host: if is_default { "localhost" } else { &place.host },
                    port: place.port,
                    database: &self.database,
                    user: &self.user,
                };
                place.password = pass_file::find(file, &entry)?;
            }
        }
        Ok(())
    }
}

/// The settings of URL and variables.
struct PgOptions<'a> {
    url: Url,
    environment: &'a Environment,
}

impl PgOptions<'_> {
    fn of(&self, name: &str, variable: &str) -> Option<&str> {
        self.url
            .get(name)
            .or_else(|| self.environment.get(variable))
    }

    fn places(&self) -> Result<Vec<PgHost>, PostgresError> {
        let list = |name, variable| -> Vec<&str> {
            let text = self.of(name, variable);
            text.map_or_else(Vec::new, |text| text.split(',').map(str::trim).collect())
        };
        if self.url.get("host").is_none() && self.environment.get("PGSERVICE").is_some() {
            return Err(wrong(
                "PGSERVICE",
                "is set, and service files are not read here; name the host in postgres or in PGHOST",
            ));
        }
        let hosts = list("host", "PGHOST");
        let addresses = list("hostaddr", "PGHOSTADDR");
        let ports = list("port", "PGPORT");
        let count = hosts.len().max(addresses.len()).max(1);
        if !(hosts.is_empty() || addresses.is_empty() || hosts.len() == addresses.len()) {
            return Err(wrong(
                "PGHOSTADDR",
                "does not name as many servers as PGHOST",
            ));
        }
        if ports.len() > 1 && ports.len() != count {
            return Err(wrong(
                "PGPORT",
                "does not name as many ports as there are hosts",
            ));
        }
        let place = |index: usize| {
            let text = ports.get(index).or(ports.first()).copied().unwrap_or("");
            let port = match text {
                "" => DEFAULT_PORT,
                text => text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
                    wrong(
                        "PGPORT",
                        "(or the port in postgres) must be a number from 1 to 65535",
                    )
                })?,
            };
            let address = match addresses.get(index).copied().unwrap_or("") {
                "" => None,
                text => Some(text.parse().map_err(|_| {
                    wrong(
                        "PGHOSTADDR",
                        "(or hostaddr in postgres) must be an IP address",
                    )
                })?),
            };
            let host = match (hosts.get(index).copied().unwrap_or(""), address) {
                ("", Some(address)) => IpAddr::to_string(&address),
                ("", None) => default_host(port),
                (host, _) => host.to_owned(),
            };
            Ok(PgHost {
                host,
                address,
                port,
                password: None,
            })
        };
        (0..count).map(place).collect()
    }

    fn tls_mode(&self) -> Result<TlsMode, PostgresError> {
        Ok(match self.of("sslmode", "PGSSLMODE").unwrap_or("prefer") {
            "disable" => TlsMode::Disable,
            "allow" => TlsMode::Allow,
            "prefer" => TlsMode::Prefer,
            "require" => TlsMode::Require,
            "verify-ca" => TlsMode::VerifyCa,
            "verify-full" => TlsMode::VerifyFull,
            _ => {
                return Err(wrong(
                    "PGSSLMODE",
                    "(or sslmode in postgres) must be disable, allow, prefer, require, verify-ca or verify-full",
                ));
            }
        })
    }

    fn roots(&self) -> Roots {
        match self.of("sslrootcert", "PGSSLROOTCERT") {
            Some("system") => Roots::System,
            Some(path) => Roots::File(self.environment.expand(path)),
            None => {
                let home = self.environment.home();
                let usual = home.map(|home| home.join(".postgresql/root.crt"));
                usual
                    .filter(|path| path.exists())
                    .map_or(Roots::None, Roots::File)
            }
        }
    }

    fn timeout(&self) -> Result<Duration, PostgresError> {
        match self.of("connect_timeout", "PGCONNECT_TIMEOUT") {
            None | Some("0") => Ok(CONNECT_TIMEOUT),
            // libpq takes 1 for 2 as well.
            Some(text) => text
                .parse()
                .map(|seconds: u32| Duration::from_secs(u64::from(seconds.max(2))))
                .map_err(|_| {
                    wrong(
                        "PGCONNECT_TIMEOUT",
                        "(or connect_timeout in postgres) must be a number of seconds",
                    )
                }),
        }
    }

    fn session(&self) -> Result<TargetSessionAttrs, PostgresError> {
        match self.of("target_session_attrs", "PGTARGETSESSIONATTRS") {
            None | Some("any") => Ok(TargetSessionAttrs::Any),
            Some("read-write") => Ok(TargetSessionAttrs::ReadWrite),
            Some("read-only") => Ok(TargetSessionAttrs::ReadOnly),
            Some(_) => Err(wrong(
                "PGTARGETSESSIONATTRS",
                "(or target_session_attrs in postgres) must be any, read-write or read-only",
            )),
        }
    }
}

fn wrong(variable: &'static str, problem: &'static str) -> PostgresError {
    PostgresError::Variable { variable, problem }
}

/// The first folder that has this port's socket, else this machine by its name.
fn default_host(port: u16) -> String {
    let mut folders = SOCKET_DIRECTORIES.into_iter();
    let has_socket = |folder: &&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    folders.find(has_socket).unwrap_or("localhost").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, environment: &Environment) -> PgTarget {
        let settings = PostgresSettings {
            url: url.to_owned(),
            ..PostgresSettings::default()
        };
        PgTarget::new(&settings, environment).unwrap()
    }

    #[test]
    fn the_url_wins_over_the_variables() {
        let environment = Environment::from_pairs([
            ("HOME", "/nowhere"),
            ("PGHOST", "a,b"),
            ("PGPORT", "1,2"),
            ("PGUSER", "ana"),
            ("PGPASSWORD", "geheim"),
            ("PGSSLMODE", "require"),
        ]);
        let by_variables = target("", &environment);
        let servers: Vec<String> = by_variables.places.iter().map(PgHost::server).collect();
        assert_eq!(servers, ["a:1", "b:2"]);
        assert_eq!(
            (&*by_variables.database, by_variables.tls),
            ("ana", TlsMode::Require)
        );
        assert!(by_variables.places[0].password.is_some());
        assert!(!format!("{by_variables:?}").contains("geheim"));

        let by_url = target("postgresql://bob@c:3/shop?sslmode=disable", &environment);
        assert_eq!(by_url.places[0].server(), "c:3");
        assert_eq!(
            (&*by_url.user, &*by_url.database, by_url.tls),
            ("bob", "shop", TlsMode::Disable)
        );
    }

    #[test]
    fn a_root_certificate_makes_require_look_at_it() {
        let environment = Environment::from_pairs([("HOME", "/nowhere"), ("PGUSER", "ana")]);
        let mode = |url| target(url, &environment).tls;
        assert_eq!(mode("postgresql://a/b"), TlsMode::Prefer);
        assert_eq!(
            mode("postgresql://a/b?sslmode=require&sslrootcert=c"),
            TlsMode::VerifyCa
        );
        assert_eq!(
            mode("postgresql://a/b?sslmode=require&sslrootcert=system"),
            TlsMode::VerifyFull
        );
    }
}
