//! Records of TSV: a quote means nothing unless both ends of the cell have one.
//!
//! Spreadsheets, MySQL and COPY write quotes in TSV as they are; Excel and programs that know CSV quote a cell with a tab or
//! a line break. A cell is quoted when it begins with a quote and the next quote that is not doubled ends it. Where both
//! readings of a line can be meant, the one with as many cells as the header has is right.

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::escaped;

const TAB: u8 = b'\t';

/// A quoted cell with line breaks is at most this long; a cell in Excel has up to 32,767 characters.
const LOOK_AHEAD_BYTES: usize = 1 << 17;

/// A line, and where the next one begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct TabLine<'a> {
    pub(super) text: &'a [u8],
    pub(super) end: usize,
}

/// A cell of the text, with its quotes if it is quoted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TabCell {
    place: Range<usize>,
    is_quoted: bool,
}

/// The front of a text.
pub(super) enum TabFront {
    /// More of the text is needed to tell.
    More,
    /// A record: its cells, where its text ends, and where the next record begins.
    Record {
        cells: Vec<TabCell>,
        text: usize,
        end: usize,
    },
}

/// The first line of the text, if it is whole.
pub(super) fn line_of(text: &[u8], at_end: bool) -> Option<TabLine<'_>> {
    let Some(end) = memchr2(b'\n', b'\r', text) else {
        return at_end.then_some(TabLine {
            text,
            end: text.len(),
        });
    };
    let next = match (text[end], text.get(end + 1)) {
        (b'\r', Some(b'\n')) => end + 2,
        (b'\r', None) if !at_end => return None,
        _ => end + 1,
    };
    Some(TabLine {
        text: &text[..end],
        end: next,
    })
}

/// The record whose first line is `line`, at the front of `text`; `columns` is the number of cells of the header.
pub(super) fn record(
    text: &[u8],
    line: TabLine<'_>,
    at_end: bool,
    columns: Option<usize>,
) -> TabFront {
    let quoted = cells_of(line.text, true);
    if let Some(cells) = &quoted
        && columns.is_none_or(|columns| columns == cells.len())
    {
        return of_line(quoted.unwrap_or_default(), line);
    }
    let bare = cells_of(line.text, false).unwrap_or_default();
    let is_right = columns == Some(bare.len());
    // Only a quote that is open at the line's end can go on, in the last cell if the number is right already.
    if quoted.is_some() || is_right && !last_is_open(line.text, &bare) {
        let cells = if is_right {
            bare
        } else {
            quoted.unwrap_or(bare)
        };
        return of_line(cells, line);
    }
    let ahead = &text[..text.len().min(LOOK_AHEAD_BYTES)];
    let is_all = at_end && ahead.len() == text.len();
    match long_record(ahead) {
        None if !is_all && ahead.len() < LOOK_AHEAD_BYTES => TabFront::More,
        // What follows the quote is not known yet.
        Some((_, end)) if !is_all && end == text.len() => TabFront::More,
        Some((cells, end)) if is_meant(&cells, text, line, columns) => {
            match line_of(&text[end..], at_end) {
                Some(rest) => TabFront::Record {
                    cells,
                    text: end,
                    end: end + rest.end,
                },
                None => TabFront::More,
            }
        }
        _ => of_line(bare, line),
    }
}

fn of_line(cells: Vec<TabCell>, line: TabLine<'_>) -> TabFront {
    TabFront::Record {
        cells,
        text: line.text.len(),
        end: line.end,
    }
}

/// Whether a record over several lines is right: it has as many cells as the header, and its second line is no record of
/// its own.
fn is_meant(cells: &[TabCell], text: &[u8], line: TabLine<'_>, columns: Option<usize>) -> bool {
    let Some(columns) = columns else {
        return true;
    };
    let second = line_of(&text[line.end..], true);
    let is_record =
        second.is_some_and(|second| memchr::memchr_iter(TAB, second.text).count() + 1 == columns);
    let first = memchr::memchr_iter(TAB, line.text).count() + 1;
    cells.len() == columns && !(first == columns && is_record)
}

fn last_is_open(line: &[u8], cells: &[TabCell]) -> bool {
    cells
        .last()
        .is_some_and(|cell| !cell.is_quoted && line[cell.place.clone()].first() == Some(&b'"'))
}

/// The cells of a line. With `has_quoted_tabs` a quoted cell may hold tabs; none then when a quote is left open.
fn cells_of(line: &[u8], has_quoted_tabs: bool) -> Option<Vec<TabCell>> {
    let mut cells = Vec::new();
    let mut begin = 0;
    loop {
        let bare_end = memchr(TAB, &line[begin..]).map_or(line.len(), |end| begin + end);
        let within = if has_quoted_tabs {
            line
        } else {
            &line[..bare_end]
        };
        let (end, is_quoted) = match quoted_end(within, begin) {
            TabQuote::Closed(end) => (end, true),
            TabQuote::Open if has_quoted_tabs => return None,
            _ => (bare_end, false),
        };
        cells.push(TabCell {
            place: begin..end,
            is_quoted,
        });
        if end >= line.len() {
            return Some(cells);
        }
        begin = end + 1;
    }
}

/// The cells of a record whose quoted cells may hold line breaks, and where its text ends. None when a quote stays open.
fn long_record(text: &[u8]) -> Option<(Vec<TabCell>, usize)> {
    let mut cells = Vec::new();
    let mut begin = 0;
    loop {
        let (end, is_quoted) = match quoted_end(text, begin) {
            TabQuote::Closed(end) => (end, true),
            TabQuote::Open => return None,
            TabQuote::No => {
                let end = memchr::memchr3(TAB, b'\n', b'\r', &text[begin..]);
                (end.map_or(text.len(), |end| begin + end), false)
            }
        };
        cells.push(TabCell {
            place: begin..end,
            is_quoted,
        });
        if text.get(end) != Some(&TAB) {
            return Some((cells, end));
        }
        begin = end + 1;
    }
}

/// Whether a cell is quoted.
enum TabQuote {
    /// It is, and ends here.
    Closed(usize),
    /// It begins with a quote, and the text ends before another.
    Open,
    No,
}

fn quoted_end(text: &[u8], begin: usize) -> TabQuote {
    if text.get(begin) != Some(&b'"') {
        return TabQuote::No;
    }
    let mut at = begin + 1;
    while let Some(quote) = memchr(b'"', &text[at..]).map(|quote| at + quote) {
        match text.get(quote + 1) {
            Some(b'"') => at = quote + 2,
            None | Some(&TAB | b'\n' | b'\r') => return TabQuote::Closed(quote + 1),
            _ => return TabQuote::No,
        }
    }
    TabQuote::Open
}

/// Appends the cells, those that hold a quote and are not quoted in quotes.
pub(super) fn push_cells(text: &[u8], cells: &[TabCell], out: &mut Vec<u8>) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            out.push(TAB);
        }
        let bytes = &text[cell.place.clone()];
        if cell.is_quoted {
            out.extend_from_slice(bytes);
        } else {
            escaped::push_cell(bytes, TAB, out);
        }
    }
}
