//! Typed values as text.

use std::io::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, FieldRef};

use super::column::Column;
use crate::source::record::Cell;

/// Appends a value as it displays.
pub(super) fn push_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing into a vector cannot fail.
    let _ = write!(out, "{value}");
}

/// Appends a number in plain digits, nothing for what is no number.
pub(super) fn push_float(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 {
        out.push(b'0');
    } else if value.is_finite() {
        push_display(out, value);
    }
}

/// As [`push_float`], with the digits that a single-precision number has.
pub(super) fn push_float32(out: &mut Vec<u8>, value: f32) {
    if value == 0.0 {
        out.push(b'0');
    } else if value.is_finite() {
        push_display(out, value);
    }
}

/// Appends a time in the form that Klaviyo's help names for recognising dates, `YYYY-MM-DD HH:MM:SS` in UTC (help
/// 115005237648); nothing for years that the calendar has not, such as PostgreSQL's infinity.
pub(super) fn push_time(out: &mut Vec<u8>, seconds: i64) {
    let Ok(time) = jiff::Timestamp::from_second(seconds) else {
        return;
    };
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    if time.year() < 0 {
        return;
    }
    let _ = write!(
        out,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
}

/// Appends sixteen bytes as a UUID.
pub(super) fn push_uuid(out: &mut Vec<u8>, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        let _ = write!(out, "{byte:02x}");
    }
}

/// Appends a value of any type: a list as a JSON array, others as Arrow displays them. True when objects are in it.
pub(super) fn push_other(out: &mut Vec<u8>, values: &ArrayRef, index: usize) -> bool {
    match values.data_type() {
        data_type if is_list(data_type) => push_list(out, values, index),
        data_type => {
            push_displayed(out, values, index);
            is_nested(data_type)
        }
    }
}

/// Whether a value of the type is a list of others.
pub(super) fn is_list(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
    )
}

/// Whether a value of the type has values of others in it by name.
pub(super) fn is_nested(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..)
    )
}

fn push_displayed(out: &mut Vec<u8>, values: &ArrayRef, index: usize) {
    let options = FormatOptions::default();
    if let Ok(formatter) = ArrayFormatter::try_new(values, &options)
        && let Ok(text) = formatter.value(index).try_to_string()
    {
        out.extend_from_slice(text.as_bytes());
    }
}

/// The values of the list at `index`.
fn list_at(values: &ArrayRef, index: usize) -> Option<ArrayRef> {
    Some(match values.data_type() {
        DataType::List(_) => values.as_list::<i32>().value(index),
        DataType::LargeList(_) => values.as_list::<i64>().value(index),
        DataType::FixedSizeList(..) => values.as_fixed_size_list().value(index),
        DataType::ListView(_) => values.as_list_view::<i32>().value(index),
        DataType::LargeListView(_) => values.as_list_view::<i64>().value(index),
        _ => return None,
    })
}

/// What a list says of its items: UUIDs and numbers as texts are told by it alone.
fn item_field(list: &DataType, items: &ArrayRef) -> FieldRef {
    match list {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => Arc::clone(field),
        _ => Arc::new(Field::new("item", items.data_type().clone(), true)),
    }
}

fn push_list(out: &mut Vec<u8>, values: &ArrayRef, index: usize) -> bool {
    let Some(items) = list_at(values, index) else {
        return false;
    };
    let column = Column::new(&item_field(values.data_type(), &items), &items);
    let mut is_nested = false;
    let mut scratch = Vec::new();
    out.push(b'[');
    for item in 0..items.len() {
        if item > 0 {
            out.push(b',');
        }
        if items.is_null(item) {
            out.extend_from_slice(b"null");
            continue;
        }
        match (&column, column.cell(item, &mut scratch)) {
            (Column::Boolean(_), Cell::Text(text)) => {
                out.extend_from_slice(&text.to_ascii_lowercase());
            }
            (_, Cell::Nested(text)) => {
                is_nested = true;
                push_json_text(out, text);
            }
            (column, Cell::Text(text)) if is_json(column, items.data_type()) => {
                let value: &[u8] = if text.is_empty() { b"null" } else { text };
                out.extend_from_slice(value);
            }
            (_, Cell::Text(text)) => push_json_text(out, text),
        }
    }
    out.push(b']');
    is_nested
}

/// Whether the column's cells are JSON as they are: numbers and lists.
fn is_json(column: &Column, data_type: &DataType) -> bool {
    match column {
        Column::Integer(_)
        | Column::Unsigned(_)
        | Column::Float32(_)
        | Column::Float64(_)
        | Column::NumberText(_) => true,
        Column::Other(_) => data_type.is_decimal() || is_list(data_type),
        _ => false,
    }
}

fn push_json_text(out: &mut Vec<u8>, text: &[u8]) {
    // Writing into a vector cannot fail.
    let _ = serde_json::to_writer(out, &String::from_utf8_lossy(text));
}
