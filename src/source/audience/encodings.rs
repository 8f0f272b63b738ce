//! The encoding that a file which is not UTF-8 seems to have, and how its letters read in it.

use std::collections::HashSet;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GB18030, GBK, MACINTOSH};

/// Invalid sequences below this number are slips of single records, not another encoding.
const FEW: usize = 3;

/// Encodings that have letters of their own where those of Mac OS Roman are.
const CENTRAL: [&str; 4] = [
    "windows-1250",
    "windows-1254",
    "windows-1257",
    "windows-1258",
];

/// Characters from here on are ideographs or syllables (Unicode, CJK Radicals Supplement and what follows).
const IDEOGRAPHS: char = '\u{2e80}';

/// Samples that are shown.
const SAMPLES: usize = 2;

/// The encoding that the beginning of a file looks like, when it hardly is UTF-8.
pub(super) fn likely(bytes: &[u8]) -> Option<&'static str> {
    let nuls = memchr::memchr_iter(0, bytes).count();
    if nuls > bytes.len() / 8 {
        let odd = memchr::memchr_iter(0, bytes)
            .filter(|at| at % 2 == 1)
            .count();
        return Some(if odd * 2 > nuls {
            "utf-16le"
        } else {
            "utf-16be"
        });
    }
    let (mut invalid, mut valid) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        invalid += usize::from(!chunk.invalid().is_empty());
        valid += chunk.valid().bytes().filter(|&byte| byte >= 0xc0).count();
    }
    (invalid >= FEW && invalid > valid).then(|| detected(bytes))
}

/// The encoding that bytes which are not UTF-8 look most like.
pub(super) fn detected(bytes: &[u8]) -> &'static str {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    let encoding = if guess == GBK {
        // The newer standard has all characters of the older one.
        GB18030
    } else if guess.is_single_byte() && !CENTRAL.contains(&guess.name()) && is_mac_roman(bytes) {
        MACINTOSH
    } else {
        guess
    };
    encoding.name()
}

/// True where the bytes inside of words are letters of Mac OS Roman, and hardly one is a letter of windows-1252.
fn is_mac_roman(bytes: &[u8]) -> bool {
    let (mut mac, mut windows) = (0, 0);
    for window in bytes.windows(2) {
        let [before, byte] = window else {
            continue;
        };
        if !before.is_ascii_alphabetic() {
            continue;
        }
        match byte {
            0x87 | 0x8a | 0x8d..=0x8f | 0x96 | 0x97 | 0x9a | 0x9f => mac += 1,
            0xc0..=0xff => windows += 1,
            _ => {}
        }
    }
    mac > windows
}

/// How letters that are not ASCII read in `encoding`, of two words: each letter with one neighbour at most, and none where
/// a character is a syllable or a word, so that a sample tells the encoding and nobody's name.
pub(super) fn samples(bytes: &[u8], encoding: &'static Encoding) -> Vec<String> {
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    let mut seen = HashSet::new();
    let mut samples = Vec::new();
    for word in text.split(|letter: char| !letter.is_alphabetic()) {
        let mut before = None;
        let mut letters = word.chars().peekable();
        while let Some(letter) = letters.next() {
            if !letter.is_ascii() {
                if seen.insert(letter) {
                    samples.push(sample(before, letter, letters.peek().copied()));
                }
                break;
            }
            before = Some(letter);
        }
        if samples.len() == SAMPLES {
            break;
        }
    }
    samples
}

fn sample(before: Option<char>, letter: char, after: Option<char>) -> String {
    let is_word = letter >= IDEOGRAPHS;
    match (before, after) {
        _ if is_word => format!("…{letter}…"),
        (Some(before), _) => format!("…{before}{letter}…"),
        (None, Some(after)) => format!("…{letter}{after}…"),
        (None, None) => format!("…{letter}…"),
    }
}

/// The samples in a message, or nothing.
pub(super) fn told(samples: &[String]) -> String {
    match samples {
        [] => String::new(),
        samples => format!(" (its letters then read {})", samples.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::WINDOWS_1252;

    #[test]
    fn tells_likely_encodings() {
        let utf16 = |to: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "email,name\nx,y\n".encode_utf16().flat_map(to).collect()
        };
        assert_eq!(likely(&utf16(u16::to_le_bytes)), Some("utf-16le"));
        assert_eq!(likely(&utf16(u16::to_be_bytes)), Some("utf-16be"));
        assert_eq!(
            likely(b"Ren\xe9e\nJ\xfcrgen\nZo\xeb\n"),
            Some("windows-1252")
        );
        assert_eq!(likely("Renée\nJürgen\nZoë\n".as_bytes()), None);
        assert_eq!(likely(b"one slip \xe9 only"), None);
        assert_eq!(likely(b""), None);
    }

    #[test]
    fn samples_are_letters_and_no_words() {
        let bytes = b"J\xfcrgen M\xfcller,Ren\xe9e";
        assert_eq!(samples(bytes, WINDOWS_1252), ["…Jü…", "…né…"]);
        assert_eq!(samples(b"plain", WINDOWS_1252), Vec::<String>::new());
    }
}
