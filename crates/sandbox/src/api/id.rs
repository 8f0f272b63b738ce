//! Ids and time stamps in the forms that Klaviyo has today: lists 6 characters, profiles and jobs 26 (facts B1).
//!
//! They are made of a counter, so the same requests give the same ids; a client must not read anything into them.

use jiff::Timestamp;

/// Crockford's base 32, as in ULIDs.
const BASE32: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters and digits.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 64 bits in base 32.
const DIGITS: usize = 13;

/// Makes ids, each only once.
#[derive(Debug, Default)]
pub(super) struct Ids(u64);

impl Ids {
    /// An id of 26 characters, for profiles and jobs.
    pub(super) fn long(&mut self) -> String {
        self.0 += 1;
        let halves = [mixed(self.0), mixed(!self.0)];
        // The beginning of a ULID of our days.
        let text = halves.into_iter().flat_map(base32);
        "01".chars().chain(text.skip(2)).collect()
    }

    /// An id of 6 characters, for lists. The caller sees to it that no other list has it.
    pub(super) fn short(&mut self) -> String {
        self.0 += 1;
        let mut rest = mixed(self.0);
        let digits = std::iter::repeat_with(|| {
            let digit = usize::try_from(rest % 62).unwrap_or_default();
            rest /= 62;
            char::from(BASE62.get(digit).copied().unwrap_or(b'0'))
        });
        digits.take(6).collect()
    }

    /// A UUID, for errors.
    pub(super) fn uuid(&mut self) -> String {
        self.0 += 1;
        let (high, low) = (mixed(self.0), mixed(!self.0));
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

fn base32(number: u64) -> impl Iterator<Item = char> {
    (0..DIGITS).rev().map(move |place| {
        let digit = usize::try_from((number >> (5 * place)) & 31).unwrap_or_default();
        char::from(BASE32.get(digit).copied().unwrap_or(b'0'))
    })
}

/// A permutation of the 64-bit numbers that looks like chance (SplitMix64).
pub(super) fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A time as the API writes it, in whole seconds.
pub(super) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_their_lengths_and_do_not_come_again() {
        let mut ids = Ids::default();
        let long: HashSet<String> = (0..10_000).map(|_| ids.long()).collect();
        assert_eq!(long.len(), 10_000);
        assert!(long.iter().all(|id| id.len() == 26 && id.starts_with("01")));
        assert_eq!(ids.short().len(), 6);
        assert_eq!(ids.uuid().len(), 36);
    }
}
