//! Where the program writes: results to stdout, everything else to stderr.
//!
//! Log lines and notes step around a progress bar, so that neither tears the other. Under `-q` there are no notes.

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use indicatif::MultiProgress;

/// The width that fits a usual terminal, and a mail.
pub const COLUMNS: usize = 80;

/// The two streams of a program, and the bars that stderr may hold.
#[derive(Debug, Clone, Default)]
pub struct Console {
    bars: MultiProgress,
    quiet: bool,
    logs_json: bool,
}

impl Console {
    /// The streams of this process; `quiet` leaves out notes and bars.
    pub fn new(quiet: bool) -> Self {
        Self {
            quiet,
            ..Self::default()
        }
    }

    /// The same streams, but notes and errors are log events too, so that a collector of logs can read all of stderr.
    #[must_use]
    pub fn as_log_events(self) -> Self {
        Self {
            logs_json: true,
            ..self
        }
    }

    /// Writes the result. A reader that went away is no error.
    pub fn result(&self, text: &str) {
        self.bars.suspend(|| {
            let mut stdout = std::io::stdout().lock();
            let _ = stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush());
        });
    }

    /// Writes the result with its colours, which go to a terminal only, and as NO_COLOR, CLICOLOR_FORCE and TERM say.
    pub fn coloured_result(&self, text: &str) {
        self.bars.suspend(|| {
            let mut stdout = anstream::stdout().lock();
            let _ = stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush());
        });
    }

    /// Writes a line for the person who watches, unless it is to be quiet.
    pub fn note(&self, text: &str) {
        match (self.quiet, self.logs_json) {
            (true, _) => {}
            (false, true) if text.trim().is_empty() => {}
            (false, true) => tracing::info!("{}", text.trim()),
            (false, false) => self.line(text),
        }
    }

    /// Writes an error, what may help and the command to type next, which are never left out.
    pub fn complain(&self, error: &str, hint: Option<&str>, next: Option<&str>, exit_code: u8) {
        if self.logs_json {
            tracing::error!(exit_code, hint, next, "{error}");
            return;
        }
        let red = AnsiColor::Red.on_default().bold();
        let cyan = AnsiColor::Cyan.on_default();
        let green = AnsiColor::Green.on_default();
        self.labelled("error:", red, error);
        if let Some(hint) = hint {
            self.labelled("hint:", cyan, hint);
        }
        if let Some(next) = next {
            self.labelled("next:", green, next);
        }
    }

    /// Writes a line with a coloured label to stderr; colours go to a terminal only, and as NO_COLOR, CLICOLOR_FORCE and
    /// TERM say.
    fn labelled(&self, label: &str, style: Style, text: &str) {
        self.bars.suspend(|| {
            let mut stderr = anstream::stderr().lock();
            let _ = writeln!(stderr, "{style}{label}{style:#} {text}");
        });
    }

    /// Writes a line to stderr, as it is.
    pub fn line(&self, text: &str) {
        self.bars.suspend(|| {
            let mut stderr = std::io::stderr().lock();
            let _ = writeln!(stderr, "{text}");
        });
    }

    /// Whether nothing but results, warnings and errors is wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a person watches.
    pub fn is_watched(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Whether there is a person who could answer a question.
    pub fn has_person(&self) -> bool {
        self.is_watched() || std::io::stdin().is_terminal()
    }

    /// Whether log lines have colours: on a terminal, and as NO_COLOR, CLICOLOR_FORCE and TERM say.
    pub fn logs_in_colour(&self) -> bool {
        let choice = anstream::AutoStream::choice(&std::io::stderr());
        choice != anstream::ColorChoice::Never
    }

    /// Whether the result goes to a person, and not into a file or another program.
    pub fn is_result_watched(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// How many columns the result may take: those of the terminal, else [`COLUMNS`].
    pub fn columns(&self) -> usize {
        terminal_size::terminal_size_of(std::io::stdout())
            .map_or(COLUMNS, |(width, _)| usize::from(width.0).max(40))
    }

    /// How many columns a bar may take.
    pub fn bar_columns(&self) -> usize {
        terminal_size::terminal_size_of(std::io::stderr())
            .map_or(COLUMNS, |(width, _)| usize::from(width.0))
    }

    /// Where progress bars are drawn.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }
}

/// A text of others (a header, a file's name) as a line may show it: control characters are escaped, so that it stays one
/// line and tells a terminal nothing, and so are the marks that turn the direction of what follows.
pub fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains(is_unprintable) {
        let mut shown = String::new();
        for character in text.chars() {
            if is_unprintable(character) {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        shown.into()
    } else {
        text.into()
    }
}

/// Whether a character would tell a terminal something, break a line, or turn the direction of what follows.
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A writer of log lines.
pub struct LogLine(MultiProgress);

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.suspend(|| std::io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Console {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine(self.bars.clone())
    }
}
