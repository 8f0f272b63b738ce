//! Addresses that are seen to be good as a whole, with a few instructions for all of their bytes: nearly every address is one.
//!
//! The rules of [`super::normalize`] stand there. An address of letters, digits, dots and the usual marks keeps them if its
//! dots, its @ and its ends are apart, and its top-level domain has letters alone.

use wide::u8x16;

/// The bytes that are looked at together. Of real addresses 99 in 100 are no longer.
const WIDTH: usize = 48;
const LANES: usize = 16;

/// An address and what follows it, as vectors.
type Vectors = [u8x16; WIDTH / LANES];

/// Appends the address in lower case to `out`, if it is a usual one. False says nothing of the address.
pub(super) fn normalize(cell: &[u8], out: &mut Vec<u8>) -> bool {
    if cell.is_empty() || cell.len() > WIDTH {
        return false;
    }
    let mut bytes = [0; WIDTH];
    bytes[..cell.len()].copy_from_slice(cell);
    let mut lower = [0, LANES, 2 * LANES].map(|at| {
        let mut lanes = [0; LANES];
        lanes.copy_from_slice(&bytes[at..at + LANES]);
        u8x16::from(lanes)
    });
    for vector in &mut lower {
        *vector |= within(*vector, b'A', 26) & u8x16::splat(b'a' - b'A');
    }
    if !is_usual(&lower, cell.len()) {
        return false;
    }
    for (at, vector) in lower.iter().enumerate() {
        bytes[at * LANES..][..LANES].copy_from_slice(vector.as_array());
    }
    out.extend_from_slice(&bytes[..cell.len()]);
    true
}

/// Whether the first `length` bytes are a good address without a hyphen in its domain.
fn is_usual(lower: &Vectors, length: usize) -> bool {
    let at = bits(lower, |bytes| is(bytes, b'@'));
    let dots = bits(lower, |bytes| is(bytes, b'.'));
    let letters = bits(lower, |bytes| within(bytes, b'a', 26));
    let digits = bits(lower, |bytes| within(bytes, b'0', 10));
    let marks = bits(lower, |bytes| {
        is(bytes, b'_') | is(bytes, b'-') | is(bytes, b'+')
    });
    if at.count_ones() != 1 {
        return false;
    }
    let local = at - 1;
    let last = 1 << (length - 1);
    let domain = (last | (last - 1)) & !local & !at;
    let words = letters | digits;
    let are_good = local & !(words | marks | dots) == 0 && domain & !(words | dots) == 0;
    let ends = dots | at;
    let are_apart = ends & ends << 1 == 0 && ends & (1 | last) == 0;
    let dots_of_domain = dots & domain;
    let Some(last_dot) = dots_of_domain.checked_ilog2() else {
        return false;
    };
    let top = domain >> last_dot >> 1;
    are_good && are_apart && top & !(letters >> last_dot >> 1) == 0 && top.count_ones() >= 2
}

/// The places of the bytes for which `holds` is true, the first one in the lowest bit.
fn bits(vectors: &Vectors, holds: impl Fn(u8x16) -> u8x16) -> u64 {
    let lanes = vectors.map(|vector| u64::from(holds(vector).to_bitmask()));
    lanes[0] | lanes[1] << LANES | lanes[2] << (2 * LANES)
}

fn is(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.simd_eq(u8x16::splat(byte))
}

/// The bytes from `first` on, of which there are `count`.
fn within(bytes: u8x16, first: u8, count: u8) -> u8x16 {
    let offsets = bytes - u8x16::splat(first);
    offsets.simd_eq(offsets.min(u8x16::splat(count - 1)))
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use proptest::prelude::*;

    fn normalized(cell: &str) -> Option<String> {
        let mut out = b"before ".to_vec();
        let is_usual = normalize(cell.as_bytes(), &mut out);
        let text = String::from_utf8(out).unwrap();
        let appended = text.strip_prefix("before ").unwrap().to_owned();
        assert_eq!(is_usual, !appended.is_empty(), "{cell}");
        is_usual.then_some(appended)
    }

    #[test]
    fn what_people_have_is_usual() {
        for (cell, address) in [
            ("a@b.co", "a@b.co"),
            (
                "Ann.Lee+News_2026@Mail.Example.COM",
                "ann.lee+news_2026@mail.example.com",
            ),
            ("ann-lee@1.example", "ann-lee@1.example"),
        ] {
            assert_eq!(normalized(cell).as_deref(), Some(address));
        }
        let long = |length: usize| format!("{}@example.com", "a".repeat(length - 12));
        assert_eq!(normalized(&long(WIDTH)), Some(long(WIDTH)));
        for other in [
            &*long(WIDTH + 1),
            "",
            "@",
            "a@",
            "@b.co",
            "a@b",
            "a.@b.co",
            ".a@b.co",
            "a..b@c.co",
            "a@.co",
            "a@b.",
            "a@b..co",
            "a@b@c.co",
            "a@b.c",
            "a@b.c2",
            "a@b_c.co",
            "a b@c.co",
            "a/b@c.co",
            "\u{e9}@c.co",
            "a@c.co\0",
        ] {
            assert_eq!(normalized(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_usual_address_is_a_good_one(
            cell in "[a-zA-Z0-9.!+/_@é-]{0,24}@?[a-zA-Z0-9._@-]{0,24}(\\.(com|De|xn--p1ai|c|c2))?"
        ) {
            if let Some(address) = normalized(&cell) {
                prop_assert_eq!(check(cell.as_bytes()), Ok(()));
                prop_assert_eq!(address, cell.to_ascii_lowercase());
            }
        }

        #[test]
        fn a_good_address_without_a_hyphen_in_its_domain_is_usual(
            cell in "[a-zA-Z0-9_+-]{1,9}(\\.[a-zA-Z0-9_+-]{1,9})?@[a-z0-9A-Z]{1,9}(\\.[a-z0-9A-Z]{1,8})?\\.[a-zA-Z]{2,8}"
        ) {
            prop_assert_eq!(check(cell.as_bytes()), Ok(()));
            prop_assert_eq!(normalized(&cell), Some(cell.to_ascii_lowercase()));
        }
    }
}
