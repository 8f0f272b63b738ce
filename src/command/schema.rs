//! `schema`: the JSON Schemas of what the program reads and writes.

use crate::cli::{SchemaArgs, SchemaKind, progress};
use crate::job::schema::job_schema;
use crate::run::report;
use crate::run::watch::notice;
use crate::state::manifest::to_json;

/// The schema that `args` ask for.
pub fn schema(args: &SchemaArgs) -> String {
    match args.kind {
        SchemaKind::Job => String::from_utf8_lossy(&to_json(&job_schema())).into_owned(),
        SchemaKind::Report => report::SCHEMA.to_owned(),
        SchemaKind::Notice => notice::SCHEMA.to_owned(),
        SchemaKind::Progress => progress::SCHEMA.to_owned(),
    }
}
