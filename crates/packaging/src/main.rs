//! `klaviyo-export-packaging`: writes the list of licences into the source of the program, and prints its bill of materials.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use klaviyo_export_packaging::linked::{Features, linked};
use klaviyo_export_packaging::{Error, licenses, sbom};

/// Makes what goes with the program klaviyo-export
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the licences of the crates that are linked, with the features `default` and `cloud`, into the source
    Licenses,
    /// Print the bill of materials as CycloneDX
    Sbom {
        /// Features of the build
        #[arg(long, value_delimiter = ',')]
        features: Vec<String>,
        /// The build is without the default features
        #[arg(long)]
        no_default_features: bool,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(text) => {
            let written = std::io::stdout().write_all(text.as_bytes());
            written.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(command: &Command) -> Result<String, Error> {
    let root = root();
    match command {
        Command::Licenses => {
            let features = Features::and(&licenses::FEATURES);
            let list = licenses::list(&root, &linked(&root, &features)?)?;
            let path = root.join(licenses::LIST);
            let bytes = licenses::compressed(&list)?;
            std::fs::write(&path, &bytes).map_err(|source| Error::File { path, source })?;
            Ok(format!("{}: {} bytes\n", licenses::LIST, bytes.len()))
        }
        Command::Sbom {
            features,
            no_default_features,
        } => {
            let features = Features {
                no_default: *no_default_features,
                names: features.clone(),
            };
            let bill = sbom::sbom(&root, &linked(&root, &features)?)?;
            Ok(format!("{bill:#}\n"))
        }
    }
}
