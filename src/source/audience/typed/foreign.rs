//! Values of types that Arrow does not have, from the bytes in which DuckDB hands them over, and SQLite's.
//!
//! DuckDB's forms are those of DuckDB's source (`src/include/duckdb/common/types/bit.hpp`, `datetime.hpp`, `hugeint.hpp`; 1.5).

use super::super::utf8;
use super::super::value_text::push_hex;
use super::time::push_clock;
use super::value::{AppendOutcome, push_display, push_float};

/// The largest offset of a zone in seconds; what is stored is by how much an offset is less.
const MOST_OFFSET: i64 = 16 * 60 * 60 - 1;
const OFFSET_BITS: u32 = 24;
const MICROSECONDS: i64 = 1_000_000;

/// Appends a string of bits. The first byte says how many bits of the second are padding.
pub(super) fn push_bits(out: &mut Vec<u8>, bytes: &[u8]) {
    let Some((padding, bytes)) = bytes.split_first() else {
        return;
    };
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    out.extend(bits.skip(usize::from(*padding)).map(|bit| b'0' + bit));
}

/// Appends a value of SQLite that stands behind the letter of its type.
pub(super) fn push_stored(out: &mut Vec<u8>, stored: &[u8]) -> AppendOutcome {
    match stored.split_first() {
        Some((b'r', digits)) => {
            let number = std::str::from_utf8(digits)
                .ok()
                .and_then(|it| it.parse().ok());
            return push_float(out, number.unwrap_or(f64::NAN));
        }
        Some((b'b', digits)) => push_hex(digits, out),
        Some((_, text)) => out.extend_from_slice(text),
        None => {}
    }
    AppendOutcome::Text
}

/// Whether such a value is certainly UTF-8 without NUL.
pub(super) fn is_clean_stored(stored: &[u8]) -> bool {
    stored.first() != Some(&b'b') && utf8::is_clean(stored)
}

/// Appends an integer of 128 bits.
pub(super) fn push_huge(out: &mut Vec<u8>, bytes: &[u8], has_sign: bool) {
    let bytes = bytes.try_into().unwrap_or_default();
    if has_sign {
        push_display(out, i128::from_le_bytes(bytes));
    } else {
        push_display(out, u128::from_le_bytes(bytes));
    }
}

/// Appends a time of day with its zone, as PostgreSQL writes it: `12:34:56+02`.
pub(super) fn push_zoned_clock(out: &mut Vec<u8>, bytes: &[u8]) -> AppendOutcome {
    let number = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let micros = i64::try_from(number >> OFFSET_BITS).unwrap_or(i64::MAX);
    let less = i64::try_from(number & ((1 << OFFSET_BITS) - 1)).unwrap_or(0);
    let written = push_clock(out, micros, MICROSECONDS);
    if written != AppendOutcome::Text {
        return written;
    }
    let offset = MOST_OFFSET - less;
    out.push(if offset < 0 { b'-' } else { b'+' });
    let offset = offset.abs();
    push_display(out, format_args!("{:02}", offset / 3_600));
    let (minute, second) = (offset / 60 % 60, offset % 60);
    if minute > 0 || second > 0 {
        push_display(out, format_args!(":{minute:02}"));
    }
    if second > 0 {
        push_display(out, format_args!(":{second:02}"));
    }
    written
}
