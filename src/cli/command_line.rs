//! The command as it was typed, to be said again with a change: what a message tells to type next.
//!
//! Only words of the command line itself are in it, and none of them is a secret: passwords are refused there.

use std::path::Path;

/// The name that the program is called by, whatever its path.
const PROGRAM: &str = "klaviyo-export";

/// The words after the program's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    words: Vec<String>,
}

impl CommandLine {
    /// The command line of this process.
    pub fn of_process() -> Self {
        let words = std::env::args_os().skip(1);
        Self {
            words: words
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
        }
    }

    /// A command made of its words, the program's name aside.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            words: words.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Another command for the job file `job`, with the state directory that this one names; one that an environment
    /// variable names is known to the next command too.
    #[must_use]
    pub fn of_job(&self, command: &str, job: &Path, state_directory: Option<&Path>) -> Self {
        let line = Self::new([command, &*job.to_string_lossy()]);
        match state_directory {
            Some(directory) if self.has("--state-dir") => {
                line.with(["--state-dir", &*directory.to_string_lossy()])
            }
            _ => line,
        }
    }

    /// Whether this is the command.
    pub fn is(&self, command: &str) -> bool {
        self.words
            .iter()
            .find(|word| !word.starts_with('-'))
            .is_some_and(|word| word == command)
    }

    /// Whether a job file is one of its words.
    pub fn names_job(&self) -> bool {
        self.words
            .iter()
            .any(|word| word.to_ascii_lowercase().ends_with(".toml"))
    }

    /// Whether this flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.words.iter().any(|word| names(word, flag))
    }

    /// With more words at its end.
    #[must_use]
    pub fn with<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.words.extend(words.into_iter().map(str::to_owned));
        self
    }

    /// With a flag and its value in place of one that it may have.
    #[must_use]
    pub fn with_value(self, flag: &str, value: &str) -> Self {
        self.without_value(flag).with([flag, value])
    }

    /// Without a flag that takes no value.
    #[must_use]
    pub fn without(mut self, flag: &str) -> Self {
        self.words.retain(|word| word != flag);
        self
    }

    /// Without a flag and its value.
    #[must_use]
    pub fn without_value(mut self, flag: &str) -> Self {
        let mut is_value = false;
        self.words.retain(|word| {
            if std::mem::take(&mut is_value) {
                return false;
            }
            is_value = word == flag;
            !names(word, flag)
        });
        self
    }

    /// With a server to be filled in, where none is named.
    #[must_use]
    pub fn with_server(self) -> Self {
        if self.has("--to") {
            return self;
        }
        self.with([
            "--to",
            "sftp://USER@sftp.klaviyo.com/profiles",
            "--identity",
            "~/.ssh/klaviyo_ed25519",
        ])
    }

    /// Another command in place of its own, with the same arguments.
    #[must_use]
    pub fn command(mut self, name: &str) -> Self {
        if let Some(word) = self.words.iter_mut().find(|word| !word.starts_with('-')) {
            name.clone_into(word);
        }
        self
    }
}

/// Whether `word` is `flag` or `flag=value`.
fn names(word: &str, flag: &str) -> bool {
    word.strip_prefix(flag)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

/// As it is typed into a shell.
impl std::fmt::Display for CommandLine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(PROGRAM)?;
        for word in &self.words {
            write!(out, " {}", quoted(word))?;
        }
        Ok(())
    }
}

/// A word as a shell wants it.
pub fn quoted(word: &str) -> String {
    // `~/` is left to the shell, and the program knows it too.
    if let Some(rest) = word.strip_prefix("~/")
        && shlex::try_quote(rest).is_ok_and(|quoted| quoted == rest)
    {
        return word.to_owned();
    }
    // Only a NUL cannot be quoted, and no word of a command line holds one.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_said_again_with_a_change() {
        let line = CommandLine::new([
            "-v",
            "preview",
            "My customers.csv",
            "--rows",
            "3",
            "--limit=5",
        ]);
        assert_eq!(
            line.clone()
                .command("send")
                .without_value("--rows")
                .without_value("--limit")
                .with_value("--delimiter", ";")
                .with(["--identity", "~/.ssh/key"])
                .to_string(),
            "klaviyo-export -v send 'My customers.csv' --delimiter ';' --identity ~/.ssh/key"
        );
        assert!(line.has("--limit") && !line.has("--lim"));
        assert_eq!(
            line.with_value("--rows", "4").to_string(),
            "klaviyo-export -v preview 'My customers.csv' '--limit=5' --rows 4"
        );
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, quoted) in [
            ("a.csv", "a.csv"),
            ("sftp://a@b:1/c", "sftp://a@b:1/c"),
            ("", "''"),
            ("it's", "\"it's\""),
            ("Größe=Size", "'Größe=Size'"),
            ("~/my key", "'~/my key'"),
        ] {
            assert_eq!(super::quoted(word), quoted);
        }
    }
}
