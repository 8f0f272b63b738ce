//! The spool: finished rows become closed part files.
//!
//! [`Spool`] takes rows on the committing thread and hands their text to a thread of its own that writes and hashes; another
//! fsyncs and renames what is whole. A part is `….csv.partial` until then; its identifiers go to a file beside it.
//! A closed part is given to `release`, on the closing thread; where that waits, formatting waits within the next part but
//! one.

mod held;
mod part_file;

pub use held::{HeldRow, HeldRows};

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::page_cache::LEFT_BYTES;
use crate::pipeline::batch::Spares;
use crate::pipeline::settings::PartLimits;
use crate::state::part::{Part, PartNumber};
use part_file::PartFile;

/// Rows that are copied are handed to the writing thread in buffers of about this size.
const BUFFER_BYTES: usize = 1 << 20;
/// Rows whose whole text is smaller are copied: a call of the system for each such text would cost more.
const SMALL_TEXT_BYTES: usize = 1 << 16;
/// How many buffers may wait for the writing thread.
const WAITING_BUFFERS: usize = 4;
/// How many buffers that were written may wait to be filled again.
const SPARE_BUFFERS: usize = 16;

/// The reason for which parts cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// This machine's storage refused, or a closed part could not be noted in the manifest.
    #[error(transparent)]
    State(#[from] crate::state::manifest::StateError),
    /// A run that went on made another part than the process before it.
    #[error(
        "part {part} came out different from when this run began: the audience has changed; start over with --fresh"
    )]
    Differs {
        /// Which part.
        part: PartNumber,
    },
    /// Nobody takes parts any more: the delivery has ended with an error of its own.
    #[error("the delivery has ended")]
    Refused,
    /// The writing thread is gone without an error.
    #[error("the spool's thread is gone")]
    Lost,
}

/// Where parts go and what every part begins with.
#[derive(Debug, Clone)]
pub struct SpoolLayout {
    /// The run's parts folder.
    pub directory: PathBuf,
    /// The beginning of file names: job, run, shard.
    pub prefix: String,
    /// The header line of parts, with its line feed.
    pub header: Vec<u8>,
    /// The header line of identifiers files, with its line feed; `None`: nobody needs such files, and none are written.
    pub identifiers_header: Option<Vec<u8>>,
    /// Where a part ends.
    pub limits: PartLimits,
    /// Parts are read soon after they were written.
    pub are_sent: bool,
    /// The number of the first part.
    pub first_part: u32,
}

impl SpoolLayout {
    fn part_path(&self, number: PartNumber) -> PathBuf {
        self.directory.join(format!("{}-{number}.csv", self.prefix))
    }
}

/// The receiver of closed parts.
pub type Release = Box<dyn FnMut(Part) -> Result<(), SpoolError> + Send>;

enum Message {
    Rows {
        rows: TextRows,
        identifiers: Vec<u8>,
    },
    Close {
        rows: u64,
    },
}

/// Rows of a text, in its order.
#[derive(Default)]
struct TextRows {
    text: Arc<Vec<u8>>,
    /// Where they stand; those that follow each other are one run.
    runs: Vec<Range<usize>>,
}

impl TextRows {
    fn add(&mut self, row: Range<usize>) {
        match self.runs.last_mut() {
            Some(run) if run.end == row.start => run.end = row.end,
            _ => self.runs.push(row),
        }
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.runs.iter().map(|run| &self.text[run.clone()])
    }
}

/// The committing thread's side of the spool.
pub struct Spool {
    limits: PartLimits,
    header_bytes: u64,
    part_bytes: u64,
    part_rows: u64,
    /// Not handed over yet. Only one of the two has rows.
    kept: TextRows,
    copied: Vec<u8>,
    spares: Spares,
    /// `None`: identifiers are not kept.
    identifiers: Option<Vec<u8>>,
    sender: Option<Sender<Message>>,
    writer: Option<JoinHandle<Result<(), SpoolError>>>,
}

impl Spool {
    /// Starts the writing thread. The layout's folder must exist.
    pub fn start(layout: SpoolLayout, release: Release) -> Self {
        let (sender, receiver) = bounded(WAITING_BUFFERS);
        let limits = layout.limits;
        let header_bytes = layout.header.len() as u64;
        let identifiers = layout.identifiers_header.as_ref().map(|_| Vec::new());
        let spares = Spares::new(SPARE_BUFFERS);
        let given = spares.clone();
        let writer = std::thread::spawn(move || write_parts(&layout, &receiver, release, &given));
        Self {
            limits,
            header_bytes,
            part_bytes: header_bytes,
            part_rows: 0,
            kept: TextRows::default(),
            copied: Vec::new(),
            spares,
            identifiers,
            sender: Some(sender),
            writer: Some(writer),
        }
    }

    /// True when a row of so many bytes still belongs to the part in hand.
    pub fn fits(&self, row_bytes: usize) -> bool {
        self.part_rows == 0
            || self.part_rows < self.limits.max_rows
                && self.part_bytes + row_bytes as u64 <= self.limits.max_bytes
    }

    /// True when the part in hand has no row.
    pub fn is_empty(&self) -> bool {
        self.part_rows == 0
    }

    /// The buffers of what was written, to be filled again.
    pub fn spares(&self) -> &Spares {
        &self.spares
    }

    /// Adds the row that stands at `row` in `text`, and whose first `identifier_bytes` are its identifier cells, to the part
    /// in hand. The rows of one text come one after another, in its order.
    pub fn keep(
        &mut self,
        text: &Arc<Vec<u8>>,
        row: Range<usize>,
        identifier_bytes: usize,
    ) -> Result<(), SpoolError> {
        if text.len() < SMALL_TEXT_BYTES {
            return self.push(&text[row], identifier_bytes);
        }
        self.hand_over_copied()?;
        if !Arc::ptr_eq(&self.kept.text, text) {
            let next = TextRows {
                text: Arc::clone(text),
                runs: Vec::new(),
            };
            let done = std::mem::replace(&mut self.kept, next);
            self.hand_over(done)?;
        }
        self.count(&text[row.clone()], identifier_bytes);
        self.kept.add(row);
        Ok(())
    }

    /// Adds a copy of one finished row, whose first `identifier_bytes` are its identifier cells, to the part in hand.
    pub fn push(&mut self, row: &[u8], identifier_bytes: usize) -> Result<(), SpoolError> {
        if !self.kept.runs.is_empty() {
            let kept = std::mem::take(&mut self.kept);
            self.hand_over(kept)?;
        }
        self.count(row, identifier_bytes);
        self.copied.extend_from_slice(row);
        if self.copied.len() >= BUFFER_BYTES - (BUFFER_BYTES >> 4) {
            self.hand_over_copied()?;
        }
        Ok(())
    }

    fn count(&mut self, row: &[u8], identifier_bytes: usize) {
        if let Some(identifiers) = &mut self.identifiers {
            identifiers.extend_from_slice(&row[..identifier_bytes]);
            identifiers.push(b'\n');
        }
        self.part_bytes += row.len() as u64;
        self.part_rows += 1;
    }

    /// Ends the part in hand; the next row begins another.
    pub fn close_part(&mut self) -> Result<(), SpoolError> {
        self.hand_over_copied()?;
        // The text may have rows of the next part too.
        let runs = std::mem::take(&mut self.kept.runs);
        let text = Arc::clone(&self.kept.text);
        self.hand_over(TextRows { text, runs })?;
        let rows = std::mem::take(&mut self.part_rows);
        self.part_bytes = self.header_bytes;
        self.send(Message::Close { rows })
    }

    /// Waits until every closed part is durable and released.
    pub fn finish(mut self) -> Result<(), SpoolError> {
        self.join()
    }

    fn hand_over_copied(&mut self) -> Result<(), SpoolError> {
        if self.copied.is_empty() {
            return Ok(());
        }
        let next = self.spares.text();
        let copied = std::mem::replace(&mut self.copied, next);
        self.copied.reserve(BUFFER_BYTES);
        let all = 0..copied.len();
        self.hand_over(TextRows {
            text: Arc::new(copied),
            runs: vec![all],
        })
    }

    fn hand_over(&mut self, rows: TextRows) -> Result<(), SpoolError> {
        if rows.runs.is_empty() {
            return Ok(());
        }
        let identifiers = self.identifiers.as_mut().map(|identifiers| {
            std::mem::replace(identifiers, Vec::with_capacity(BUFFER_BYTES / 4))
        });
        let identifiers = identifiers.unwrap_or_default();
        self.send(Message::Rows { rows, identifiers })
    }

    fn send(&mut self, message: Message) -> Result<(), SpoolError> {
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|sender| sender.send(message).is_ok());
        if sent {
            Ok(())
        } else {
            self.join().and(Err(SpoolError::Lost))
        }
    }

    fn join(&mut self) -> Result<(), SpoolError> {
        self.sender = None;
        match self.writer.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Spool {
    /// Ends the writing thread; an unfinished part is left as `.partial` and removed by it.
    fn drop(&mut self) {
        self.sender = None;
        if let Some(writer) = self.writer.take() {
            // An error here comes on top of the one that led here; that one is reported.
            let _ = writer.join();
        }
    }
}

/// Writes what comes, and hands whole parts to a thread that makes them durable: writing the next part does not wait for
/// the disk.
fn write_parts(
    layout: &SpoolLayout,
    messages: &Receiver<Message>,
    release: Release,
    spares: &Spares,
) -> Result<(), SpoolError> {
    std::thread::scope(|scope| {
        let (to_closer, whole) = bounded(0);
        let are_sent = layout.are_sent;
        let closer = scope.spawn(move || close_parts(&whole, release, are_sent));
        let written = write_messages(layout, messages, &to_closer, spares);
        drop(to_closer);
        match (written, closer.join()) {
            // It stopped because the other had: that one says why.
            (Err(SpoolError::Lost) | Ok(()), Ok(outcome)) => outcome,
            (Err(error), Ok(_)) => Err(error),
            (_, Err(panic)) => std::panic::resume_unwind(panic),
        }
    })
}

fn write_messages(
    layout: &SpoolLayout,
    messages: &Receiver<Message>,
    to_closer: &Sender<(PartFile, u64)>,
    spares: &Spares,
) -> Result<(), SpoolError> {
    let mut number = layout.first_part;
    let mut part: Option<PartFile> = None;
    for message in messages {
        let mut open = match part.take() {
            Some(open) => open,
            None => PartFile::create(layout, PartNumber(number))?,
        };
        match message {
            Message::Rows { rows, identifiers } => {
                open.write(rows.slices(), &identifiers)?;
                part = Some(open);
                if let Some(text) = Arc::into_inner(rows.text) {
                    spares.give_text(text);
                }
            }
            Message::Close { rows } => {
                to_closer.send((open, rows)).map_err(|_| SpoolError::Lost)?;
                number += 1;
            }
        }
    }
    Ok(())
}

/// In the order of their numbers, one at a time.
fn close_parts(
    whole: &Receiver<(PartFile, u64)>,
    mut release: Release,
    are_sent: bool,
) -> Result<(), SpoolError> {
    let mut bytes = 0;
    for (part, rows) in whole {
        bytes += part.bytes();
        let stays = are_sent || bytes <= LEFT_BYTES;
        release(part.close(rows, stays)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::Mutex;

    fn layout(directory: &Path, max_bytes: u64, max_rows: u64) -> SpoolLayout {
        SpoolLayout {
            directory: directory.to_owned(),
            prefix: "job-run".to_owned(),
            header: b"Email,City\n".to_vec(),
            identifiers_header: Some(b"Email\n".to_vec()),
            limits: PartLimits {
                max_bytes,
                max_rows,
            },
            are_sent: true,
            first_part: 1,
        }
    }

    /// The parts that were released so far, and their receiver.
    fn collected() -> (Arc<Mutex<Vec<Part>>>, Release) {
        let parts = Arc::new(Mutex::new(Vec::new()));
        let released = Arc::clone(&parts);
        let release = Box::new(move |part| {
            released.lock().unwrap().push(part);
            Ok(())
        });
        (parts, release)
    }

    fn spool_rows(max_bytes: u64, max_rows: u64, rows: &[&str]) -> (tempfile::TempDir, Vec<Part>) {
        let directory = tempfile::tempdir().unwrap();
        let (parts, release) = collected();
        let mut spool = Spool::start(layout(directory.path(), max_bytes, max_rows), release);
        for row in rows {
            if !spool.fits(row.len()) {
                spool.close_part().unwrap();
            }
            spool.push(row.as_bytes(), row.find(',').unwrap()).unwrap();
        }
        spool.close_part().unwrap();
        spool.finish().unwrap();
        let parts = parts.lock().unwrap().clone();
        (directory, parts)
    }

    #[test]
    fn parts_end_by_rows_and_by_bytes_and_each_has_the_header() {
        let (_directory, parts) = spool_rows(1_000, 2, &["\"a\",x\n", "\"b\",y\n", "\"c\",z\n"]);
        assert_eq!(
            parts.iter().map(|part| part.rows).collect::<Vec<_>>(),
            [2, 1]
        );
        assert_eq!(
            std::fs::read_to_string(&parts[1].path).unwrap(),
            "Email,City\n\"c\",z\n"
        );
        assert_eq!(
            std::fs::read_to_string(parts[0].identifiers()).unwrap(),
            "Email\n\"a\"\n\"b\"\n"
        );
        // 11 bytes of header and 6 a row: two rows are 23 bytes.
        let (_directory, parts) = spool_rows(22, 100, &["\"a\",x\n", "\"b\",y\n"]);
        assert_eq!(
            parts.iter().map(|part| part.bytes).collect::<Vec<_>>(),
            [17, 17]
        );
        let (_directory, parts) = spool_rows(23, 100, &["\"a\",x\n", "\"b\",y\n"]);
        assert_eq!(parts.len(), 1);
    }

    #[test]
    fn rows_of_texts_and_copied_rows_come_in_their_order() {
        use sha2::{Digest, Sha256};
        const PART_ROWS: u64 = 1_500;
        let directory = tempfile::tempdir().unwrap();
        let (parts, release) = collected();
        let mut spool = Spool::start(layout(directory.path(), u64::MAX, PART_ROWS), release);
        let spares = spool.spares().clone();
        let sha256 = |text: &str| crate::state::part::hex(&Sha256::digest(text));
        let mut expected = String::new();
        let row = |number: usize| format!("\"{number}\",{}\n", "x".repeat(number % 90));
        // The second text is too small to be written by itself; the third has more runs than one call of the system writes.
        for (first, rows, left_out) in [(0, 4_000, 7), (4_000, 100, 7), (4_100, 6_000, 2)] {
            let text: String = (first..first + rows).map(row).collect();
            let text = Arc::new(text.into_bytes());
            let mut begin = 0;
            for number in first..first + rows {
                let here = begin..begin + row(number).len();
                begin = here.end;
                if number % left_out == 0 {
                    continue;
                }
                expected += &row(number);
                if !spool.fits(here.len()) {
                    spool.close_part().unwrap();
                }
                let identifier_bytes = row(number).find(',').unwrap();
                if number % 1_000 == 999 {
                    spool.push(&text[here], identifier_bytes).unwrap();
                } else {
                    spool.keep(&text, here, identifier_bytes).unwrap();
                }
            }
        }
        spool.close_part().unwrap();
        spool.finish().unwrap();
        assert!(spares.text().capacity() > 0, "no text was given back");
        let (mut rows, mut identifiers) = (String::new(), String::new());
        for part in parts.lock().unwrap().iter() {
            let text = std::fs::read_to_string(&part.path).unwrap();
            let ids = std::fs::read_to_string(part.identifiers()).unwrap();
            assert_eq!(
                (part.bytes, &part.sha256),
                (text.len() as u64, &sha256(&text))
            );
            assert!(part.rows <= PART_ROWS);
            rows += text.strip_prefix("Email,City\n").unwrap();
            identifiers += ids.strip_prefix("Email\n").unwrap();
        }
        assert!(rows == expected);
        let expected = expected.lines().map(|row| row.split(',').next().unwrap());
        assert!(identifiers.lines().eq(expected));
    }

    #[test]
    fn a_row_that_is_copied_at_the_beginning_of_a_part_keeps_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::start(layout(directory.path(), u64::MAX, 9), Box::new(|_| Ok(())));
        let mut text = b"\"a\",1\n\"b\",2\n\"c\",3\n".to_vec();
        text.resize(SMALL_TEXT_BYTES, b' ');
        let text = Arc::new(text);
        spool.keep(&text, 0..6, 3).unwrap();
        spool.close_part().unwrap();
        spool.push(b"\"x\",0\n", 3).unwrap();
        spool.keep(&text, 6..12, 3).unwrap();
        spool.push(b"\"y\",0\n", 3).unwrap();
        spool.keep(&text, 12..18, 3).unwrap();
        spool.close_part().unwrap();
        spool.finish().unwrap();
        let second = std::fs::read_to_string(directory.path().join("job-run-0002.csv")).unwrap();
        assert_eq!(second, "Email,City\n\"x\",0\n\"b\",2\n\"y\",0\n\"c\",3\n");
    }

    #[test]
    fn the_digest_is_that_of_the_file_and_files_are_private() {
        use sha2::{Digest, Sha256};
        use std::os::unix::fs::PermissionsExt;
        let (_directory, parts) = spool_rows(1_000, 10, &["\"a\",x\n"]);
        let bytes = std::fs::read(&parts[0].path).unwrap();
        assert_eq!(
            parts[0].sha256,
            crate::state::part::hex(&Sha256::digest(&bytes))
        );
        assert_eq!(parts[0].bytes, bytes.len() as u64);
        for path in [&parts[0].path, &parts[0].identifiers()] {
            assert_eq!(
                std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn identifiers_that_nobody_needs_are_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let layout = SpoolLayout {
            identifiers_header: None,
            ..layout(directory.path(), 1_000, 10)
        };
        let mut spool = Spool::start(layout, Box::new(|_| Ok(())));
        spool.push(b"\"a\",x\n", 3).unwrap();
        spool.close_part().unwrap();
        spool.finish().unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unfinished_part_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::start(layout(directory.path(), 1_000, 10), Box::new(|_| Ok(())));
        spool.push(b"\"a\",x\n", 3).unwrap();
        spool.hand_over_copied().unwrap();
        drop(spool);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_refused_part_ends_the_spool_with_that_word() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::start(
            layout(directory.path(), 1_000, 10),
            Box::new(|_| Err(SpoolError::Refused)),
        );
        spool.push(b"\"a\",x\n", 3).unwrap();
        let closed = spool.close_part();
        let ended = closed.and_then(|()| spool.finish());
        assert!(matches!(ended, Err(SpoolError::Refused)));
    }
}
