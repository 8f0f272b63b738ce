//! Typed values as text.

use std::io::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, FieldRef};

use super::super::value_text::{push_json_text, split_list};
use super::column::Column;
use crate::source::day_time::DayTime;
use crate::source::record::{Cell, RecordFault};

/// Appends a value as it displays.
pub(super) fn push_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing into a vector cannot fail.
    let _ = write!(out, "{value}");
}

/// The result of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppendOutcome {
    /// A text.
    Text,
    /// JSON with objects in it.
    Nested,
    /// A text that lacks what cannot be told, and from here on how that is shown.
    Without {
        /// Where the text ends in the buffer.
        value: usize,
    },
}

/// Appends a number in plain digits, nothing for what is not a number.
pub(super) fn push_float(out: &mut Vec<u8>, value: f64) -> AppendOutcome {
    if value.is_infinite() {
        push_display(out, value);
        return AppendOutcome::Without { value: 0 };
    }
    if value == 0.0 {
        out.push(b'0');
    } else if !value.is_nan() {
        push_display(out, value);
    }
    AppendOutcome::Text
}

/// As [`push_float`], with the digits that a single-precision number has.
pub(super) fn push_float32(out: &mut Vec<u8>, value: f32) -> AppendOutcome {
    if value.is_finite() && value != 0.0 {
        push_display(out, value);
        return AppendOutcome::Text;
    }
    push_float(out, value.into())
}

/// Appends a number that came as text.
pub(super) fn push_number_text(out: &mut Vec<u8>, text: &[u8]) -> AppendOutcome {
    if text.iter().any(u8::is_ascii_digit) && text.iter().all(u8::is_ascii_graphic) {
        out.extend_from_slice(text);
    } else if !text.eq_ignore_ascii_case(b"nan") {
        out.extend_from_slice(text);
        return AppendOutcome::Without { value: 0 };
    }
    AppendOutcome::Text
}

/// Appends a JSON array that came as text.
pub(super) fn push_list_text(out: &mut Vec<u8>, text: &[u8]) -> AppendOutcome {
    let (list, left_out) = split_list(text);
    out.extend_from_slice(list);
    if left_out.is_empty() {
        return AppendOutcome::Text;
    }
    out.extend_from_slice(left_out);
    AppendOutcome::Without { value: list.len() }
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

/// Appends a value of any type: a list as a JSON array, others as Arrow displays them.
pub(super) fn push_other(
    out: &mut Vec<u8>,
    values: &ArrayRef,
    index: usize,
    day_time: DayTime,
) -> AppendOutcome {
    match values.data_type() {
        data_type if is_list(data_type) => push_list(out, values, index, day_time),
        data_type => match (push_displayed(out, values, index), is_nested(data_type)) {
            (true, true) => AppendOutcome::Nested,
            (true, false) => AppendOutcome::Text,
            (false, _) => {
                push_display(out, data_type);
                AppendOutcome::Without { value: 0 }
            }
        },
    }
}

/// Whether a list of the type may hold bytes that are no text.
pub(super) fn has_bytes(list: &DataType) -> bool {
    item_type(list).is_some_and(|items| {
        has_bytes(items)
            || matches!(
                items,
                DataType::Binary
                    | DataType::LargeBinary
                    | DataType::BinaryView
                    | DataType::FixedSizeBinary(_)
            )
    })
}

fn item_type(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => Some(item.data_type()),
        _ => None,
    }
}

/// The fault of the list at `index`: bytes that are no text. JSON has a form for a NUL.
pub(super) fn fault_in_list(values: &ArrayRef, index: usize) -> Option<RecordFault> {
    if values.is_null(index) || !has_bytes(values.data_type()) {
        return None;
    }
    let items = list_at(values, index)?;
    let column = Column::new(
        &item_field(values.data_type(), &items),
        &items,
        DayTime::default(),
    );
    let mut faults = (0..items.len()).filter_map(|item| column.fault(item));
    faults.find(|fault| *fault == RecordFault::InvalidEncoding)
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

/// False when Arrow cannot display the value.
fn push_displayed(out: &mut Vec<u8>, values: &ArrayRef, index: usize) -> bool {
    let options = FormatOptions::default();
    if let Ok(formatter) = ArrayFormatter::try_new(values, &options)
        && let Ok(text) = formatter.value(index).try_to_string()
    {
        out.extend_from_slice(text.as_bytes());
        return true;
    }
    false
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

/// The item type of a list: it alone tells UUIDs and numbers from texts.
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

fn push_list(
    out: &mut Vec<u8>,
    values: &ArrayRef,
    index: usize,
    day_time: DayTime,
) -> AppendOutcome {
    let Some(items) = list_at(values, index) else {
        return AppendOutcome::Text;
    };
    let column = Column::new(&item_field(values.data_type(), &items), &items, day_time);
    let mut is_nested = false;
    let (mut scratch, mut left_out) = (Vec::new(), Vec::new());
    out.push(b'[');
    for item in 0..items.len() {
        if item > 0 {
            out.push(b',');
        }
        if items.is_null(item) {
            out.extend_from_slice(b"null");
            continue;
        }
        let cell = column.cell(item, &mut scratch);
        if let Cell::Unrepresentable { value, .. } = cell {
            if !left_out.is_empty() {
                left_out.extend_from_slice(b", ");
            }
            left_out.extend_from_slice(value);
        }
        match (&column, cell) {
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
            // Of a list in the list, the rest of it.
            (_, Cell::Unrepresentable { text: b"", .. }) => out.extend_from_slice(b"null"),
            (_, Cell::Unrepresentable { text, .. }) => out.extend_from_slice(text),
            (_, Cell::Text(text)) => push_json_text(out, text),
        }
    }
    out.push(b']');
    if is_nested {
        return AppendOutcome::Nested;
    }
    if left_out.is_empty() {
        return AppendOutcome::Text;
    }
    let value = out.len();
    out.extend_from_slice(&left_out);
    AppendOutcome::Without { value }
}

/// Whether the column's cells are JSON as they are: numbers and lists.
fn is_json(column: &Column, data_type: &DataType) -> bool {
    match column {
        Column::Integer(_)
        | Column::Unsigned(_)
        | Column::Float32(_)
        | Column::Float64(_)
        | Column::Huge(..)
        | Column::NumberText(_) => true,
        Column::Other(..) => data_type.is_decimal() || is_list(data_type),
        _ => false,
    }
}
