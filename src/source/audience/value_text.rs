//! Texts of values that come in pieces, from PostgreSQL's `COPY` as from typed columns: bytes in digits, items of JSON arrays.

/// Appends the bytes of hexadecimal digits.
pub(super) fn push_hex(digits: &[u8], out: &mut Vec<u8>) {
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0);
    let pairs = digits.chunks_exact(2);
    out.extend(pairs.filter_map(|pair| u8::try_from(value(pair[0]) << 4 | value(pair[1])).ok()));
}

/// The JSON array of a text, and the values behind it, which it leaves out.
pub(super) fn split_list(text: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memrchr(b']', text).map_or(text.len(), |at| at + 1);
    let (list, left_out) = text.split_at(end);
    (list, left_out.trim_ascii_start())
}

/// Appends a text in quotes. Bytes that are no text stay: the row is a fault, and its record is kept with them.
pub(super) fn push_json_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        let quoted = serde_json::Value::from(chunk.valid()).to_string();
        out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
        out.extend_from_slice(chunk.invalid());
    }
    out.push(b'"');
}
