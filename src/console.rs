//! Where the program writes: results to stdout, everything else to stderr.
//!
//! Log lines and notes step around a progress bar, so that neither tears the other.

use std::io::{IsTerminal, Write};

use indicatif::MultiProgress;

/// The two streams of a program, and the bars that stderr may hold.
#[derive(Debug, Clone, Default)]
pub struct Console {
    bars: MultiProgress,
}

impl Console {
    /// The streams of this process.
    pub fn new() -> Self {
        Self::default()
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

    /// Writes a line for the person who watches.
    pub fn note(&self, text: &str) {
        self.bars.suspend(|| {
            let mut stderr = std::io::stderr().lock();
            let _ = writeln!(stderr, "{text}");
        });
    }

    /// Whether a person watches.
    pub fn is_watched(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Where progress bars are drawn.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }
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
