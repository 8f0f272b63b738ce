//! JSON lines as columns: the pairs of an object, and a value's text as a cell.
//!
//! `sonic-rs` finds the pairs. It does not look at what follows the object, nor into escapes of values that it skips: that is
//! done here. It recurses into values without a bound: lines that are nested deeply are read by `serde_json`, which skips values
//! without recursion.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::{memchr, memchr_iter};
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::scan;
use crate::source::record::{Cell, RecordFault, mark};

/// Lines nested deeper than this are not given to `sonic-rs`, so that none can exhaust a thread's stack.
const MAX_DEPTH: usize = 128;

/// Calls `each` with the key and the raw value of every pair of the object that `line` is. False when it is none; some
/// pairs may have been given by then.
pub(super) fn each_pair<'a>(line: &'a str, mut each: impl FnMut(&str, &'a str)) -> bool {
    if is_deep(line.as_bytes()) {
        return each_pair_of_deep(line, each);
    }
    let mut end = 0;
    for pair in sonic_rs::to_object_iter(line) {
        let Ok((key, value)) = pair else {
            return false;
        };
        let Cow::Borrowed(value) = value.as_raw_cow() else {
            return false;
        };
        // The value is a piece of the line.
        end = (value.as_ptr() as usize + value.len()).wrapping_sub(line.as_ptr() as usize);
        each(&key, value);
    }
    let Some(rest) = line.get(end..) else {
        return false;
    };
    let rest = if end == 0 {
        rest.trim_matches(is_space).strip_prefix('{')
    } else {
        Some(rest)
    };
    rest.is_some_and(|rest| rest.trim_matches(is_space) == "}")
}

fn is_space(sign: char) -> bool {
    matches!(sign, ' ' | '\t' | '\r' | '\n')
}

/// As [`each_pair`]: slower, and for any depth.
fn each_pair_of_deep<'a>(line: &'a str, each: impl FnMut(&str, &'a str)) -> bool {
    struct Pairs<F>(F);
    impl<'de, F: FnMut(&str, &'de str)> Visitor<'de> for Pairs<F> {
        type Value = ();
        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut pairs: A) -> Result<(), A::Error> {
            while let Some((key, value)) = pairs.next_entry::<JsonKey<'de>, &'de RawValue>()? {
                (self.0)(&key.0, value.get());
            }
            Ok(())
        }
    }
    #[derive(serde::Deserialize)]
    struct JsonKey<'a>(#[serde(borrow)] Cow<'a, str>);
    let mut reader = serde_json::Deserializer::from_str(line);
    reader.deserialize_map(Pairs(each)).is_ok() && reader.end().is_ok()
}

fn is_deep(line: &[u8]) -> bool {
    if memchr_iter(b'[', line).count() + memchr_iter(b'{', line).count() <= MAX_DEPTH {
        return false;
    }
    let mut depth = 0_usize;
    let mut deepest = 0;
    each_outside_strings(line, |byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    });
    deepest > MAX_DEPTH
}

fn each_outside_strings(json: &[u8], mut each: impl FnMut(u8)) {
    let (mut inside, mut escaped) = (false, false);
    for &byte in json {
        if inside {
            inside = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else {
            inside = byte == b'"';
            each(byte);
        }
    }
}

/// The keys of the whole lines of `text`, in the order they are first seen.
pub(super) fn keys_of_lines(text: &[u8], is_all: bool) -> Vec<String> {
    let mut keys = Vec::new();
    let mut seen = HashSet::new();
    let whole = if is_all {
        text
    } else {
        &text[..memchr::memrchr(b'\n', text).unwrap_or(0)]
    };
    for line in whole.split(|&byte| byte == b'\n') {
        if scan::is_blank_line(line) {
            continue;
        }
        let mut found = Vec::new();
        let Ok(line) = simdutf8::basic::from_utf8(line) else {
            continue;
        };
        let is_object = each_pair(line, |key, _| {
            if !seen.contains(key) {
                found.push(key.to_owned());
            }
        });
        if is_object {
            for key in found {
                if seen.insert(key.clone()) {
                    keys.push(key);
                }
            }
        }
    }
    keys
}

/// The reason for which this value is unfit for a cell: looked for once, so that [`cell_of`] need not fail.
pub(super) fn fault_of(value: &str) -> Option<RecordFault> {
    memchr(b'\\', value.as_bytes())?;
    match value.as_bytes().first() {
        Some(b'"') => unescape(value, &mut Vec::new()).err(),
        // The strings in it keep their escapes, but must be strings.
        Some(b'[' | b'{') => serde_json::from_str::<serde::de::IgnoredAny>(value)
            .err()
            .map(|_| RecordFault::NotAnObject),
        _ => None,
    }
}

/// The value as a cell. A value with a fault gives what can be had of it.
pub(super) fn cell_of<'a>(value: &'a str, scratch: &'a mut Vec<u8>) -> Cell<'a> {
    let bytes = value.as_bytes();
    match bytes {
        [b'"', inner @ .., b'"'] if memchr(b'\\', inner).is_none() => Cell::Text(inner),
        [b'"', ..] => {
            if unescape(value, scratch) == Err(RecordFault::NotAnObject) {
                return Cell::Text(bytes);
            }
            Cell::Text(scratch)
        }
        b"null" | [] => Cell::Text(b""),
        b"true" => Cell::Text(b"True"),
        b"false" => Cell::Text(b"False"),
        [b'{', ..] => Cell::Nested(bytes),
        [b'[', ..] => list_cell(bytes, scratch),
        _ => Cell::Text(bytes),
    }
}

fn list_cell<'a>(list: &'a [u8], scratch: &'a mut Vec<u8>) -> Cell<'a> {
    let mut has_object = false;
    each_outside_strings(list, |byte| has_object |= byte == b'{');
    if has_object {
        return Cell::Nested(list);
    }
    scratch.clear();
    let (mut inside, mut escaped) = (false, false);
    for &byte in list {
        if inside || !is_space(char::from(byte)) {
            scratch.push(byte);
        }
        if inside {
            inside = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else {
            inside = byte == b'"';
        }
    }
    Cell::Text(scratch)
}

/// The text of a JSON string, quotes and all, into `out`. A NUL, and each byte of a half of a surrogate pair, is there as a
/// [`mark`].
fn unescape(string: &str, out: &mut Vec<u8>) -> Result<(), RecordFault> {
    out.clear();
    let mut fault = Ok(());
    let mut rest = string
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or(RecordFault::NotAnObject)?;
    while let Some(backslash) = memchr(b'\\', rest.as_bytes()) {
        out.extend_from_slice(&rest.as_bytes()[..backslash]);
        let escape = rest
            .as_bytes()
            .get(backslash + 1)
            .ok_or(RecordFault::NotAnObject)?;
        let mut length = 2;
        let sign = match escape {
            b'"' | b'\\' | b'/' => char::from(*escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (sign, taken) =
                    unicode_escape(&rest[backslash..]).ok_or(RecordFault::NotAnObject)?;
                length = taken;
                match sign {
                    Ok('\0') => {
                        fault = fault.and(Err(RecordFault::Nul));
                        out.extend_from_slice(&mark(0));
                    }
                    Ok(sign) => push_sign(sign, out),
                    Err(half) => {
                        fault = Err(RecordFault::InvalidEncoding);
                        out.extend(bytes_of_half(half).into_iter().flat_map(mark));
                    }
                }
                rest = &rest[backslash + length..];
                continue;
            }
            _ => return Err(RecordFault::NotAnObject),
        };
        push_sign(sign, out);
        rest = &rest[backslash + length..];
    }
    out.extend_from_slice(rest.as_bytes());
    fault
}

fn push_sign(sign: char, out: &mut Vec<u8>) {
    out.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Half a surrogate pair as the three bytes that UTF-8 would have for it, if it had any.
fn bytes_of_half(half: u16) -> [u8; 3] {
    let [high, low] = half.to_be_bytes();
    [
        0xE0 | high >> 4,
        0x80 | (high & 0x0F) << 2 | low >> 6,
        0x80 | low & 0x3F,
    ]
}

/// The character of a `\u` escape at the beginning of `text` (or half a pair), and the length of the escape.
fn unicode_escape(text: &str) -> Option<(Result<char, u16>, usize)> {
    let first = code_unit(text)?;
    if (0xd800..0xdc00).contains(&first)
        && let Some(second) = text.get(6..).and_then(code_unit)
        && let Some(Ok(sign)) = char::decode_utf16([first, second]).next()
    {
        return Some((Ok(sign), 12));
    }
    Some((char::from_u32(u32::from(first)).ok_or(first), 6))
}

fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: &str) -> String {
        match cell_of(value, &mut Vec::new()) {
            Cell::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Cell::Nested(json) => format!("nested {}", String::from_utf8(json.to_vec()).unwrap()),
            Cell::Unrepresentable { .. } => panic!("JSON has no such value"),
        }
    }

    #[test]
    fn values_become_cells() {
        for (value, expected) in [
            (r#""plain""#, "plain"),
            (r#""""#, ""),
            (
                r#""a\"\\\/\b\f\n\r\tA\u00e9\ud83d\ude00""#,
                "a\"\\/\u{8}\u{c}\n\r\tAé😀",
            ),
            ("-1.50e3", "-1.50e3"),
            ("true", "True"),
            ("false", "False"),
            ("null", ""),
            (r#"[ 1, "a b\" {", null ]"#, r#"[1,"a b\" {",null]"#),
            ("[[1, 2], []]", "[[1,2],[]]"),
            (r#"{"a": 1}"#, r#"nested {"a": 1}"#),
            (r#"[1, {"a": 1}]"#, r#"nested [1, {"a": 1}]"#),
        ] {
            assert_eq!(fault_of(value), None, "{value}");
            assert_eq!(text(value), expected, "{value}");
        }
    }

    #[test]
    fn escapes_that_are_no_text_are_faults() {
        for (value, fault) in [
            (r#""a\u0000""#, RecordFault::Nul),
            (r#""\ud800x""#, RecordFault::InvalidEncoding),
            (r#""\ude00\u0000""#, RecordFault::InvalidEncoding),
            (r#""\u12g4""#, RecordFault::NotAnObject),
            (r#""\u+123""#, RecordFault::NotAnObject),
            (r#"["\u12g4"]"#, RecordFault::NotAnObject),
        ] {
            assert_eq!(fault_of(value), Some(fault), "{value}");
            cell_of(value, &mut Vec::new());
        }
        let half = [0xed, 0xa0, 0x80].map(mark).concat();
        assert_eq!(
            cell_of(r#""\ud800x""#, &mut Vec::new()),
            Cell::Text(&[&half[..], b"x"].concat())
        );
    }

    #[test]
    fn only_whole_objects_are_objects() {
        for line in ["{}", " { } \r", r#"{"a":1}"#, r#"{"a":{"b":[]}} "#] {
            assert!(each_pair(line, |_, _| ()), "{line}");
        }
        for line in [
            "",
            "1",
            "[]",
            "{",
            r#"{"a":1"#,
            r#"{"a":1}}"#,
            r#"{"a":1} x"#,
            r#"{"a":1}{}"#,
            "{}}",
            "{} {}",
            "{]}",
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            "{a:1}",
            r#"{"a":tru}"#,
            r#"{"a":01}"#,
            "x{}",
        ] {
            assert!(!each_pair(line, |_, _| ()), "{line}");
        }
        let deep = |end: &str| {
            let list = format!("{}{}", "[".repeat(400_000), "]".repeat(400_000));
            format!("{{\"a\":1, \"b\\u0062\" : {list},\"c\":\"x\"{end}")
        };
        let line = deep("} \r");
        let mut pairs = Vec::new();
        assert!(each_pair(&line, |key, value| pairs
            .push((key.to_owned(), value.len()))));
        let found: Vec<_> = pairs
            .iter()
            .map(|(key, length)| (key.as_str(), *length))
            .collect();
        assert_eq!(found, [("a", 1), ("bb", 800_000), ("c", 3)]);
        for end in ["", ",}", "} x", "}}", "]"] {
            assert!(!each_pair(&deep(end), |_, _| ()), "{end}");
        }
        let wide = format!("{{\"a\":[{}1]}}", "[],".repeat(1000));
        assert!(each_pair(&wide, |_, _| ()));
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(line in r#"(\{("[ab]":("[a\\u0"n]{0,8}"|[0-9.e-]{1,3}|\[[1,]{0,4}\]|null|true|\{\}),?){0,3}\}|[\{\}\[\]",:a1\\ ]{0,12})"#) {
            let by_serde = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&line);
            let mut faults = Vec::new();
            let mut pairs = serde_json::Map::new();
            let is_object = each_pair(&line, |key, value| {
                faults.extend(fault_of(value));
                pairs.insert(key.to_owned(), serde_json::from_str(value).unwrap_or_default());
            });
            // Ours takes numbers beyond serde_json's range, as text.
            if is_object && faults.is_empty() {
                match by_serde {
                    Ok(map) => prop_assert_eq!(pairs, map),
                    Err(error) => prop_assert!(error.to_string().contains("out of range"), "{} {}", line, error),
                }
            } else {
                let has_nul = faults.contains(&RecordFault::Nul);
                prop_assert!(by_serde.is_err() || has_nul, "{}", line);
            }
        }
    }
}
