//! `man`: manual pages, made of the same texts as `--help`.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::Surroundings;
use crate::base::exit_code::ExitCode;
use crate::cli::{Cli, ManArgs};
use crate::run::error::Error;
use crate::state::storage::storage;

/// The heading under which the help of a command shows how it is used.
const EXAMPLES: &str = "Examples:\n";

/// The main page; with a folder, every page is written into it and the answer is empty.
pub fn man(args: &ManArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let Some(directory) = &args.directory else {
        return page(&program, "klaviyo-export");
    };
    std::fs::create_dir_all(directory).map_err(storage(directory, "make it"))?;
    let mut pages = vec![("klaviyo-export".to_owned(), &program)];
    pages.extend(
        program
            .get_subcommands()
            .map(|command| (format!("klaviyo-export-{}", command.get_name()), command)),
    );
    for (name, command) in &pages {
        let path = directory.join(format!("{name}.1"));
        write(&path, &page(command, name)?)?;
    }
    surroundings.console.note(&format!(
        "{} pages are in {}; look at one: man -l {}",
        pages.len(),
        directory.display(),
        directory.join("klaviyo-export-run.1").display()
    ));
    Ok(String::new())
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    Ok(std::fs::write(path, text).map_err(storage(path, "write it"))?)
}

/// A page in roff. What follows the options in the help becomes sections of its own.
fn page(command: &Command, name: &str) -> Result<String, Error> {
    let page = Man::new(command.clone());
    // Without a date, which clap_mangen would leave out and so shift what follows.
    let version = env!("CARGO_PKG_VERSION");
    let title = format!(".TH {name} 1 \"\" \"klaviyo-export {version}\" \"User Commands\"\n");
    let mut text = title.into_bytes();
    let rendered = page
        .render_name_section(&mut text)
        .and_then(|()| page.render_synopsis_section(&mut text))
        .and_then(|()| page.render_description_section(&mut text))
        .and_then(|()| page.render_options_section(&mut text))
        .and_then(|()| {
            if command.has_subcommands() {
                page.render_subcommands_section(&mut text)
            } else {
                Ok(())
            }
        })
        .and_then(|()| examples(command).to_writer(&mut text))
        .and_then(|()| exit_status().to_writer(&mut text));
    match rendered {
        Ok(()) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(_) => Err(Error::Bug("a manual page cannot be made")),
    }
}

fn examples(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in example_lines(command) {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

/// The examples of a command; of the program the first one of each command.
fn example_lines(command: &Command) -> Vec<String> {
    let of = |command: &Command| -> Vec<String> {
        let help = command.get_after_help().map(ToString::to_string);
        let examples = help.as_deref().and_then(|help| help.split(EXAMPLES).nth(1));
        let lines = examples.unwrap_or_default().lines();
        lines.map(|line| line.trim_end().to_owned()).collect()
    };
    if command.has_subcommands() {
        let first = |command: &Command| of(command).into_iter().next();
        command.get_subcommands().filter_map(first).collect()
    } else {
        of(command)
    }
}

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for code in ExitCode::ALL {
        roff.control("TP", [])
            .text([bold(code.number().to_string())])
            .text([roman(code.meaning())]);
    }
    roff
}
