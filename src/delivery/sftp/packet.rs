//! The packets of SFTP version 3 that an upload needs (draft-ietf-secsh-filexfer-02), and OpenSSH's `statvfs@openssh.com`.
//!
//! Our own, since russh-sftp's hold file handles as text, which they are not (RFC draft, section 6.2: any bytes), and copy
//! what is written twice more.

/// The version that is spoken; every server knows it.
const VERSION: u32 = 3;

const INIT: u8 = 1;
const VERSION_REPLY: u8 = 2;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const WRITE: u8 = 6;
const SETSTAT: u8 = 9;
const OPENDIR: u8 = 11;
const REMOVE: u8 = 13;
const STAT: u8 = 17;
const RENAME: u8 = 18;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const ATTRS: u8 = 105;
const EXTENDED: u8 = 200;
const EXTENDED_REPLY: u8 = 201;

/// WRITE, CREAT and TRUNC: what a server on S3 takes.
const WRITE_NEW: u32 = 0x02 | 0x08 | 0x10;
/// READ.
pub(super) const READ: u32 = 0x01;
/// WRITE and APPEND.
pub(super) const APPEND: u32 = 0x02 | 0x04;
/// WRITE, CREAT and EXCL.
pub(super) const CREATE_NEW: u32 = 0x02 | 0x08 | 0x20;
const WITH_SIZE: u32 = 0x01;
const WITH_OWNER: u32 = 0x02;
const WITH_PERMISSIONS: u32 = 0x04;
const WITH_TIMES: u32 = 0x08;
/// The mode of a new file, where a server has modes.
const MODE: u32 = 0o644;
const FILE_TYPE: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;

/// A reply of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The request that it answers.
    pub(super) id: u32,
    pub(super) body: ReplyBody,
}

/// The content of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReplyBody {
    /// The protocol's version, to INIT.
    Version(u32),
    /// How it went; 0 is well.
    Status(u32),
    /// A file or a directory is open.
    Handle(Vec<u8>),
    /// The attributes of a file.
    Attributes(Attributes),
    /// The answer to an extension.
    Extended(Vec<u8>),
}

/// The attributes of a file, as the server sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Bytes.
    pub(super) size: Option<u64>,
    pub(super) is_directory: bool,
}

/// INIT, which has no id.
pub(super) fn init() -> Vec<u8> {
    Packet::new(INIT, VERSION, 0).done()
}

/// OPEN, to write a file from its beginning.
pub(super) fn open(id: u32, path: &str) -> Vec<u8> {
    open_as(id, path, WRITE_NEW)
}

/// OPEN with these flags.
pub(super) fn open_as(id: u32, path: &str, flags: u32) -> Vec<u8> {
    Packet::new(OPEN, id, path.len())
        .string(path.as_bytes())
        .number(flags)
        .number(WITH_PERMISSIONS)
        .number(MODE)
        .done()
}

/// CLOSE of a file or a directory.
pub(super) fn close(id: u32, handle: &[u8]) -> Vec<u8> {
    Packet::new(CLOSE, id, handle.len()).string(handle).done()
}

/// The beginning of a WRITE of `length` bytes at `offset`; the caller appends these, for which there is room.
pub(super) fn write(id: u32, handle: &[u8], offset: u64, length: u32) -> Vec<u8> {
    let room = handle.len() + length as usize;
    let mut packet = Packet::new(WRITE, id, room).string(handle);
    packet.bytes.extend(offset.to_be_bytes());
    let mut bytes = packet.number(length).bytes;
    set_length(&mut bytes, length as usize);
    bytes
}

/// STAT, which follows symbolic links.
pub(super) fn stat(id: u32, path: &str) -> Vec<u8> {
    of_path(STAT, id, path)
}

/// REMOVE of a file.
pub(super) fn remove(id: u32, path: &str) -> Vec<u8> {
    of_path(REMOVE, id, path)
}

/// SETSTAT of the permissions that a new file gets.
pub(super) fn set_permissions(id: u32, path: &str) -> Vec<u8> {
    Packet::new(SETSTAT, id, path.len())
        .string(path.as_bytes())
        .number(WITH_PERMISSIONS)
        .number(MODE)
        .done()
}

/// SETSTAT of both times, in seconds since 1970.
pub(super) fn set_times(id: u32, path: &str, seconds: u32) -> Vec<u8> {
    Packet::new(SETSTAT, id, path.len())
        .string(path.as_bytes())
        .number(WITH_TIMES)
        .number(seconds)
        .number(seconds)
        .done()
}

/// RENAME of a file.
pub(super) fn rename(id: u32, path: &str, to: &str) -> Vec<u8> {
    Packet::new(RENAME, id, path.len() + to.len())
        .string(path.as_bytes())
        .string(to.as_bytes())
        .done()
}

/// OPENDIR.
pub(super) fn open_directory(id: u32, path: &str) -> Vec<u8> {
    of_path(OPENDIR, id, path)
}

/// Asks how much room there is where `path` lies.
pub(super) fn free_space(id: u32, path: &str) -> Vec<u8> {
    Packet::new(EXTENDED, id, path.len())
        .string(b"statvfs@openssh.com")
        .string(path.as_bytes())
        .done()
}

/// The bytes that a user may still write, from the answer to [`free_space`].
pub(super) fn free_bytes(mut body: &[u8]) -> Option<u64> {
    let mut fields = [0; 5];
    for field in &mut fields {
        *field = u64::from_be_bytes(take(&mut body)?);
    }
    let [_block, fragment, _blocks, _free, available] = fields;
    available.checked_mul(fragment)
}

/// Reads one packet, without the length before it. None for what no server may say.
pub(super) fn reply(packet: &[u8]) -> Option<Reply> {
    let (kind, mut rest) = packet.split_first()?;
    // VERSION has its number where the others have the id.
    let id = number(&mut rest)?;
    let body = match *kind {
        VERSION_REPLY => ReplyBody::Version(id),
        STATUS => ReplyBody::Status(number(&mut rest)?),
        HANDLE => ReplyBody::Handle(string(&mut rest)?.to_vec()),
        ATTRS => ReplyBody::Attributes(attributes(&mut rest)?),
        EXTENDED_REPLY => ReplyBody::Extended(rest.to_vec()),
        _ => return None,
    };
    Some(Reply { id, body })
}

fn attributes(rest: &mut &[u8]) -> Option<Attributes> {
    let flags = number(rest)?;
    let size = match flags & WITH_SIZE {
        0 => None,
        _ => Some(u64::from_be_bytes(take(rest)?)),
    };
    if flags & WITH_OWNER != 0 {
        take::<8>(rest)?;
    }
    let mode = match flags & WITH_PERMISSIONS {
        0 => 0,
        _ => number(rest)?,
    };
    Some(Attributes {
        size,
        is_directory: mode & FILE_TYPE == DIRECTORY,
    })
}

fn of_path(kind: u8, id: u32, path: &str) -> Vec<u8> {
    Packet::new(kind, id, path.len())
        .string(path.as_bytes())
        .done()
}

/// A packet as it grows; the length before it is set at the end.
struct Packet {
    bytes: Vec<u8>,
}

impl Packet {
    /// `room` is what the strings and the data will take.
    fn new(kind: u8, id: u32, room: usize) -> Self {
        let mut bytes = Vec::with_capacity(room + 64);
        bytes.extend([0; 4]);
        bytes.push(kind);
        bytes.extend(id.to_be_bytes());
        Self { bytes }
    }

    fn number(mut self, number: u32) -> Self {
        self.bytes.extend(number.to_be_bytes());
        self
    }

    fn string(self, string: &[u8]) -> Self {
        let mut packet = self.number(saturated(string.len()));
        packet.bytes.extend_from_slice(string);
        packet
    }

    fn done(mut self) -> Vec<u8> {
        set_length(&mut self.bytes, 0);
        self.bytes
    }
}

/// Sets the length of a packet that `to_come` more bytes will be appended to.
fn set_length(packet: &mut [u8], to_come: usize) {
    let length = saturated(packet.len() + to_come - 4);
    packet[..4].copy_from_slice(&length.to_be_bytes());
}

/// No packet here comes near it: paths and handles are short, and a write is cut.
fn saturated(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

pub(super) fn number(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_be_bytes)
}

pub(super) fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (string, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(string)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that the draft asks for, written out.
    #[test]
    fn requests_are_as_the_draft_has_them() {
        assert_eq!(init(), [0, 0, 0, 5, 1, 0, 0, 0, 3]);
        assert_eq!(
            open(7, "/x"),
            [
                &[0, 0, 0, 23, 3, 0, 0, 0, 7, 0, 0, 0, 2][..],
                b"/x",
                &[0, 0, 0, 0x1a, 0, 0, 0, 4, 0, 0, 0x01, 0xa4]
            ]
            .concat()
        );
        assert_eq!(
            close(8, &[0xff, 0]),
            [0, 0, 0, 11, 4, 0, 0, 0, 8, 0, 0, 0, 2, 0xff, 0]
        );
        let head = write(9, b"h", (5 << 32) + 1, 3);
        let expected = [
            &[0, 0, 0, 25, 6, 0, 0, 0, 9, 0, 0, 0, 1][..],
            b"h",
            &[0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 3],
        ];
        assert_eq!(head, expected.concat());
        assert!(head.capacity() >= head.len() + 3);
        for (packet, kind) in [
            (stat(1, "p"), 17),
            (remove(1, "p"), 13),
            (open_directory(1, "p"), 11),
        ] {
            assert_eq!(packet, [0, 0, 0, 10, kind, 0, 0, 0, 1, 0, 0, 0, 1, b'p']);
        }
        let asked = free_space(2, "/");
        assert_eq!(asked.len(), 4 + 5 + 4 + 19 + 4 + 1);
    }

    #[test]
    fn replies_are_read() {
        let read = |packet: &[u8]| reply(packet).map(|reply| (reply.id, reply.body));
        assert_eq!(
            read(&[2, 0, 0, 0, 3, 9, 9]),
            Some((3, ReplyBody::Version(3)))
        );
        // With and without the text that the later drafts ask for.
        let status = [101, 0, 0, 0, 5, 0, 0, 0, 4];
        assert_eq!(read(&status), Some((5, ReplyBody::Status(4))));
        assert_eq!(
            read(&[&status[..], &[0, 0, 0, 1, b'x', 0, 0, 0, 0]].concat()),
            Some((5, ReplyBody::Status(4)))
        );
        assert_eq!(
            read(&[102, 0, 0, 0, 6, 0, 0, 0, 2, 0xff, 0]),
            Some((6, ReplyBody::Handle(vec![0xff, 0])))
        );
        let attributes =
            |size, is_directory| ReplyBody::Attributes(Attributes { size, is_directory });
        let size = [0, 0, 0, 1, 0, 0, 0, 2];
        let whole = [
            &[105, 0, 0, 0, 7, 0, 0, 0, 7][..],
            &size,
            &[0; 8],
            &[0, 0, 0x41, 0xed],
        ];
        assert_eq!(
            read(&whole.concat()),
            Some((7, attributes(Some((1 << 32) + 2), true)))
        );
        assert_eq!(
            read(&[105, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0x81, 0xa4]),
            Some((7, attributes(None, false)))
        );
        assert_eq!(read(&[101, 0, 0, 0, 5, 0]), None);
        assert_eq!(read(&[99, 0, 0, 0, 5]), None);
    }

    #[test]
    fn room_is_what_a_user_may_write() {
        let fields = [4096_u64, 512, 10, 7, 5, 1, 1, 1, 1, 0, 255];
        let body: Vec<u8> = fields
            .iter()
            .flat_map(|field| field.to_be_bytes())
            .collect();
        assert_eq!(free_bytes(&body), Some(5 * 512));
        assert_eq!(free_bytes(&body[..39]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_packet_makes_it_panic(packet in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100)) {
            reply(&packet);
            free_bytes(&packet);
        }
    }
}
