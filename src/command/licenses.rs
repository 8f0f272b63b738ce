//! `licenses`: the libraries that are linked into the program, their licences, and the texts and notices that go with them.
//!
//! `crates/packaging` makes the list of them; a test compares it with the crates of the build.

use crate::cli::LicensesArgs;
use crate::cli::table::aligned;
use crate::run::error::Error;

/// The licence of the program.
const OWN: &str = include_str!("../../LICENSE");

/// A line for each library, with tabs between its name, its version and its licence; an empty line; the texts. Compressed by
/// Zstandard.
const THIRD_PARTY: &[u8] = include_bytes!("licenses/third-party.zst");

/// The table of libraries, or every text and notice.
pub fn licenses(args: &LicensesArgs) -> Result<String, Error> {
    let list = zstd::decode_all(THIRD_PARTY).ok();
    let list = list.and_then(|list| String::from_utf8(list).ok());
    let list = list.ok_or(Error::Bug("the list of licences cannot be read"))?;
    let (lines, texts) = list.split_once("\n\n").unwrap_or((&list, ""));
    let row = |line: &str| line.split('\t').map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = lines.lines().map(row).collect();
    let table = aligned(&rows, &[]);
    let program = concat!("klaviyo-export ", env!("CARGO_PKG_VERSION"));
    if args.text {
        return Ok(format!(
            "{program}\n\n{OWN}\n\
             It contains these libraries, and Rust's standard library (MIT OR Apache-2.0). The texts below are theirs.\n\n\
             {table}\n{texts}"
        ));
    }
    Ok(format!(
        "{program} is under the MIT licence. It contains {} libraries, and Rust's standard library (MIT OR Apache-2.0):\n\n\
         {table}\n\
         All texts and notices: klaviyo-export licenses --text\n",
        rows.len()
    ))
}
