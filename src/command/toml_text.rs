//! Keys and texts of a job file, as TOML has them on one line.

use std::fmt::Write as _;

use toml_writer::{TomlKeyBuilder, TomlStringBuilder, WriteTomlKey as _, WriteTomlValue as _};

use crate::cli::console::is_unprintable;

/// A key as TOML has it: bare where it may be.
pub(super) fn key(name: &str) -> String {
    let builder = TomlKeyBuilder::new(name);
    let key = builder.as_unquoted().unwrap_or_else(|| builder.as_basic());
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = key.write_toml_key(&mut text);
    one_line(&text)
}

/// A text as TOML has it, on one line.
pub(super) fn string(text: &str) -> String {
    let mut quoted = String::new();
    // Writing to a String cannot fail.
    let _ = TomlStringBuilder::new(text)
        .as_basic()
        .write_toml_value(&mut quoted);
    one_line(&quoted)
}

/// As [`string`], for a key whose variables are filled in: `${` stays what it is.
pub(super) fn filled_string(text: &str) -> String {
    string(&text.replace("${", "$${"))
}

/// Escapes what TOML would let stand and a terminal would not.
pub(super) fn one_line(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    for character in quoted.chars() {
        if is_unprintable(character) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\u{:04X}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_texts_stay_on_one_line_and_read_back() {
        for name in [
            "plain",
            "two words",
            "quo\"te",
            "back\\slash",
            "it's",
            "Größe",
            "line\nbreak",
            "tab\t",
            "",
            "dot.ted",
            "\u{1b}[31mred",
            "\u{7f}\u{85}\u{202e}\u{2028}",
            "#",
            "=",
            "a = \"b\"",
            "'''",
            "\"\"\"",
            "日本",
        ] {
            let line = format!("{} = {}", key(name), string(name));
            assert!(!line.contains(is_unprintable), "{line}");
            let table: toml::Table = toml::from_str(&line).unwrap();
            assert_eq!(
                table.get(name).and_then(toml::Value::as_str),
                Some(name),
                "{line}"
            );
        }
    }
}
