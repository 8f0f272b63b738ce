//! The advice of a preview: how columns came to be mapped or left out, what is doubtful, and the command to type next.

use std::collections::HashSet;

use crate::cli::command_line::{CommandLine, quoted};
use crate::command::guesses::Guesses;
use crate::command::preview::findings::{HeaderOrigin, PreviewLook, UnsentColumn};
use crate::job::Job;
use crate::job::file::{Duplicates, SharedIdentifiers, Unlisted};
use crate::pipeline::mapping::Mapping;
use crate::pipeline::mapping::guess::{Guess, Sample, UnmappedReason, guess};
use crate::profile::column::ProfileColumn;
use crate::run::report::count;
use crate::source::audience::{ColumnMatch, Source, numbered};
use crate::state::codes::RejectionReason;

/// Whether a column is a later one of several with one name and the same values.
fn is_same_as_first(source: &Source, address: &str) -> bool {
    source.places(address).is_empty()
        && numbered(address)
            .is_some_and(|(name, _)| matches!(source.addressed(name), ColumnMatch::FirstOf(..)))
}

/// The subject of advice.
pub(super) struct Advice<'a> {
    pub(super) job: &'a Job,
    pub(super) mapping: &'a Mapping,
    pub(super) sources: &'a [Source],
    pub(super) look: &'a PreviewLook<'a>,
    /// Whether it has seen every row.
    pub(super) is_whole: bool,
    /// A column of e-mail addresses, where no column is Email.
    pub(super) address_column: Option<&'a str>,
    /// Columns that a flag names; `None` of a job file.
    pub(super) by_flag: Option<&'a [String]>,
    /// Of files, the guesses for the columns of the first.
    pub(super) guesses: &'a Guesses,
}

impl Advice<'_> {
    /// The doubts.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = self.mapping.warnings.clone();
        notes.extend(crate::command::source_warnings(self.sources));
        notes.extend(self.phone_note());
        notes.extend(self.email_note());
        notes.extend(self.encoding_note());
        notes.extend(self.sources.iter().filter_map(Source::late_keys_warning));
        if self.fails_for_duplicates() {
            notes.push("duplicates = \"fail\": a run would send nothing".to_owned());
        }
        if self.fails_for_shared() {
            notes.push("shared-identifiers = \"fail\": a run would send nothing".to_owned());
        }
        notes.extend(self.rejections_note());
        notes
    }

    fn fails_for_duplicates(&self) -> bool {
        self.job.duplicates == Duplicates::Fail && self.look.duplicates() > 0
    }

    fn fails_for_shared(&self) -> bool {
        let fails = self.job.shared_identifiers == SharedIdentifiers::Fail;
        fails && self.look.shared_identifiers() > 0
    }

    /// More rejections than the job allows stop a run.
    fn rejections_note(&self) -> Option<String> {
        let limits = self.job.max_rejected;
        let (reason, percent) = self.look.too_many_rejected(limits, self.is_whole)?;
        Some(format!(
            "max-rejected: a run would send nothing; {percent:.1} % of the rows are rejected, most of them as {}, and [normalize] of a job file allows less than {} % and less than {}",
            reason.code(),
            limits.percent,
            count(limits.rows, "row")
        ))
    }

    /// The column that may tell the country of phone numbers which are not sent without.
    fn country_column(&self) -> Option<&str> {
        if self.look.national_phones() == 0 || self.job.columns.country.is_some() {
            return None;
        }
        let mut columns = self.mapping.columns.iter();
        let country = columns.find(|column| column.target == ProfileColumn::Country)?;
        Some(&country.source)
    }

    /// A country column that is not used is the usual reason for numbers without `+` that are not sent.
    fn phone_note(&self) -> Option<String> {
        let column = self.country_column()?;
        let numbers = count(self.look.national_phones(), "phone number");
        Some(format!(
            "the column `{column}` may tell the country of {numbers} without +: country-column = \"{column}\" (--country-column {})",
            quoted(column)
        ))
    }

    /// Addresses that are not sent are hardly meant.
    fn email_note(&self) -> Option<String> {
        let column = self.address_column?;
        Some(format!(
            "no column is Email, and `{column}` holds e-mail addresses: map it with --map {}",
            quoted(&format!("{column}=Email"))
        ))
    }

    /// A few bytes that are not UTF-8 are no proof of another encoding, but it is the usual reason.
    fn encoding_note(&self) -> Option<String> {
        let rejected = self.look.rejected(RejectionReason::InvalidEncoding);
        let mut sources = self.sources.iter();
        let is_told = sources.any(|source| source.encoding_hint.is_some());
        // A key that is refused for a query, and means nothing for Parquet, is no help.
        let takes_encoding = !self.job.audience.is_query()
            && self
                .sources
                .iter()
                .any(|source| !source.format.is_columnar());
        (rejected > 0 && !is_told && takes_encoding).then(|| {
            let rows = count(rejected, "row");
            format!("bytes of {rows} are not valid; if the file is windows-1252, write encoding = \"windows-1252\" under [audience], or --encoding windows-1252")
        })
    }

    /// How each column of the mapping came to its header.
    pub(super) fn origins(&self) -> Vec<HeaderOrigin> {
        let origin = |source: &String| {
            let is_listed = self.job.columns.lists(source);
            match self.by_flag {
                _ if !is_listed => HeaderOrigin::Kept,
                None => HeaderOrigin::Job,
                Some(named) if named.contains(source) => HeaderOrigin::Flag,
                Some(_) => HeaderOrigin::Guessed,
            }
        };
        let columns = self.mapping.columns.iter();
        columns.map(|column| origin(&column.source)).collect()
    }

    /// The columns that are not sent, each once, with the reason.
    pub(super) fn left_out(&self) -> Vec<UnsentColumn> {
        let mut left_out: Vec<UnsentColumn> = Vec::new();
        let mut known: HashSet<String> = HashSet::new();
        for source in self.sources {
            let addresses = source.addresses();
            let guesses = if addresses == self.guesses.header {
                self.guesses.fates.clone()
            } else {
                guess(&source.header, &Sample::default())
            };
            let columns = self.mapping.columns.iter();
            let sent: HashSet<usize> = columns
                .filter_map(|column| source.addressed(&column.source).place())
                .collect();
            for (place, (address, guess)) in addresses.iter().zip(guesses).enumerate() {
                if !sent.contains(&place) && known.insert(address.clone()) {
                    left_out.push(UnsentColumn {
                        source: address.clone(),
                        reason: self.reason(source, address, guess),
                    });
                }
            }
        }
        left_out
    }

    fn reason(&self, source: &Source, name: &String, guess: Guess) -> String {
        match (self.by_flag, guess) {
            (Some(named), _) if named.contains(name) => "left out by --map".to_owned(),
            _ if self.job.columns.unlisted == Unlisted::Keep && name.starts_with('_') => {
                "its name begins with _".to_owned()
            }
            _ if is_same_as_first(source, name) => {
                "the same name and values as the first".to_owned()
            }
            (Some(_), Guess::Unmapped(UnmappedReason::Taken { column, by })) => {
                let better = source.header.get(by).map_or("", String::as_str);
                format!("`{better}` is {}", column.header())
            }
            (Some(_), Guess::Unmapped(UnmappedReason::Tied { column, with })) => {
                let other = source.header.get(with).map_or("", String::as_str);
                format!("`{other}` may be {} as well", column.header())
            }
            (Some(_), Guess::Unmapped(reason)) => reason.to_string(),
            _ => "not in [columns]".to_owned(),
        }
    }

    /// The command to type next: the preview again where flags would mend something, else ten rows sent. None where a run would
    /// send nothing and only the source or a job file can change that.
    pub(super) fn next(&self, line: &CommandLine) -> Option<CommandLine> {
        let is_of_files = self.by_flag.is_some();
        let mut sources = self.sources.iter();
        let encoding = sources.find_map(|source| source.encoding_hint?.label());
        let map = self.address_column.map(|column| format!("{column}=Email"));
        let mended: Vec<[&str; 2]> = [
            ("--encoding", encoding),
            ("--country-column", self.country_column()),
            ("--map", map.as_deref()),
        ]
        .into_iter()
        .filter_map(|(flag, value)| Some([flag, value?]))
        .collect();
        if is_of_files && !mended.is_empty() {
            let own = match encoding {
                Some(_) => line.clone().without_value("--encoding"),
                None => line.clone(),
            };
            return Some(mended.into_iter().fold(own, CommandLine::with));
        }
        if self.fails_for_duplicates() || self.fails_for_shared() {
            // A look at what another rule would make of the rows.
            let plain = line.clone().without_value("--duplicates");
            return is_of_files.then(|| plain.without_value("--shared-identifiers"));
        }
        let is_stopped = self.rejections_note().is_some();
        if is_stopped || self.look.rows_to_send() == 0 {
            return None;
        }
        let own = line
            .clone()
            .without_value("--rows")
            .without("--show-values")
            .without("--json")
            .with_value("--limit", "10");
        Some(if is_of_files {
            own.command("send").with_server()
        } else {
            own.command("run")
        })
    }
}
