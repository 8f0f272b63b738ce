//! The program's surroundings as a value: environment variables and the places that follow from them.
//!
//! Read once in `main` and passed down, so that a test can give its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The variable that names the folder of state.
pub const STATE_VARIABLE: &str = "KLAVIYO_EXPORT_STATE_DIR";

/// The environment variables that the program was started with.
#[derive(Debug, Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// The variables of this process; those that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// A made-up environment.
    pub fn from_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    /// A variable's value, if it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The variables whose names begin with `prefix`, with their values, in no order.
    pub fn beginning_with(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many times as fast as a clock the windows of an API on loopback pass, by `KLAVIYO_EXPORT_API_SPEED`: a sandbox's
    /// clock may run fast, so that a test does not wait for minutes.
    pub fn api_speed(&self) -> u32 {
        let speed = self.get("KLAVIYO_EXPORT_API_SPEED");
        speed.and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
    }

    /// The home directory, by `HOME` or else by the user database.
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME")
            .map(PathBuf::from)
            .or_else(|| etcetera::home_dir().ok())
            .filter(|home| home.is_absolute())
    }

    /// `path` with a leading `~/` replaced by the home directory.
    pub fn expand(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), self.home()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        }
    }

    /// Where state lives when neither the command line nor the job names a place: `$KLAVIYO_EXPORT_STATE_DIR`,
    /// else `from_job` as seen from `base`, else `$XDG_STATE_HOME/klaviyo-export`, else `~/.local/state/klaviyo-export`.
    /// `None` where there is no home: personal data must not land in whatever folder the program was started in.
    pub fn state_directory(&self, from_job: Option<&str>, base: &Path) -> Option<PathBuf> {
        if let Some(directory) = self.get(STATE_VARIABLE) {
            return Some(PathBuf::from(directory));
        }
        if let Some(directory) = from_job {
            return Some(base.join(self.expand(directory)));
        }
        let base = self.get("XDG_STATE_HOME").map(PathBuf::from);
        base.filter(|base| base.is_absolute())
            .or_else(|| self.home().map(|home| home.join(".local/state")))
            .map(|base| base.join("klaviyo-export"))
    }

    /// True under `KLAVIYO_EXPORT_LOOPBACK_ONLY=1`: the dialer then refuses every address but this machine's own.
    pub fn loopback_only(&self) -> bool {
        self.get("KLAVIYO_EXPORT_LOOPBACK_ONLY")
            .is_some_and(|value| value != "0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_goes_where_the_nearest_setting_says() {
        let base = Path::new("/jobs");
        let home = ("HOME", "/home/ana");
        let plain = Environment::from_pairs([home]);
        assert_eq!(
            plain.state_directory(None, base),
            Some(PathBuf::from("/home/ana/.local/state/klaviyo-export"))
        );
        assert_eq!(
            plain.state_directory(Some("~/s"), base),
            Some(PathBuf::from("/home/ana/s"))
        );
        assert_eq!(
            plain.state_directory(Some("s"), base),
            Some(PathBuf::from("/jobs/s"))
        );
        let xdg = Environment::from_pairs([home, ("XDG_STATE_HOME", "/var/x")]);
        assert_eq!(
            xdg.state_directory(None, base),
            Some(PathBuf::from("/var/x/klaviyo-export"))
        );
        let relative = Environment::from_pairs([home, ("XDG_STATE_HOME", "x")]);
        assert_eq!(
            relative.state_directory(None, base),
            Some(PathBuf::from("/home/ana/.local/state/klaviyo-export"))
        );
        let own = Environment::from_pairs([home, ("KLAVIYO_EXPORT_STATE_DIR", "/s")]);
        assert_eq!(
            own.state_directory(Some("/other"), base),
            Some(PathBuf::from("/s"))
        );
        let homeless = Environment::from_pairs([("HOME", "relative")]);
        assert_eq!(homeless.state_directory(None, base), None);
        assert_eq!(
            homeless.state_directory(Some("s"), base),
            Some(PathBuf::from("/jobs/s"))
        );
    }
}
