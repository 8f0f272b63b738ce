//! Rows of texts as aligned columns, two blanks apart and two from the left, without borders.
//!
//! Takes texts that are one line each; wide characters count as the columns of a terminal that they take.

use comfy_table::{CellAlignment, Table, presets};
use unicode_width::UnicodeWidthStr as _;

/// Which side the texts of a column stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// `rows` as lines, each with a line feed. `sides` says how the columns stand; those beyond it stand left.
pub fn aligned(rows: &[Vec<String>], sides: &[Side]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((2, 0));
        if sides.get(index) == Some(&Side::Right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// How many columns of a terminal `text` takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text`, with its end replaced by `…` where it takes more than `columns` columns.
pub fn cut(text: &str, columns: usize) -> String {
    if text.len() <= columns || width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if width(&kept) >= columns {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// `text` on as many lines as it needs, broken at blanks; those after the first begin with `indent` blanks.
pub fn folded(text: &str, columns: usize, indent: usize) -> String {
    let mut folded = String::new();
    let mut line = String::new();
    for piece in text.split_inclusive(' ') {
        if width(&line) + width(piece.trim_end()) > columns && !line.trim().is_empty() {
            folded.push_str(line.trim_end());
            folded.push('\n');
            line = " ".repeat(indent);
        }
        line.push_str(piece);
    }
    folded.push_str(line.trim_end());
    folded.push('\n');
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_and_no_line_ends_in_blanks() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a", "1", "x"]), row(["日本", "1,000", ""])];
        assert_eq!(
            aligned(&rows, &[Side::Left, Side::Right]),
            "  a         1  x\n  日本  1,000\n"
        );
    }

    #[test]
    fn long_texts_are_cut_by_what_they_take_on_a_terminal() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("日本語です", 6), "日本…");
        assert_eq!(cut("Zoë Müller", 10), "Zoë Müller");
    }
}
