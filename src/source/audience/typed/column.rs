//! One column of a batch, ready to give cells: types are looked at once a batch, not once a value.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int64Array, LargeBinaryArray, UInt64Array,
};
use arrow_schema::{DataType, Field, TimeUnit};

use super::super::utf8;
use super::foreign;
use super::time::{self, Period};
use super::value::{self, AppendOutcome};
use crate::source::day_time::DayTime;
use crate::source::record::{Cell, RecordFault};

/// The name under which Arrow's extension types stand in a field's metadata.
pub(in super::super) const EXTENSION: &str = "ARROW:extension:name";

/// The mark of a Parquet interval that is read as its bytes.
pub(in super::super) const PARQUET_INTERVAL: &str = "klaviyo-export.parquet-interval";

/// Metadata of Arrow's type for foreign values, in a field's metadata: their type and who made it, as JSON
/// (<https://arrow.apache.org/docs/format/CanonicalExtensions.html#opaque>, read 2026-11-28).
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// The type's name in the database, in a field's metadata (PostgreSQL's ADBC driver).
const POSTGRES_TYPE: &str = "ADBC:postgresql:typname";

/// The mark of JSON arrays behind which the values stand that they leave out, in a field's metadata.
pub(in crate::source) const LIST_TEXT: &str = "klaviyo-export.list";

/// The mark of SQLite's values behind a letter: `t` of texts and integers, `r` of floating point numbers in 17 digits, `b` of
/// bytes in hexadecimal digits; a NULL has none.
pub(in crate::source) const STORED: &str = "klaviyo-export.stored";

/// A day has so many seconds.
const DAY_SECONDS: i64 = 86_400;

/// Texts whose bytes are together.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextTraits {
    /// Every text is UTF-8 without NUL.
    is_clean: bool,
    /// And has no quote, comma or control character either.
    is_bare: bool,
    bytes: usize,
}

/// One column of a batch.
pub(super) enum Column {
    Null,
    Boolean(BooleanArray),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    /// Seconds since 1970, UTC.
    Seconds(Int64Array),
    Text(BinaryArray, TextTraits),
    LargeText(LargeBinaryArray, TextTraits),
    TextView(BinaryViewArray, TextTraits),
    FixedText(FixedSizeBinaryArray, TextTraits),
    /// Decimals that PostgreSQL's driver gives as texts.
    NumberText(BinaryArray),
    /// JSON arrays, and behind each the values that it leaves out.
    ListText(BinaryArray),
    /// Values of SQLite, each behind the letter of its type.
    Stored(BinaryArray),
    Uuid(FixedSizeBinaryArray),
    /// Times of day, with their parts of a second.
    Clock(Int64Array, i64),
    /// Durations, with their parts of a second.
    Duration(Int64Array, i64),
    Interval(ArrayRef),
    /// Months, days and milliseconds.
    ParquetInterval(FixedSizeBinaryArray),
    /// DuckDB's strings of bits.
    Bits(BinaryArray),
    /// DuckDB's integers of 128 bits, without a sign or with one.
    Huge(FixedSizeBinaryArray, bool),
    /// DuckDB's times of day with a zone.
    ZonedClock(FixedSizeBinaryArray),
    /// Lists, and what has no rule of its own; dates in it get this time of day.
    Other(ArrayRef, DayTime),
}

impl Column {
    /// The column of `array`, which is what `field` says. Dates get this time of day.
    pub(super) fn new(field: &Field, array: &ArrayRef, day_time: DayTime) -> Self {
        let other = || Self::Other(Arc::clone(array), day_time);
        let extension = |name: &str| field.metadata().get(EXTENSION).is_some_and(|it| it == name);
        if let Some(foreign) = Self::foreign(field, array) {
            return foreign;
        }
        match array.data_type() {
            DataType::Null => Self::Null,
            // A byte each, as DuckDB has them.
            DataType::Int8 if extension("arrow.bool8") => {
                match arrow_cast::cast(array, &DataType::Boolean) {
                    Ok(array) => Self::Boolean(array.as_boolean().clone()),
                    Err(_) => other(),
                }
            }
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::Int64 => cast(array, &DataType::Int64, |it| {
                Self::Integer(it.as_primitive::<Int64Type>().clone())
            }),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            DataType::Float16 | DataType::Float32 => cast(array, &DataType::Float32, |it| {
                Self::Float32(it.as_primitive::<Float32Type>().clone())
            }),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>().clone()),
            DataType::Date32 | DataType::Date64 => Self::dates(array, day_time),
            DataType::Timestamp(unit, _) => Self::whole_seconds(array, *unit),
            DataType::Utf8 => Self::marked_text(field, array.as_string::<i32>().clone().into()),
            DataType::LargeUtf8 => {
                Self::large_text(LargeBinaryArray::from(array.as_string::<i64>().clone()))
            }
            DataType::Utf8View => Self::view(array.as_string_view().clone().to_binary_view()),
            DataType::Binary => Self::text(array.as_binary::<i32>().clone()),
            DataType::LargeBinary => Self::large_text(array.as_binary::<i64>().clone()),
            DataType::BinaryView => Self::view(array.as_binary_view().clone()),
            DataType::FixedSizeBinary(16) if extension("arrow.uuid") => {
                Self::Uuid(array.as_fixed_size_binary().clone())
            }
            DataType::FixedSizeBinary(12) if extension(PARQUET_INTERVAL) => {
                Self::ParquetInterval(array.as_fixed_size_binary().clone())
            }
            DataType::Time32(unit) | DataType::Time64(unit) => {
                Self::counted(array, |it| Self::Clock(it, per_second(*unit)))
            }
            DataType::Duration(unit) => {
                Self::counted(array, |it| Self::Duration(it, per_second(*unit)))
            }
            DataType::Interval(_) => Self::Interval(Arc::clone(array)),
            DataType::FixedSizeBinary(_) => {
                let texts = array.as_fixed_size_binary().clone();
                let look = TextTraits::of_each(texts.iter());
                Self::FixedText(texts, look)
            }
            DataType::Dictionary(_, values) => match arrow_cast::cast(array, values) {
                Ok(plain) => Self::new(field, &plain, day_time),
                Err(_) => other(),
            },
            DataType::RunEndEncoded(_, values) => {
                match arrow_cast::cast(array, values.data_type()) {
                    Ok(plain) => Self::new(field, &plain, day_time),
                    Err(_) => other(),
                }
            }
            _ => other(),
        }
    }

    /// A column of values that only their maker has a type for, where they can be read.
    fn foreign(field: &Field, array: &ArrayRef) -> Option<Self> {
        let (type_name, vendor_name) = foreign_type(field)?;
        if vendor_name != "DuckDB" {
            return None;
        }
        Some(match (&*type_name, array.data_type()) {
            ("bit", DataType::Binary) => Self::Bits(array.as_binary::<i32>().clone()),
            ("hugeint" | "uhugeint", DataType::FixedSizeBinary(16)) => {
                let has_sign = type_name == "hugeint";
                Self::Huge(array.as_fixed_size_binary().clone(), has_sign)
            }
            ("time_tz", DataType::FixedSizeBinary(8)) => {
                Self::ZonedClock(array.as_fixed_size_binary().clone())
            }
            _ => return None,
        })
    }

    /// Dates, each at this time of day. A Date64 that has a time of its own keeps it.
    fn dates(array: &ArrayRef, day_time: DayTime) -> Self {
        let (unit, at) = match array.data_type() {
            DataType::Date64 => (DAY_SECONDS * 1_000, day_time.seconds() * 1_000),
            _ => (1, day_time.seconds()),
        };
        Self::counted(array, |numbers| {
            Self::Seconds(numbers.unary(|number: i64| match unit {
                1 => number.saturating_mul(DAY_SECONDS).saturating_add(at),
                _ if number.rem_euclid(unit) == 0 => number.saturating_add(at).div_euclid(1_000),
                _ => number.div_euclid(1_000),
            }))
        })
    }

    /// Whole seconds: what Klaviyo reads has no fractions. Times before 1970 round down as well.
    fn whole_seconds(array: &ArrayRef, unit: TimeUnit) -> Self {
        let unit = per_second(unit);
        Self::counted(array, |numbers| {
            Self::Seconds(numbers.unary(|number: i64| number.div_euclid(unit)))
        })
    }

    /// The column of the numbers that stand for these dates, times or durations.
    fn counted(array: &ArrayRef, make: impl FnOnce(Int64Array) -> Self) -> Self {
        let numbers = match array.data_type() {
            DataType::Date32 | DataType::Time32(_) => arrow_cast::cast(array, &DataType::Int32)
                .and_then(|numbers| arrow_cast::cast(&numbers, &DataType::Int64)),
            _ => arrow_cast::cast(array, &DataType::Int64),
        };
        match numbers {
            Ok(numbers) => make(numbers.as_primitive::<Int64Type>().clone()),
            Err(_) => Self::Other(Arc::clone(array), DayTime::default()),
        }
    }

    /// Texts, which the field may mark as something else.
    fn marked_text(field: &Field, texts: BinaryArray) -> Self {
        let metadata = field.metadata();
        if metadata
            .get(POSTGRES_TYPE)
            .is_some_and(|it| it == "numeric")
        {
            Self::NumberText(texts)
        } else if metadata.contains_key(LIST_TEXT) {
            Self::ListText(texts)
        } else if metadata.contains_key(STORED) {
            Self::Stored(texts)
        } else {
            Self::text(texts)
        }
    }

    fn text(texts: BinaryArray) -> Self {
        let look = TextTraits::of(texts.value_data(), texts.value_offsets());
        Self::Text(texts, look)
    }

    fn large_text(texts: LargeBinaryArray) -> Self {
        let look = TextTraits::of(texts.value_data(), texts.value_offsets());
        Self::LargeText(texts, look)
    }

    fn view(texts: BinaryViewArray) -> Self {
        let look = TextTraits::of_each(texts.iter());
        Self::TextView(texts, look)
    }

    fn look(&self) -> Option<&TextTraits> {
        match self {
            Self::Text(_, look)
            | Self::LargeText(_, look)
            | Self::TextView(_, look)
            | Self::FixedText(_, look) => Some(look),
            _ => None,
        }
    }

    /// How many bytes its values may have together as text; 0 of types whose values are short.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Self::NumberText(texts) | Self::ListText(texts) | Self::Stored(texts) => {
                texts.value_data().len()
            }
            Self::Bits(bits) => bits.value_data().len().saturating_mul(8),
            Self::Other(values, _) if self.is_long() => values.get_buffer_memory_size(),
            _ => self.look().map_or(0, |look| look.bytes),
        }
    }

    /// Whether a value has no bound, and must be made to be measured.
    fn is_long(&self) -> bool {
        let is_long = |of: &DataType| value::is_list(of) || value::is_nested(of);
        matches!(self, Self::Bits(_))
            || matches!(self, Self::Other(values, _) if is_long(values.data_type()))
    }

    /// How long a value is as text; 0 of types whose values are short.
    pub(super) fn length(&self, index: usize, scratch: &mut Vec<u8>) -> usize {
        let is_written = matches!(
            self,
            Self::NumberText(_) | Self::ListText(_) | Self::Stored(_)
        );
        if !self.is_long() && !is_written {
            return self.bytes(index).map_or(0, <[u8]>::len);
        }
        match self.cell(index, scratch) {
            Cell::Text(text) | Cell::Nested(text) | Cell::Unrepresentable { text, .. } => {
                text.len()
            }
        }
    }

    /// False when some text may be no UTF-8, or hold a NUL.
    pub(super) fn is_clean(&self) -> bool {
        match self {
            Self::Other(values, _) => !value::has_bytes(values.data_type()),
            Self::Stored(values) => values.iter().flatten().all(foreign::is_clean_stored),
            _ => self.look().is_none_or(|look| look.is_clean),
        }
    }

    /// The fault of the text, or of one of the list's texts.
    pub(super) fn fault(&self, index: usize) -> Option<RecordFault> {
        if let Self::Other(values, _) = self {
            return value::fault_in_list(values, index);
        }
        if let Self::Stored(_) = self {
            return utf8::fault_of(self.cell(index, &mut Vec::new()).text());
        }
        let text = self.bytes(index)?;
        if simdutf8::basic::from_utf8(text).is_err() {
            return Some(RecordFault::InvalidEncoding);
        }
        memchr::memchr(0, text).map(|_| RecordFault::Nul)
    }

    /// A text as it is; `None` of a null and of other types.
    #[inline]
    pub(super) fn bytes(&self, index: usize) -> Option<&[u8]> {
        match self {
            Self::Text(texts, _) => texts.is_valid(index).then(|| texts.value(index)),
            Self::LargeText(texts, _) => texts.is_valid(index).then(|| texts.value(index)),
            Self::TextView(texts, _) => texts.is_valid(index).then(|| texts.value(index)),
            Self::FixedText(texts, _) => texts.is_valid(index).then(|| texts.value(index)),
            _ => None,
        }
    }

    /// A text of a column in which none needs quotes.
    #[inline]
    pub(super) fn bare_cell(&self, index: usize) -> Option<&[u8]> {
        match self.look() {
            Some(look) if look.is_bare => Some(self.bytes(index).unwrap_or_default()),
            _ => None,
        }
    }

    /// The value as a cell; a null is empty.
    #[inline]
    pub(super) fn cell<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        if self.look().is_some() {
            return Cell::Text(self.bytes(index).unwrap_or_default());
        }
        if let Self::Boolean(values) = self
            && values.is_valid(index)
        {
            return Cell::Text(if values.value(index) {
                b"True"
            } else {
                b"False"
            });
        }
        scratch.clear();
        match self.write(index, scratch) {
            AppendOutcome::Text => Cell::Text(scratch),
            AppendOutcome::Nested => Cell::Nested(scratch),
            AppendOutcome::Without { value } => {
                let (text, value) = scratch.split_at(value.min(scratch.len()));
                Cell::Unrepresentable { text, value }
            }
        }
    }

    fn write(&self, index: usize, out: &mut Vec<u8>) -> AppendOutcome {
        match self {
            Self::Integer(values) if values.is_valid(index) => {
                value::push_display(out, values.value(index));
            }
            Self::Unsigned(values) if values.is_valid(index) => {
                value::push_display(out, values.value(index));
            }
            Self::Float32(values) if values.is_valid(index) => {
                return value::push_float32(out, values.value(index));
            }
            Self::Float64(values) if values.is_valid(index) => {
                return value::push_float(out, values.value(index));
            }
            Self::Seconds(values) if values.is_valid(index) => {
                return time::push_seconds(out, values.value(index));
            }
            Self::Clock(values, unit) if values.is_valid(index) => {
                return time::push_clock(out, values.value(index), *unit);
            }
            Self::Duration(values, unit) if values.is_valid(index) => {
                Period::of_time(values.value(index), *unit).push(out);
            }
            Self::Interval(values) if values.is_valid(index) => {
                Period::of_interval(values, index).push(out);
            }
            Self::ParquetInterval(values) if values.is_valid(index) => {
                Period::of_parquet(values.value(index)).push(out);
            }
            Self::NumberText(values) if values.is_valid(index) => {
                return value::push_number_text(out, values.value(index));
            }
            Self::ListText(values) if values.is_valid(index) => {
                return value::push_list_text(out, values.value(index));
            }
            Self::Stored(values) if values.is_valid(index) => {
                return foreign::push_stored(out, values.value(index));
            }
            Self::Uuid(values) if values.is_valid(index) => {
                value::push_uuid(out, values.value(index));
            }
            Self::Bits(values) if values.is_valid(index) => {
                foreign::push_bits(out, values.value(index));
            }
            Self::Huge(values, has_sign) if values.is_valid(index) => {
                foreign::push_huge(out, values.value(index), *has_sign);
            }
            Self::ZonedClock(values) if values.is_valid(index) => {
                return foreign::push_zoned_clock(out, values.value(index));
            }
            Self::Other(values, day_time) if values.is_valid(index) => {
                return value::push_other(out, values, index, *day_time);
            }
            _ => {}
        }
        AppendOutcome::Text
    }
}

/// The type of a field's values and its maker, where Arrow has none for them.
pub(in crate::source) fn foreign_type(field: &Field) -> Option<(String, String)> {
    let metadata = field.metadata();
    if metadata.get(EXTENSION)? != "arrow.opaque" {
        return None;
    }
    let told: serde_json::Value = serde_json::from_str(metadata.get(EXTENSION_METADATA)?).ok()?;
    let text = |key: &str| told.get(key)?.as_str().map(str::to_owned);
    Some((text("type_name")?, text("vendor_name")?))
}

/// How many of the unit are a second.
fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// `array` as `to`, which every value of its type fits into.
fn cast(array: &ArrayRef, to: &DataType, make: impl FnOnce(&ArrayRef) -> Column) -> Column {
    match arrow_cast::cast(array, to) {
        Ok(array) => make(&array),
        Err(_) => Column::Other(Arc::clone(array), DayTime::default()),
    }
}

impl TextTraits {
    /// Of texts that lie one after the other.
    fn of<O: arrow_array::OffsetSizeTrait>(data: &[u8], offsets: &[O]) -> Self {
        let at = |offset: Option<&O>| offset.map_or(0, |offset| offset.as_usize());
        let (start, end) = (at(offsets.first()), at(offsets.last()));
        let data = data.get(start..end).unwrap_or_default();
        // Each must begin with a character: together they could be valid where one by one they are not.
        let begins = |offset: &O| {
            data.get(offset.as_usize().wrapping_sub(start))
                .is_none_or(|byte| byte & 0xc0 != 0x80)
        };
        let is_utf8 = simdutf8::basic::from_utf8(data).is_ok() && offsets.iter().all(begins);
        let is_clean = is_utf8 && memchr::memchr(0, data).is_none();
        Self {
            is_clean,
            is_bare: is_clean && is_bare(data),
            bytes: data.len(),
        }
    }

    /// Of texts that lie anywhere.
    fn of_each<'a>(texts: impl Iterator<Item = Option<&'a [u8]>>) -> Self {
        let mut look = Self {
            is_clean: true,
            is_bare: true,
            bytes: 0,
        };
        for text in texts.flatten() {
            look.bytes += text.len();
            look.is_clean &=
                simdutf8::basic::from_utf8(text).is_ok() && memchr::memchr(0, text).is_none();
            look.is_bare &= is_bare(text);
        }
        look.is_bare &= look.is_clean;
        look
    }
}

fn is_bare(text: &[u8]) -> bool {
    memchr::memchr2(b'"', b',', text).is_none()
        && memchr::memchr2(b'\n', b'\r', text).is_none()
        && !utf8::has_controls(text)
}
