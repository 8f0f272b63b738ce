//! The part of a URL behind the question mark: parameters, percent signs, pages.

use std::fmt::Write as _;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::refusal::Refusal;

/// The parameters in the order they came, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=1&b=2`; `+` is a blank, as in forms.
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    /// A parameter's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(it, _)| it == name)?;
        Some(&pair.1)
    }

    /// True when a parameter's comma-separated list has this item.
    pub(super) fn lists(&self, name: &str, item: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.split(',').any(|it| it == item))
    }

    /// Refuses a parameter that the operation does not have.
    pub(super) fn allow(&self, names: &[&str]) -> Result<(), Refusal> {
        match self
            .0
            .iter()
            .find(|(name, _)| !names.contains(&name.as_str()))
        {
            Some((name, _)) => Err(Refusal::parameter(
                name,
                "the operation has no such parameter",
            )),
            None => Ok(()),
        }
    }

    /// The query with this cursor, for `links.next`.
    pub(super) fn with_cursor(&self, cursor: &str) -> Self {
        let others = self.0.iter().filter(|(name, _)| name != CURSOR).cloned();
        Self(
            others
                .chain([(CURSOR.to_owned(), cursor.to_owned())])
                .collect(),
        )
    }

    /// The query as it stands in a URL, with the question mark.
    pub(super) fn encoded(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            text.push(if text.is_empty() { '?' } else { '&' });
            encode(name, &mut text);
            text.push('=');
            encode(value, &mut text);
        }
        text
    }
}

const CURSOR: &str = "page[cursor]";

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = tail;
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// Which items of a collection are asked for. Items have numbers that grow; a cursor is the last number that was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    after: Option<u64>,
    size: usize,
    /// True for an order from the highest number down.
    pub(super) descending: bool,
}

impl Page {
    /// Reads `page[size]`, from 1 to `max`, and `page[cursor]`.
    pub(super) fn of(query: &Query, default: usize, max: usize) -> Result<Self, Refusal> {
        let size = match query.get("page[size]") {
            None => default,
            Some(text) => text
                .parse()
                .ok()
                .filter(|size| (1..=max).contains(size))
                .ok_or_else(|| {
                    Refusal::parameter("page[size]", format!("a whole number from 1 to {max}"))
                })?,
        };
        let after = query.get(CURSOR).map(cursor_number).transpose()?;
        Ok(Self {
            after,
            size,
            descending: false,
        })
    }

    /// The page in the order of `sort`, which may be `field` or `-field`.
    pub(super) fn sorted_by(mut self, query: &Query, field: &str) -> Result<Self, Refusal> {
        match query.get("sort") {
            None => {}
            Some(sort) if sort == field => {}
            Some(sort) if sort.strip_prefix('-') == Some(field) => self.descending = true,
            Some(_) => {
                let detail = format!("the sandbox sorts by {field} and -{field} only");
                return Err(Refusal::parameter("sort", detail));
            }
        }
        Ok(self)
    }

    /// The numbers that are still to come.
    pub(super) fn bounds(&self) -> (Bound<u64>, Bound<u64>) {
        match self.after {
            None => (Bound::Unbounded, Bound::Unbounded),
            Some(after) if self.descending => (Bound::Unbounded, Bound::Excluded(after)),
            Some(after) => (Bound::Excluded(after), Bound::Unbounded),
        }
    }

    /// Takes one page of `items`, which come in the right order and may begin before the cursor; also the next cursor.
    pub(super) fn take<T>(
        &self,
        items: impl DoubleEndedIterator<Item = (u64, T)>,
    ) -> (Vec<T>, Option<String>) {
        if self.descending {
            self.take_in_order(items.rev())
        } else {
            self.take_in_order(items)
        }
    }

    fn take_in_order<T>(&self, items: impl Iterator<Item = (u64, T)>) -> (Vec<T>, Option<String>) {
        let mut items = items
            .filter(|(number, _)| match self.after {
                Some(after) if self.descending => *number < after,
                Some(after) => *number > after,
                None => true,
            })
            .peekable();
        let mut last = 0;
        let mut taken = Vec::new();
        while taken.len() < self.size {
            let Some((number, item)) = items.next() else {
                return (taken, None);
            };
            last = number;
            taken.push(item);
        }
        let next = items.peek().map(|_| cursor(last));
        (taken, next)
    }
}

/// A cursor that says nothing to a client.
fn cursor(number: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("after::{number}"))
}

fn cursor_number(text: &str) -> Result<u64, Refusal> {
    let decoded = URL_SAFE_NO_PAD.decode(text).ok();
    decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix("after::")?.parse().ok())
        .ok_or_else(|| Refusal::parameter(CURSOR, "not a cursor of this API"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_reads_back() {
        let query = Query::parse("filter=any(email,%5B%22a%2Bb@x.example%22%5D)&page%5Bsize%5D=2");
        assert_eq!(query.get("filter"), Some("any(email,[\"a+b@x.example\"])"));
        assert_eq!(query.get("page[size]"), Some("2"));
        assert_eq!(Query::parse(&query.encoded()[1..]), query);
        assert_eq!(
            Query::parse("a=1+2&b=%zz%").encoded(),
            "?a=1%202&b=%25zz%25"
        );
    }

    #[test]
    fn pages_follow_each_other_in_both_orders() {
        for (sort, expected) in [("n", [1, 2, 4, 7, 9]), ("-n", [9, 7, 4, 2, 1])] {
            let first = Query::parse(&format!("page[size]=2&sort={sort}"));
            let mut query = first.clone();
            let mut seen = Vec::new();
            loop {
                let page = Page::of(&query, 10, 10)
                    .unwrap()
                    .sorted_by(&query, "n")
                    .unwrap();
                let (items, next) = page.take([1, 2, 4, 7, 9].map(|n| (n, n)).into_iter());
                assert!(items.len() <= 2);
                seen.extend(items);
                let Some(next) = next else { break };
                query = first.with_cursor(&next);
            }
            assert_eq!(seen, expected);
        }
    }
}
