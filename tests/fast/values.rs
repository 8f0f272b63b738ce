//! One fixture for each kind of values: what leaves is the same from CSV, NDJSON and Parquet. `tests/servers` has the engines.
#![cfg(all(feature = "sandbox", feature = "parquet"))]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::support::typed_fixtures::TypedFixture;
use crate::support::value_fixtures::ValueFixture;
use crate::support::workspace::Workspace;

fn write_parquet(fixture: &ValueFixture, path: &Path) {
    let columns = fixture.header.iter().enumerate().map(|(index, name)| {
        let cells = fixture.rows.iter().map(|row| Some(row[index].as_str()));
        let array: ArrayRef = Arc::new(cells.collect::<StringArray>());
        (name, array)
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn every_kind_of_values_leaves_as_it_was_meant_from_every_file() {
    let fixtures = ValueFixture::all();
    assert!(fixtures.len() > 10);
    for fixture in fixtures {
        let workspace = Workspace::new();
        workspace.write("v.csv", fixture.csv());
        workspace.write("v.ndjson", fixture.ndjson());
        write_parquet(&fixture, &workspace.path("v.parquet"));
        for ending in ["csv", "ndjson", "parquet"] {
            let files = format!("files = [\"v.{ending}\"]");
            fixture.check(&workspace, &files, ending, &[]);
        }
    }
}

#[test]
fn every_type_has_one_text_from_parquet_and_from_ndjson() {
    let fixtures = TypedFixture::all();
    assert!(fixtures.len() > 20);
    for fixture in fixtures {
        let workspace = Workspace::new();
        workspace.write("v.ndjson", fixture.ndjson());
        let rows = fixture.rows(false);
        rows.check(&workspace, "files = [\"v.ndjson\"]", "NDJSON", &[]);
        workspace.write("v.csv", rows.csv());
        rows.check(&workspace, "files = [\"v.csv\"]", "CSV", &[]);
        if fixture.write_parquet(&workspace.path("v.parquet")) {
            let rows = fixture.rows(true);
            rows.check(&workspace, "files = [\"v.parquet\"]", "Parquet", &[]);
        }
    }
}
