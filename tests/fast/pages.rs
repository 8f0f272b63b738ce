//! Completions that shells can load, and manual pages that `man` can show, made of the texts of `--help`.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use std::collections::BTreeMap;
use std::process::Command;

use clap::CommandFactory;
use klaviyo_export::base::exit_code::ExitCode;
use klaviyo_export::cli::Cli;
use workspace::Workspace;

fn commands() -> Vec<String> {
    let program = Cli::command();
    let names = program.get_subcommands().map(clap::Command::get_name);
    names.map(str::to_owned).collect()
}

#[test]
fn completions_know_every_command_in_every_shell() {
    let workspace = Workspace::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let outcome = workspace.run(&["completions", shell]).exits(0);
        assert_eq!(outcome.stderr, "");
        for command in commands() {
            assert!(outcome.stdout.contains(&command), "{shell}: {command}");
        }
        assert!(outcome.stdout.contains("accept-new-host-key"), "{shell}");
        workspace.write(shell, outcome.stdout);
    }
    // Where a shell is not installed, nobody can say.
    for shell in ["bash", "zsh", "fish"] {
        let script = workspace.path(shell);
        if let Ok(output) = Command::new(shell).arg("-n").arg(script).output() {
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{output:?}"
            );
        }
    }
    let completed = Command::new("bash")
        .arg("-c")
        .arg(
            "source ./bash; COMP_WORDS=(klaviyo-export ch); COMP_CWORD=1; \
             function=$(complete -p klaviyo-export | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
             $function klaviyo-export ch klaviyo-export; echo \"${COMPREPLY[@]}\"",
        )
        .current_dir(workspace.path(""))
        .output();
    if let Ok(output) = completed {
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "check\n",
            "{output:?}"
        );
    }
}

/// The sections of a page: heading and text.
fn sections(page: &str) -> BTreeMap<&str, &str> {
    let sections = page.split("\n.SH ").skip(1);
    sections
        .filter_map(|section| section.split_once('\n'))
        .collect()
}

#[test]
fn every_command_has_a_page_with_its_examples_and_the_exit_codes() {
    let workspace = Workspace::new();
    let outcome = workspace.run(&["man", "--directory", "pages"]).exits(0);
    assert!(outcome.stdout.is_empty() && outcome.stderr.contains("man -l pages/"));
    let main = std::fs::read_to_string(workspace.path("pages/klaviyo-export.1")).unwrap();
    assert_eq!(workspace.run(&["man"]).exits(0).stdout, main);
    let mut names = vec!["klaviyo-export".to_owned()];
    names.extend(
        commands()
            .iter()
            .map(|name| format!("klaviyo-export-{name}")),
    );
    assert_eq!(
        std::fs::read_dir(workspace.path("pages")).unwrap().count(),
        names.len()
    );
    for name in names {
        let path = workspace.path("pages").join(format!("{name}.1"));
        let page = std::fs::read_to_string(&path).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let title = format!(".TH {name} 1 \"\" \"klaviyo-export {version}\" \"User Commands\"\n");
        assert!(page.starts_with(&title), "{page}");
        let sections = sections(&page);
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"] {
            assert!(sections.contains_key(heading), "{name}: {heading}");
        }
        let examples = sections["EXAMPLES"].replace("\\-", "-");
        assert!(examples.lines().count() >= 3, "{name}: {examples}");
        if let Some(command) = name.strip_prefix("klaviyo-export-") {
            let help = workspace.run(&[command, "--help"]).stdout;
            let first = help
                .split("Examples:\n")
                .nth(1)
                .unwrap()
                .lines()
                .next()
                .unwrap();
            assert!(examples.contains(first), "{first}: {examples}");
        }
        let status = sections["\"EXIT STATUS\""].replace("\\-", "-");
        for code in ExitCode::ALL {
            let line = format!("\\fB{}\\fR\n{}\n", code.number(), code.meaning());
            assert!(status.contains(&line), "{name}: {line}: {status}");
        }
        // Where there is no man, nobody can say.
        let shown = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .arg(&path)
            .output();
        if let Ok(output) = shown {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{name}: {said}");
        }
    }
}
