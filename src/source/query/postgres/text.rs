//! The text of a query: without what may stand after it, and places in it.

use std::iter::Peekable;
use std::str::CharIndices;

/// The statement of `text` without semicolons, blanks and comments around it, so that it can be put in parentheses.
pub(in super::super) fn bare(text: &str) -> &str {
    let mut scanner = SqlScanner {
        text,
        letters: text.char_indices().peekable(),
    };
    let (mut start, mut end) = (None, 0);
    while let Some((at, is_statement)) = scanner.token() {
        if is_statement {
            start.get_or_insert(at);
            end = scanner.at();
        }
    }
    &text[start.unwrap_or(0)..end]
}

/// Line and column, both from 1, of the letter with this number (from 1) in `text`.
pub(super) fn place(text: &str, position: u32) -> (usize, usize) {
    let before = text.chars().take((position as usize).saturating_sub(1));
    before.fold((1, 1), |(line, column), letter| match letter {
        '\n' => (line + 1, 1),
        _ => (line, column + 1),
    })
}

struct SqlScanner<'a> {
    text: &'a str,
    letters: Peekable<CharIndices<'a>>,
}

impl SqlScanner<'_> {
    fn at(&mut self) -> usize {
        self.letters.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn rest(&mut self) -> &str {
        let at = self.at();
        &self.text[at..]
    }

    /// The next token: where it begins, and whether it belongs to a statement.
    fn token(&mut self) -> Option<(usize, bool)> {
        let (at, letter) = self.letters.next()?;
        match letter {
            ';' => return Some((at, false)),
            letter if letter.is_whitespace() => return Some((at, false)),
            '-' if self.rest().starts_with('-') => {
                self.skip_past("\n");
                return Some((at, false));
            }
            '/' if self.rest().starts_with('*') => {
                self.skip_comment();
                return Some((at, false));
            }
            '\'' => self.skip_past("'"),
            '"' => self.skip_past("\""),
            '$' => self.skip_dollars(),
            letter if is_word(letter) => self.skip_word(letter),
            _ => {}
        }
        Some((at, true))
    }

    fn skip_bytes(&mut self, end: usize) {
        while self.letters.next_if(|(at, _)| *at < end).is_some() {}
    }

    /// Goes on after the next `end`, or to the end of the text. A doubled quote is seen as two texts.
    fn skip_past(&mut self, end: &str) {
        let at = self.at();
        let found = self.text[at..].find(end);
        self.skip_bytes(found.map_or(self.text.len(), |found| at + found + end.len()));
    }

    /// Comments nest.
    fn skip_comment(&mut self) {
        self.letters.next();
        let mut depth = 1;
        while depth > 0 {
            match self.letters.next() {
                Some((_, '*')) if self.letters.next_if(|(_, next)| *next == '/').is_some() => {
                    depth -= 1;
                }
                Some((_, '/')) if self.letters.next_if(|(_, next)| *next == '*').is_some() => {
                    depth += 1;
                }
                Some(_) => {}
                None => return,
            }
        }
    }

    /// A text between `$tag$` and `$tag$`.
    fn skip_dollars(&mut self) {
        let rest = self.rest();
        let Some(tag) = rest
            .find('$')
            .map(|end| &rest[..end])
            .filter(|tag| tag.chars().all(is_word) && !tag.starts_with(|c: char| c.is_numeric()))
        else {
            return;
        };
        let (length, end) = (tag.len() + 1, format!("${tag}$"));
        let at = self.at();
        self.skip_bytes(at + length);
        self.skip_past(&end);
    }

    /// A word; one that is `E` alone may begin a text in which a backslash keeps the next letter.
    fn skip_word(&mut self, first: char) {
        let begun = self.at();
        while self
            .letters
            .next_if(|(_, letter)| is_word(*letter) || *letter == '$')
            .is_some()
        {}
        let is_alone = self.at() == begun && first.eq_ignore_ascii_case(&'e');
        if is_alone
            && self
                .letters
                .next_if(|(_, letter)| *letter == '\'')
                .is_some()
        {
            while let Some((_, letter)) = self.letters.next() {
                match letter {
                    '\\' => {
                        self.letters.next();
                    }
                    '\'' => return,
                    _ => {}
                }
            }
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_statement_is_left_out() {
        for (text, expected) in [
            ("SELECT 1", "SELECT 1"),
            (" SELECT 1 ; \n", "SELECT 1"),
            ("SELECT 1; -- ; done", "SELECT 1"),
            ("-- vip\nSELECT 1 -- one\n;;", "SELECT 1"),
            ("SELECT 1 /* a; /* b */ */ ; /* c */", "SELECT 1"),
            ("SELECT ';', \"a;--\" ;", "SELECT ';', \"a;--\""),
            ("SELECT 'it''s;' ;", "SELECT 'it''s;'"),
            (r"SELECT e'\';--' ;", r"SELECT e'\';--'"),
            (r"SELECT name'\' ;", r"SELECT name'\'"),
            ("SELECT $x$;'--$x$ ;", "SELECT $x$;'--$x$"),
            ("SELECT $$;$$;", "SELECT $$;$$"),
            ("SELECT a$b, '$' ;--$", "SELECT a$b, '$'"),
            ("SELECT '😀'; ", "SELECT '😀'"),
            ("SELECT 5-2/1;", "SELECT 5-2/1"),
            ("SELECT 'open", "SELECT 'open"),
            ("; -- nothing", ""),
        ] {
            assert_eq!(bare(text), expected, "{text}");
        }
    }

    #[test]
    fn places_count_letters() {
        assert_eq!(place("SELECT x", 8), (1, 8));
        assert_eq!(place("SELECT '😀',\n  x", 14), (2, 2));
        assert_eq!(place("a", 9), (1, 2));
    }
}
