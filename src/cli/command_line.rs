//! The command as it was typed, to be said again with a change: what a message tells to type next.
//!
//! Only words of the command line itself are in it, and none of them is a secret: passwords are refused there. A state
//! directory that a variable names is said as a flag: whoever types the line may not have the variable, and would begin
//! anew in another place.

use std::path::Path;

use crate::base::environment::{Environment, STATE_VARIABLE};

/// The flag that names the state directory.
const STATE_FLAG: &str = "--state-dir";

/// The flag that gives a key of the job file.
const SET_FLAG: &str = "--set";

/// The flag that maps a column of the file.
const MAP_FLAG: &str = "--map";

/// The name that the program is called by, whatever its path.
pub const PROGRAM: &str = "klaviyo-export";

/// The commands that read or write state.
const WITH_STATE: [&str; 9] = [
    "check", "doctor", "estimate", "list", "run", "runs", "send", "status", "undo",
];

/// A program and its words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    words: Vec<String>,
    /// The state directory that a variable names.
    state_directory: Option<String>,
    /// Another program than this one.
    program: Option<&'static str>,
}

impl CommandLine {
    /// The command line of this process, whose variables are `environment`.
    pub fn of_process(environment: &Environment) -> Self {
        let words = std::env::args_os().skip(1);
        Self {
            words: words
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            state_directory: environment.get(STATE_VARIABLE).map(str::to_owned),
            program: None,
        }
    }

    /// The command line of another program.
    pub fn of_program<'a>(program: &'static str, words: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            program: Some(program),
            ..Self::new(words)
        }
    }

    /// A command made of its words, the program's name aside.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            words: words.into_iter().map(str::to_owned).collect(),
            ..Self::default()
        }
    }

    /// Another command for the job file `job`, with the same state directory and the same keys.
    #[must_use]
    pub fn of_job(&self, command: &str, job: &Path, state_directory: Option<&Path>) -> Self {
        let line = Self {
            state_directory: self.state_directory.clone(),
            ..Self::new([command, &*job.to_string_lossy()])
        };
        let settings = self.values_of(SET_FLAG);
        let line = settings.fold(line, |line, value| line.with([SET_FLAG, value]));
        match state_directory {
            Some(directory) if self.has(STATE_FLAG) => {
                line.with_value(STATE_FLAG, &directory.to_string_lossy())
            }
            _ => line,
        }
    }

    /// Whether this is the command.
    pub fn is(&self, command: &str) -> bool {
        self.place()
            .is_some_and(|place| self.words[place] == command)
    }

    /// Where the command is among the words.
    fn place(&self) -> Option<usize> {
        let is_value = |place: usize| place > 0 && self.words[place - 1] == "--log-format";
        (0..self.words.len())
            .find(|place| !self.words[*place].starts_with('-') && !is_value(*place))
    }

    fn takes_state(&self) -> bool {
        self.program.is_none() && WITH_STATE.iter().any(|command| self.is(command))
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

    /// The values of a flag that may be given several times.
    fn values_of<'a>(&'a self, flag: &'a str) -> impl Iterator<Item = &'a str> {
        self.words
            .iter()
            .enumerate()
            .filter_map(move |(place, word)| match word.strip_prefix(flag)? {
                "" => self.words.get(place + 1).map(String::as_str),
                rest => rest.strip_prefix('='),
            })
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

    /// With `--map COLUMN=HEADER` in place of those of the same column.
    #[must_use]
    pub fn with_map(mut self, column: &str, header: &str) -> Self {
        let is_of_column = |map: &str| {
            map.strip_prefix(column)
                .is_some_and(|rest| rest.starts_with('='))
        };
        let mut kept: Vec<String> = Vec::with_capacity(self.words.len());
        for word in self.words {
            let is_value = kept.last().is_some_and(|before| before == MAP_FLAG);
            if is_value && is_of_column(&word) {
                kept.pop();
                continue;
            }
            let value = word
                .strip_prefix(MAP_FLAG)
                .and_then(|rest| rest.strip_prefix('='));
            if !value.is_some_and(is_of_column) {
                kept.push(word);
            }
        }
        self.words = kept;
        self.with([MAP_FLAG, &format!("{column}={header}")])
    }

    /// With `other` in place of the argument `word`. `None` where that is not one of the words, or where two are equal: one of
    /// them may be the value of a flag.
    pub fn with_argument(mut self, word: &str, other: &str) -> Option<Self> {
        let arguments = self.place().map_or(0, |command| command + 1);
        let mut found = self
            .words
            .iter_mut()
            .skip(arguments)
            .filter(|it| *it == word);
        let (Some(argument), None) = (found.next(), found.next()) else {
            return None;
        };
        other.clone_into(argument);
        Some(self)
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
        if let Some(place) = self.place() {
            name.clone_into(&mut self.words[place]);
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
        out.write_str(self.program.unwrap_or(PROGRAM))?;
        for word in &self.words {
            write!(out, " {}", quoted(word))?;
        }
        match &self.state_directory {
            Some(directory) if self.takes_state() && !self.has(STATE_FLAG) => {
                write!(out, " {STATE_FLAG} {}", quoted(directory))
            }
            _ => Ok(()),
        }
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
        let json = CommandLine::new(["--log-format", "json", "run", "vip.toml"]);
        assert!(json.is("run") && !json.is("json"));
        assert_eq!(
            json.command("status").to_string(),
            "klaviyo-export --log-format json status vip.toml"
        );
        assert_eq!(
            line.with_value("--rows", "4").to_string(),
            "klaviyo-export -v preview 'My customers.csv' '--limit=5' --rows 4"
        );
    }

    #[test]
    fn an_argument_is_said_otherwise_where_it_is_the_only_one_of_its_kind() {
        for (words, said) in [
            (&["check", "vip"][..], Some("check vip.toml")),
            (&["vip", "-q", "vip"], Some("vip -q vip.toml")),
            (&["list", "--run-group", "vip", "vip"], None),
            (&["run", "other"], None),
        ] {
            let line = CommandLine::new(words.iter().copied()).with_argument("vip", "vip.toml");
            let said = said.map(|said| format!("klaviyo-export {said}"));
            assert_eq!(line.map(|line| line.to_string()), said, "{words:?}");
        }
    }

    #[test]
    fn the_state_directory_of_a_variable_is_said_to_those_that_do_not_have_it() {
        let line = CommandLine {
            state_directory: Some("/var/lib/my state".to_owned()),
            ..CommandLine::new(["run", "vip.toml"])
        };
        for (next, text) in [
            (
                line.clone(),
                "klaviyo-export run vip.toml --state-dir '/var/lib/my state'",
            ),
            (
                line.clone().with_value("--state-dir", "s"),
                "klaviyo-export run vip.toml --state-dir s",
            ),
            (
                line.of_job("status", Path::new("a.toml"), None),
                "klaviyo-export status a.toml --state-dir '/var/lib/my state'",
            ),
            (line.command("preview"), "klaviyo-export preview vip.toml"),
            (
                CommandLine::of_program("systemctl", ["start", "a"]),
                "systemctl start a",
            ),
        ] {
            assert_eq!(next.to_string(), text);
        }
    }

    #[test]
    fn keys_of_the_job_file_are_said_again() {
        let line = CommandLine::new([
            "status",
            "a.toml",
            "--set",
            "list.name=My list",
            "--set=sftp.port=22",
        ]);
        assert_eq!(
            line.of_job("run", Path::new("a.toml"), None).to_string(),
            "klaviyo-export run a.toml --set 'list.name=My list' --set 'sftp.port=22'"
        );
    }

    #[test]
    fn the_flag_of_a_column_takes_the_place_of_an_earlier_one() {
        let line = CommandLine::new([
            "send",
            "a.csv",
            "--map",
            "tier=A",
            "--map=tier=B",
            "--map",
            "tier2=C",
            "--map",
            "tier=D",
            "--json",
        ]);
        assert_eq!(
            line.with_map("tier", "").to_string(),
            "klaviyo-export send a.csv --map 'tier2=C' --json --map 'tier='"
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
