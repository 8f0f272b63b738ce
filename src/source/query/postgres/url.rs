//! `postgresql://[user@]host[:port][,…]/database[?parameter=value&…]`, as libpq reads it, without a password.

use percent_encoding::percent_decode_str;

/// The parameters that a URL may have after the `?`.
const PARAMETERS: [&str; 13] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "host",
    "hostaddr",
    "options",
    "passfile",
    "port",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

/// The settings in a URL, by libpq's names; the `PG*` variables give the others.
#[derive(Clone, Default)]
pub(super) struct Url(Vec<(&'static str, String)>);

impl Url {
    /// Reads a URL, or nothing. The error is in words and has no value of it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut url = Self::default();
        if text.is_empty() {
            return Ok(url);
        }
        let Some(rest) = ["postgresql://", "postgres://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
        else {
            return Err(
                "must begin with postgresql:// or be empty, and PG* variables say where it is"
                    .to_owned(),
            );
        };
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts = match authority.rsplit_once('@') {
            Some((user, hosts)) => {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                if !password.is_empty() {
                    return Err(password_refused());
                }
                url.set("user", user)?;
                hosts
            }
            None => authority,
        };
        url.set_hosts(hosts)?;
        url.set("dbname", database)?;
        for parameter in parameters.split('&').filter(|it| !it.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if matches!(name, "password" | "sslpassword") {
                return Err(password_refused());
            }
            let known = PARAMETERS.into_iter().find(|known| *known == name);
            let name = known.ok_or_else(|| {
                format!(
                    "has a parameter that is not known here; known are {}",
                    PARAMETERS.join(", ")
                )
            })?;
            url.set(name, value)?;
        }
        Ok(url)
    }

    /// Its value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut said = self.0.iter().rev();
        said.find(|(said, _)| *said == name)
            .map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), String> {
        if value.is_empty() {
            return Ok(());
        }
        let value = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| "is not UTF-8 where % stands for a byte".to_owned())?;
        if value.contains('\0') {
            return Err("has a NUL in it".to_owned());
        }
        self.0.push((name, value.into_owned()));
        Ok(())
    }

    fn set_hosts(&mut self, text: &str) -> Result<(), String> {
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for place in text.split(',') {
            let (host, port) = match place.strip_prefix('[').and_then(|it| it.split_once(']')) {
                Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
                None => place.split_once(':').unwrap_or((place, "")),
            };
            hosts.push(host);
            ports.push(port);
        }
        if hosts.iter().any(|host| !host.is_empty()) {
            self.set("host", &hosts.join(","))?;
        }
        if ports.iter().any(|port| !port.is_empty()) {
            self.set("port", &ports.join(","))?;
        }
        Ok(())
    }
}

fn password_refused() -> String {
    "has a password in it, which everybody who reads the job could use; write it into ~/.pgpass (chmod 600), or name a variable with password-env".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_url() {
        let url = Url::parse(
            "postgresql://ana%40x@db.example:5433,[::1]/shop?sslmode=verify-full&options=-c%20a%3Db",
        )
        .unwrap();
        for (name, value) in [
            ("user", "ana@x"),
            ("host", "db.example,::1"),
            ("port", "5433,"),
            ("dbname", "shop"),
            ("sslmode", "verify-full"),
            ("options", "-c a=b"),
        ] {
            assert_eq!(url.get(name), Some(value), "{name}");
        }
        let url = Url::parse("postgres://%2Frun%2Fpg/shop").unwrap();
        assert_eq!(url.get("host"), Some("/run/pg"));
        assert_eq!(url.get("port"), None);
        let url = Url::parse("postgresql:///shop?host=/run/pg").unwrap();
        assert_eq!(url.get("host"), Some("/run/pg"));
        assert_eq!(Url::parse("").unwrap().get("dbname"), None);
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for url in [
            "postgresql://ana:s3cret@db/shop",
            "postgresql://db/shop?password=s3cret",
            "postgresql://db/shop?s3cret=1",
            "host=db password=s3cret",
        ] {
            let problem = Url::parse(url).err().unwrap();
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }
}
