//! `init`: a job file for a file of rows, printed or written to a new file: how the rows are written is told from the file, its
//! columns from the header.

use std::io::{Cursor, Read};
use std::path::Path;

mod columns;
pub mod draft;
mod output;

use super::guesses::Guesses;
use super::{Surroundings, flags};
use crate::cli::InitArgs;
use crate::cli::command_line::{CommandLine, quoted};
use crate::cli::console::printable;
use crate::command::init::draft::{ColumnFate, DraftColumn, draft};
use crate::job::file::{Deliver, JobFile, Unlisted};
use crate::job::{Job, audience_files, audience_settings};
use crate::pipeline::mapping::Mapping;
use crate::pipeline::mapping::guess::UnmappedReason;
use crate::run::error::Error;
use crate::source::audience::{
    Audience, AudienceError, AudienceSettings, Dialect, LikelyEncoding, Source,
};
use crate::source::query::QueryColumn;

/// The number of bytes of standard input that are read: what an audience is told by (the header, and the look of the bytes below it).
const STDIN_BYTES: u64 = 1 << 20;

/// Each try tells one thing more of how a file is written: its format, its encoding, its delimiter, its escape.
const TRIES: usize = 5;

/// Makes a job file for the files of `args`, and tells what a person has to decide.
pub fn init(args: &InitArgs, surroundings: &Surroundings) -> Result<(), Error> {
    if let Some(path) = &args.output {
        output::refuse_existing(path)?;
    }
    let of_stdin = args.files == ["-"];
    let has_no_name = of_stdin || args.query.is_given();
    let name = args.name.as_deref().or(has_no_name.then_some("audience"));
    let mut file = flags::job_file(&args.files, name, &args.audience);
    file.audience.unlisted = Unlisted::Drop;
    file.sftp = flags::server(&args.server)?;
    file.list = flags::list(&args.api);
    file.klaviyo = flags::klaviyo(&args.api);
    let mut stdin = Vec::new();
    if of_stdin {
        std::io::stdin()
            .take(STDIN_BYTES)
            .read_to_end(&mut stdin)
            .map_err(|source| AudienceError::Open {
                name: "stdin".to_owned(),
                source,
            })?;
    }
    let mut found = Vec::new();
    let mut types = Vec::new();
    let mut audience = if args.query.is_given() {
        flags::query(&args.query, &mut file.audience)?;
        types = describe(&file, surroundings)?;
        Audience::described(&types)
    } else {
        open(&mut file, &stdin, &mut found)?
    };
    let all = Guesses::of(&mut audience);
    let doubled = all.columns(&args.audience.map)?;
    let guesses = all.without_doubles();
    let Some(source) = audience.sources().first() else {
        return Err(Error::Bug("an audience without a source"));
    };
    found.extend(note_dialect(&mut file, source));
    tell_encoding(&file, &found, source, surroundings);
    let mut maps = args.audience.map.clone();
    let addresses = columns::address_column(&guesses, &maps)?;
    maps.extend(addresses.iter().map(|column| format!("{column}=Email")));
    let mut columns = columns::decide(source, &guesses, args, &maps, &mut file)?;
    note_types(&mut columns, &types);
    if let Err(error) = flags::require_identifier(&file, &maps, &guesses, &audience) {
        return Err(columns::ambiguous_identifier(&doubled, source)
            .unwrap_or(error)
            .into());
    }
    let place = args.output.clone().or_else(output::redirected_to);
    let text = write_out(&mut file, &columns, &found, place.as_deref());
    try_out(&text, &audience, surroundings)?;
    match &args.output {
        Some(path) => {
            output::write_new(path, &text)?;
            let note = format!("note: wrote the job file {}", path.display());
            surroundings.console.note(&printable(&note));
        }
        None => surroundings.console.result(&text),
    }
    if let Some(column) = addresses {
        let column = printable(&column);
        let note = format!("note: `{column}` holds e-mail addresses and becomes Email");
        surroundings.console.note(&note);
    }
    for note in guesses.notes(&file.columns, &maps) {
        surroundings.console.note(&note);
    }
    tell(&columns, &file, surroundings);
    tell_next(&file.name, place.as_deref(), args, surroundings);
    Ok(())
}

/// The text of the job file at `place`.
fn write_out(
    file: &mut JobFile,
    columns: &[DraftColumn],
    found: &[&str],
    place: Option<&Path>,
) -> String {
    let name = format!("{}.toml", file.name);
    let place = place.unwrap_or(Path::new(&name));
    output::move_paths(file, place);
    draft(file, columns, found, &place.to_string_lossy())
}

/// The columns of the query's result.
fn describe(file: &JobFile, surroundings: &Surroundings) -> Result<Vec<QueryColumn>, Error> {
    match audience_settings(file, Path::new("")).map_err(flags::of_flag)? {
        AudienceSettings::Query(connection, query) => {
            let described = connection.describe(&query, surroundings.of_query());
            super::of_query(described, "query", surroundings)
        }
        // Flags of a query without a query are refused there.
        AudienceSettings::Files(_) => Err(Error::Bug("a query that is files")),
    }
}

fn note_types(columns: &mut [DraftColumn], types: &[QueryColumn]) {
    for column in columns {
        let found = types.iter().find(|found| found.name == column.source);
        column.type_name = found.map(|found| printable(&found.type_name).into_owned());
    }
}

/// Opens the audience as it says that it is written, and notes what that was.
fn open(
    file: &mut JobFile,
    stdin: &[u8],
    found: &mut Vec<&'static str>,
) -> Result<Audience, Error> {
    let mut tries = 0;
    loop {
        let files = audience_files(file, Path::new("")).map_err(flags::of_flag)?;
        let again = Box::new(Cursor::new(stdin.to_vec()));
        let error = match Audience::open(&files, again) {
            Ok(audience) => return Ok(audience),
            Err(error) => error,
        };
        tries += 1;
        match error.dialect() {
            Some(dialect) if tries < TRIES => found.extend(adopt(file, dialect)),
            _ => return Err(error.into()),
        }
    }
}

/// Writes down how the file looks; which keys that were.
fn adopt(file: &mut JobFile, dialect: Dialect) -> impl Iterator<Item = &'static str> {
    for (key, value) in dialect.settings() {
        if key == "header-row" {
            file.audience.header_row = value.parse().ok();
            continue;
        }
        let setting = match key {
            "format" => &mut file.audience.format,
            "delimiter" => &mut file.audience.delimiter,
            "escape" => &mut file.audience.escape,
            _ => &mut file.audience.encoding,
        };
        *setting = Some(value.replace("\\t", "\t"));
    }
    dialect.settings().map(|(key, _)| key)
}

/// Notes the encoding, where the file shows it by a byte order mark or only below its header.
fn note_dialect(file: &mut JobFile, source: &Source) -> Option<&'static str> {
    let found = source.encoding_hint.and_then(LikelyEncoding::label);
    let shown = Some(source.encoding)
        .filter(|encoding| *encoding != encoding_rs::UTF_8 && file.audience.encoding.is_none())
        .map(|encoding| encoding.name().to_ascii_lowercase());
    file.audience.encoding = Some(found.map(str::to_owned).or(shown)?);
    Some("encoding")
}

/// Says which encoding was found, or that it is one that is not read.
fn tell_encoding(
    file: &JobFile,
    found: &[&'static str],
    source: &Source,
    surroundings: &Surroundings,
) {
    let encoding = file.audience.encoding.as_deref();
    if let Some(encoding) = encoding.filter(|_| found.contains(&"encoding")) {
        surroundings.console.note(&format!(
            "note: the file looks like {encoding}{}; if it is not, write another encoding into the job file",
            source.encoding_sample()
        ));
    }
    if source.encoding_hint == Some(LikelyEncoding::Dos) {
        for warning in crate::command::source_warnings(std::slice::from_ref(source)) {
            surroundings.console.note(&format!("warning: {warning}"));
        }
    }
}

/// Reads the draft as `run` would, so that what is printed can be run.
fn try_out(text: &str, audience: &Audience, surroundings: &Surroundings) -> Result<(), Error> {
    let Ok(mut file) = JobFile::parse(text) else {
        return Err(Error::Bug("the job file that was made cannot be read"));
    };
    file.sftp.username = None;
    let job =
        Job::from_file(file, Path::new(""), &surroundings.environment).map_err(flags::of_flag)?;
    Mapping::new(&job.columns, audience.sources())?;
    Ok(())
}

/// Says what a person has to decide.
fn tell(columns: &[DraftColumn], file: &JobFile, surroundings: &Surroundings) {
    let console = &surroundings.console;
    for column in columns {
        let source = printable(&column.source);
        match &column.fate {
            ColumnFate::Unmapped(UnmappedReason::Consent) => {
                console.note(&format!(
                    "note: `{source}` looks like consent and is left out"
                ));
            }
            ColumnFate::Ambiguous => {
                console.note(&format!(
                    "note: `{source}` is one of several columns with this name and is not sent; to send it: --map {}",
                    printable(&quoted(&format!("{}=HEADER", column.source)))
                ));
            }
            _ => {}
        }
    }
    if file.sftp.username.is_none() && file.klaviyo.deliver == Deliver::Sftp {
        console.note("note: fill in username: Klaviyo shows it under Integrations, Manage sources, Import via SFTP");
    }
}

/// Says what to type next: a preview of the job file, or the same command into a file where nobody knows what becomes of the
/// output.
fn tell_next(job: &str, place: Option<&Path>, args: &InitArgs, surroundings: &Surroundings) {
    let line = if let Some(path) = place {
        CommandLine::new(["preview", &*path.to_string_lossy()])
    } else {
        let line = surroundings.command_line.clone();
        line.with(["-o", &output::free_name(job)])
    };
    let is_of_stdin = args.files.iter().any(|file| file == "-");
    let before = if is_of_stdin { "... | " } else { "" };
    let next = format!("next: {before}{line}");
    surroundings.console.note(&printable(&next));
}
