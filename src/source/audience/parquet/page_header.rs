//! The header of a page, as far as its sizes go. The `parquet` crate reads it for itself and tells nobody its sizes.
//!
//! It is a struct of Thrift's compact protocol. Numbers and structs are read as the crate reads them: it does not look at their
//! types, takes the last of two, and cuts numbers that are too large. So a header cannot tell the two readers different sizes.
//!
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md> and
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>, read 2026-11-30.

use std::io::{self, Read};

/// How deep the values may be nested that are passed over. The crate has the same limit.
const DEEPEST: u8 = 64;

/// The type of a dictionary page.
const DICTIONARY: i32 = 2;

/// The sizes of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) is_dictionary: bool,
    /// The page in memory, in bytes.
    pub(super) unpacked: u64,
    /// The page in the file, without this header.
    pub(super) packed: u64,
    /// The bytes at its start that are never compressed.
    pub(super) levels: u64,
    /// Whether the bytes after them are compressed, where the column is.
    pub(super) is_compressed: bool,
    /// The header itself.
    pub(super) length: u64,
}

impl PageHeader {
    /// The header that `input` begins with.
    pub(super) fn read(input: impl Read) -> io::Result<Self> {
        let mut reader = CompactReader { input, taken: 0 };
        let (mut page_type, mut unpacked, mut packed) = (None, None, None);
        let mut second_version = None;
        let mut id = 0;
        while let Some(field) = reader.field(id)? {
            id = field.id;
            match id {
                1 => page_type = Some(reader.number()?),
                2 => unpacked = Some(reader.number()?),
                3 => packed = Some(reader.number()?),
                4 => {
                    reader.number()?;
                }
                5 => {
                    reader.numbers::<4>()?;
                }
                6 => {
                    reader.numbers::<0>()?;
                }
                7 => {
                    reader.numbers::<2>()?;
                }
                8 => second_version = Some(reader.numbers::<6>()?),
                _ => reader.skip(field.kind, DEEPEST)?,
            }
        }
        let (levels, is_compressed) = match second_version {
            Some(header) => {
                let [.., definitions, repetitions] = header.numbers;
                (size(definitions)? + size(repetitions)?, header.seventh)
            }
            None => (0, true),
        };
        let (Some(page_type), Some(unpacked), Some(packed)) = (page_type, unpacked, packed) else {
            return Err(unknown());
        };
        Ok(Self {
            is_dictionary: page_type == DICTIONARY,
            unpacked: size(unpacked)?,
            packed: size(packed)?,
            levels,
            is_compressed,
            length: reader.taken,
        })
    }
}

fn size(number: i32) -> io::Result<u64> {
    u64::try_from(number).map_err(|_| unknown())
}

fn unknown() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

/// The beginning of a field.
struct FieldStart {
    kind: u8,
    id: i16,
}

/// The first fields of a struct, which are numbers, and the seventh, which is true unless it says otherwise.
struct FirstFields<const N: usize> {
    numbers: [i32; N],
    seventh: bool,
}

/// A reader of Thrift's compact protocol.
struct CompactReader<R> {
    input: R,
    /// Bytes that were read.
    taken: u64,
}

impl<R: Read> CompactReader<R> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.input.read_exact(&mut byte)?;
        self.taken += 1;
        Ok(byte[0])
    }

    /// Passes over so many bytes, or as many as there are.
    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        self.taken += io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())?;
        Ok(())
    }

    fn unsigned(&mut self) -> io::Result<u64> {
        let (mut value, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift = shift.wrapping_add(7);
        }
    }

    /// A signed number. Of one that is too large, the lower half.
    fn number(&mut self) -> io::Result<i32> {
        let value = self.unsigned()?;
        let [a, b, c, d, ..] = ((value >> 1) ^ (value & 1).wrapping_neg()).to_le_bytes();
        Ok(i32::from_le_bytes([a, b, c, d]))
    }

    /// The beginning of the field after the one with `last` as its id; `None` at the end of the struct.
    fn field(&mut self, last: i16) -> io::Result<Option<FieldStart>> {
        let byte = self.byte()?;
        let kind = byte & 0x0f;
        if kind == 0 {
            return Ok(None);
        }
        let id = match byte >> 4 {
            0 => {
                let [a, b, ..] = self.number()?.to_le_bytes();
                i16::from_le_bytes([a, b])
            }
            more => last.checked_add(i16::from(more)).ok_or_else(unknown)?,
        };
        Ok(Some(FieldStart { kind, id }))
    }

    /// A struct whose first `N` fields are numbers.
    fn numbers<const N: usize>(&mut self) -> io::Result<FirstFields<N>> {
        let mut found = FirstFields {
            numbers: [0; N],
            seventh: true,
        };
        let mut id = 0;
        while let Some(field) = self.field(id)? {
            id = field.id;
            let index = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
            match index.and_then(|index| found.numbers.get_mut(index)) {
                Some(number) => *number = self.number()?,
                None => self.skip(field.kind, DEEPEST)?,
            }
            if id == 7 {
                // A boolean is its own type.
                found.seventh = field.kind == 1;
            }
        }
        Ok(found)
    }

    /// Passes over a value of this type.
    fn skip(&mut self, kind: u8, depth: u8) -> io::Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(unknown)?;
        match kind {
            1 | 2 => Ok(()),
            3 => self.byte().map(drop),
            4..=6 => self.unsigned().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.unsigned()?;
                self.pass(length)
            }
            9 | 10 => self.skip_list(depth),
            11 => self.skip_map(depth),
            12 => {
                while let Some(field) = self.field(0)? {
                    self.skip(field.kind, depth)?;
                }
                Ok(())
            }
            13 => self.pass(16),
            _ => Err(unknown()),
        }
    }

    fn skip_list(&mut self, depth: u8) -> io::Result<()> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(());
        }
        let items = match byte >> 4 {
            15 => self.unsigned()?,
            few => u64::from(few),
        };
        self.skip_items(items, &[byte & 0x0f], depth)
    }

    fn skip_map(&mut self, depth: u8) -> io::Result<()> {
        let items = self.unsigned()?;
        if items == 0 {
            return Ok(());
        }
        let kinds = self.byte()?;
        self.skip_items(items, &[kinds >> 4, kinds & 0x0f], depth)
    }

    /// Passes over so many items, each with a value of each of these types.
    fn skip_items(&mut self, items: u64, kinds: &[u8], depth: u8) -> io::Result<()> {
        if items > u64::from(i32::MAX.unsigned_abs()) {
            return Err(unknown());
        }
        // Booleans take no room here, as the crate has it, so that their number says nothing about the length of the file.
        if kinds.iter().all(|kind| matches!(kind, 1 | 2)) {
            return Ok(());
        }
        for _ in 0..items {
            for &kind in kinds {
                self.skip(kind, depth)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number in zigzag and in groups of seven bits.
    fn number(value: i64) -> Vec<u8> {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        let mut bytes = Vec::new();
        while rest >= 0x80 {
            bytes.push(0x80 | u8::try_from(rest & 0x7f).unwrap());
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap());
        bytes
    }

    /// The three fields that every header has.
    fn sizes(page_type: i64, unpacked: i64, packed: i64) -> Vec<u8> {
        let fields = [page_type, unpacked, packed];
        let fields = fields.map(|value| [vec![0x15], number(value)].concat());
        fields.concat()
    }

    fn read(bytes: &[u8]) -> Option<PageHeader> {
        PageHeader::read(bytes).ok()
    }

    fn header(unpacked: u64, packed: u64, length: usize) -> PageHeader {
        PageHeader {
            is_dictionary: false,
            unpacked,
            packed,
            levels: 0,
            is_compressed: true,
            length: length as u64,
        }
    }

    #[test]
    fn the_sizes_of_a_page_are_read() {
        let plain = [sizes(0, 1_000, 70), vec![0]].concat();
        assert_eq!(read(&plain), Some(header(1_000, 70, plain.len())));
        let dictionary = [sizes(2, 9, 8), vec![0x4c, 0x15, 6, 0x15, 0, 0x12, 0, 0]].concat();
        let expected = PageHeader {
            is_dictionary: true,
            ..header(9, 8, dictionary.len())
        };
        assert_eq!(read(&dictionary), Some(expected));
        // Bytes after the header are not touched.
        let more = [&plain[..], &[1, 2, 3]].concat();
        assert_eq!(read(&more), read(&plain));
    }

    #[test]
    fn the_second_version_has_levels_that_are_not_compressed() {
        for (is_compressed, kind) in [(true, 0x11), (false, 0x12)] {
            let mut bytes = [sizes(3, 500, 70), vec![0x5c]].concat();
            for value in [10, 0, 10, 0, 11, 22] {
                bytes.extend([vec![0x15], number(value)].concat());
            }
            bytes.extend([kind, 0, 0]);
            let expected = PageHeader {
                levels: 33,
                is_compressed,
                ..header(500, 70, bytes.len())
            };
            assert_eq!(read(&bytes), Some(expected));
        }
    }

    #[test]
    fn fields_of_any_kind_are_passed_over() {
        let pair = |kinds: u8| [vec![2, kinds], number(1), vec![0]].concat();
        for (kind, value) in [
            (1, vec![]),
            (3, vec![7]),
            (6, number(i64::MAX)),
            (7, vec![0; 8]),
            (8, vec![3, b'a', b'b', b'c']),
            (9, vec![0x38, 1, b'a', 0, 1, b'b']),
            (
                9,
                vec![0xf3, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7],
            ),
            (9, vec![0]),
            (10, vec![0x22]),
            (11, vec![0]),
            (11, pair(0x52)[..2].iter().copied().chain([4, 4]).collect()),
            (12, vec![0x18, 1, b'a', 0x1c, 0, 0]),
            (13, vec![0; 16]),
        ] {
            let bytes = [sizes(0, 10, 5), vec![0x60 | kind], value.clone(), vec![0]].concat();
            let read = read(&bytes);
            assert_eq!(read, Some(header(10, 5, bytes.len())), "{kind}: {value:?}");
        }
    }

    #[test]
    fn a_header_tells_the_sizes_that_the_decoder_reads() {
        // The last of two counts.
        let twice = [sizes(0, 10, 5), vec![0x05, 4], number(1 << 30), vec![0]].concat();
        assert_eq!(read(&twice), Some(header(1 << 30, 5, twice.len())));
        // A number is one, whatever its type says.
        let bytes = [
            vec![0x15, 0, 0x18],
            number(77),
            vec![0x1c],
            number(5),
            vec![0],
        ]
        .concat();
        assert_eq!(read(&bytes), Some(header(77, 5, bytes.len())));
        // A struct is one, whatever its type says: this one ends at once, and another size follows.
        for id in [5, 6, 7, 8] {
            let bytes = [
                sizes(0, 10, 5),
                vec![(id - 3) << 4 | 7],
                vec![0, 0x05, 4],
                number(1 << 30),
                vec![0],
            ]
            .concat();
            assert_eq!(
                read(&bytes).map(|header| header.unpacked),
                Some(1 << 30),
                "{id}"
            );
        }
        // The lower half of one that is too large.
        let large = [sizes(0, (7 << 32) + 10, 5), vec![0]].concat();
        assert_eq!(read(&large), Some(header(10, 5, large.len())));
    }

    #[test]
    fn what_is_no_header_is_told() {
        let nested = [sizes(0, 10, 5), vec![0x6c], vec![0x1c; 100], vec![0; 102]].concat();
        for bytes in [
            vec![],
            vec![0],
            sizes(0, 10, 5),
            [sizes(0, -10, 5), vec![0]].concat(),
            [sizes(0, 10, -5), vec![0]].concat(),
            [vec![0x15, 0, 0x25, 10], vec![0]].concat(),
            [sizes(0, 10, 5), vec![0x6e, 0]].concat(),
            [sizes(0, 10, 5), vec![0x69, 0xf8], vec![0xff; 9], vec![1, 0]].concat(),
            vec![0xff; 1_000],
            nested,
        ] {
            assert_eq!(read(&bytes), None, "{bytes:?}");
        }
    }
}
