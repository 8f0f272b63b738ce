//! The encoding that a file which is not UTF-8 seems to have, and how its letters read in it.

use std::collections::HashSet;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GB18030, GBK, MACINTOSH};

/// An encoding that a file seems to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikelyEncoding {
    /// One that is read, by its name for the key `encoding`.
    Readable(&'static str),
    /// A code page of DOS, which is not read. Its letters do not tell which page it is.
    Dos,
}

impl LikelyEncoding {
    /// The name for the key `encoding`, of an encoding that is read.
    pub const fn label(self) -> Option<&'static str> {
        match self {
            Self::Readable(label) => Some(label),
            Self::Dos => None,
        }
    }
}

/// The remedy for text in a code page of DOS. It was CP850 in Western Europe, CP437 in the United States and CP852 in
/// Central Europe.
pub const DOS_ADVICE: &str = "convert it, for example with iconv -f CP850 -t UTF-8 (CP437 in the United States, CP852 in Central Europe)";

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
pub(super) fn likely(bytes: &[u8]) -> Option<LikelyEncoding> {
    let nuls = memchr::memchr_iter(0, bytes).count();
    if nuls > bytes.len() / 8 {
        let odd = memchr::memchr_iter(0, bytes)
            .filter(|at| at % 2 == 1)
            .count();
        return Some(LikelyEncoding::Readable(if odd * 2 > nuls {
            "utf-16le"
        } else {
            "utf-16be"
        }));
    }
    let (mut invalid, mut valid) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        invalid += usize::from(!chunk.invalid().is_empty());
        valid += chunk.valid().bytes().filter(|&byte| byte >= 0xc0).count();
    }
    (invalid >= FEW && invalid > valid).then(|| detected(bytes))
}

/// The encoding that bytes which are not UTF-8 look most like.
pub(super) fn detected(bytes: &[u8]) -> LikelyEncoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    if guess == GBK {
        // The newer standard has all characters of the older one.
        return LikelyEncoding::Readable(GB18030.name());
    }
    let letters = OldLetters::count(bytes);
    if !guess.is_single_byte() {
        LikelyEncoding::Readable(guess.name())
    } else if letters.dos > letters.mac.max(letters.windows) {
        LikelyEncoding::Dos
    } else if !CENTRAL.contains(&guess.name()) && letters.mac > letters.windows {
        LikelyEncoding::Readable(MACINTOSH.name())
    } else {
        LikelyEncoding::Readable(guess.name())
    }
}

/// How many bytes inside of words are frequent letters of an encoding, in languages of Western Europe.
#[derive(Debug, Default)]
struct OldLetters {
    /// Of Mac OS Roman.
    mac: usize,
    /// Of the code pages 437 and 850, which have the same.
    dos: usize,
    /// Of windows-1252.
    windows: usize,
}

impl OldLetters {
    fn count(bytes: &[u8]) -> Self {
        let mut letters = Self::default();
        for window in bytes.windows(3) {
            // One between letters: a sign such as an ellipsis stands at the end of a word.
            let [before, byte, after] = window else {
                continue;
            };
            if !before.is_ascii_alphabetic() || !after.is_ascii_alphabetic() {
                continue;
            }
            match byte {
                // Ç or á, and è or ä.
                0x87 | 0x8a => {
                    letters.mac += 1;
                    letters.dos += 1;
                }
                0x8d..=0x8f | 0x96 | 0x97 | 0x9a | 0x9f => letters.mac += 1,
                0x81..=0x85 | 0x88 | 0x89 | 0x8b | 0x8c | 0x93 | 0x94 | 0xa0..=0xa4 | 0xe1 => {
                    letters.dos += 1;
                }
                0xc0..=0xff => letters.windows += 1,
                _ => {}
            }
        }
        letters
    }
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
        let label = |bytes: &[u8]| likely(bytes).and_then(LikelyEncoding::label);
        assert_eq!(label(&utf16(u16::to_le_bytes)), Some("utf-16le"));
        assert_eq!(label(&utf16(u16::to_be_bytes)), Some("utf-16be"));
        assert_eq!(
            label(b"Ren\xe9e\nJ\xfcrgen\nZo\xeb\n"),
            Some("windows-1252")
        );
        let dos = b"M\x81ller\nSch\x84fer\nRen\x82e\nMu\xa4oz\nGro\xe1mann\nC\xa2rdoba\n";
        assert_eq!(likely(dos), Some(LikelyEncoding::Dos));
        let signs = b"one\x85 two\x85 O\x92Brien, the end \x96 or not\n";
        assert_eq!(label(signs), Some("windows-1252"));
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
