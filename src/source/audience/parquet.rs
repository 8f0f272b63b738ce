//! Parquet files: row groups are decoded side by side and given in their order; only columns that are wanted are read.

mod batch;
mod expansion;
mod in_hand;
mod page_header;
#[cfg(feature = "cloud")]
mod remote;
mod schema;
mod unread;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;

use super::Source;
#[cfg(feature = "cloud")]
use super::cloud::Object;
use super::columns::{Batches, Columns};
use super::error::{AudienceError, UnreadableFormat};
use super::stream::{self, ByteOrigin};
use in_hand::GroupsInHand;
use unread::UnreadColumns;

/// Decoded batches that wait for their turn, for each row group in hand.
const WAITING: usize = 4;

/// The most row groups in hand, so that memory does not grow with the cores of the machine.
const MOST_IN_HAND: usize = 4;

/// The next batch of a row group, or its end.
type GroupBatch = Result<Option<Columns>, AudienceError>;

/// Tells whoever waits for a row group that its decoder fell over.
struct Fall<'a>(&'a Sender<GroupBatch>, &'a str);

impl Drop for Fall<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let fall = ParquetError::General("the decoder gave up".to_owned());
            // Nobody wants to know where the receiver is gone.
            let _ = self.0.send(Err(broken(self.1, fall)));
        }
    }
}

/// The names of the columns of the file, which is called `name`, and how many rows it has.
pub(super) fn header(origin: &ByteOrigin, name: &str) -> Result<(Vec<String>, u64), AudienceError> {
    let metadata = metadata(&ParquetPlace::of(origin, name)?, name)?;
    let fields = metadata.schema().fields().iter();
    let rows = metadata.metadata().file_metadata().num_rows();
    Ok((
        fields.map(|field| field.name().clone()).collect(),
        u64::try_from(rows).unwrap_or(0),
    ))
}

fn metadata(place: &ParquetPlace, name: &str) -> Result<ArrowReaderMetadata, AudienceError> {
    let loaded = match place {
        ParquetPlace::File(path) => {
            ArrowReaderMetadata::load(&stream::open_file(path, name)?, options())
        }
        #[cfg(feature = "cloud")]
        ParquetPlace::Object(object) => {
            ArrowReaderMetadata::load(&remote::WholeObject(object.clone()), options())
        }
    };
    let exact = loaded.and_then(schema::exact);
    exact.map_err(|source| broken(name, source))
}

/// The writer's note of Arrow's types is not needed, and may be wrong.
fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

/// Where the file is.
#[derive(Clone)]
enum ParquetPlace {
    File(PathBuf),
    #[cfg(feature = "cloud")]
    Object(Object),
}

impl ParquetPlace {
    fn of(origin: &ByteOrigin, name: &str) -> Result<Self, AudienceError> {
        match origin {
            ByteOrigin::File { path, .. } => Ok(Self::File(path.clone())),
            #[cfg(feature = "cloud")]
            ByteOrigin::Object(object) => Ok(Self::Object(object.clone())),
            _ => Err(AudienceError::Unreadable {
                name: name.to_owned(),
                kind: UnreadableFormat::ParquetStream,
            }),
        }
    }
}

fn broken(name: &str, source: ParquetError) -> AudienceError {
    AudienceError::Parquet {
        name: name.to_owned(),
        source,
    }
}

/// The state that the decoding threads of one file share.
struct ParquetDecoding {
    place: ParquetPlace,
    name: String,
    metadata: ArrowReaderMetadata,
    /// The columns to read; all of them if `None`.
    projection: Option<Vec<usize>>,
    in_hand: GroupsInHand,
    /// Bytes on disk that were read.
    consumed: Arc<AtomicU64>,
}

/// The batches of the file, in their order. Dropping them ends the threads.
pub(super) fn open(
    origin: &ByteOrigin,
    source: &Source,
    consumed: &Arc<AtomicU64>,
) -> Result<Batches, AudienceError> {
    let place = ParquetPlace::of(origin, &source.name)?;
    let metadata = metadata(&place, &source.name)?;
    let fields = metadata.schema().fields();
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let is_same = match &source.projection {
        Some(projection) => projection
            .iter()
            .map(|&column| names.get(column).copied())
            .eq(source.header.iter().map(|name| Some(name.as_str()))),
        None => names.iter().eq(source.header.iter()),
    };
    if !is_same {
        return Err(AudienceError::Changed {
            name: source.name.clone(),
        });
    }
    let groups = metadata.metadata().num_row_groups();
    let decoding = Arc::new(ParquetDecoding {
        place,
        name: source.name.clone(),
        metadata,
        projection: source.projection.clone(),
        in_hand: GroupsInHand::default(),
        consumed: Arc::clone(consumed),
    });
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..groups).map(|_| bounded(WAITING)).unzip();
    let senders = Arc::new(senders);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    for _ in 0..threads.min(MOST_IN_HAND).min(groups) {
        let (decoding, senders) = (Arc::clone(&decoding), Arc::clone(&senders));
        std::thread::spawn(move || decoding.work(&senders));
    }
    Ok(Box::new(OrderedBatches {
        name: source.name.clone(),
        groups: receivers.into_iter(),
        current: None,
    }))
}

impl ParquetDecoding {
    /// Decodes one row group after the other, until none is left or nobody wants them.
    fn work(&self, senders: &[Sender<GroupBatch>]) {
        loop {
            let taken = self.in_hand.take();
            let group = taken.group;
            let Some(sender) = senders.get(group) else {
                return;
            };
            let fall = Fall(sender, &self.name);
            let decoded = self.group(group, sender);
            drop(fall);
            match decoded {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    // Nobody wants to know where the receiver is gone.
                    let _ = sender.send(Err(error));
                    return;
                }
            }
        }
    }

    /// Decodes one row group. False when nobody takes it.
    fn group(&self, group: usize, sender: &Sender<GroupBatch>) -> Result<bool, AudienceError> {
        let schema = self.metadata.metadata().file_metadata().schema_descr();
        let roots = schema.root_schema().get_fields().len();
        let (projection, mut unread) = match &self.projection {
            Some(columns) => (
                ProjectionMask::roots(schema, columns.iter().copied()),
                UnreadColumns::of_others(columns, roots),
            ),
            None => (ProjectionMask::all(), None),
        };
        for batch in self.reader(group, projection, 0)? {
            let batch = batch.map_err(|error| broken(&self.name, error.into()))?;
            let more = match &mut unread {
                Some(unread) => unread.beside(&batch, self, group)?,
                None => None,
            };
            let columns = Columns {
                batch,
                unread: more,
            };
            if sender.send(Ok(Some(columns))).is_err() {
                return Ok(false);
            }
        }
        let row_group = self.metadata.metadata().row_group(group);
        let bytes = u64::try_from(row_group.compressed_size()).unwrap_or(0);
        self.consumed.fetch_add(bytes, Ordering::Relaxed);
        Ok(sender.send(Ok(None)).is_ok())
    }

    /// The batches of these columns of one row group, after so many of its rows.
    fn reader(
        &self,
        group: usize,
        projection: ProjectionMask,
        skipped: usize,
    ) -> Result<ParquetRecordBatchReader, AudienceError> {
        match &self.place {
            ParquetPlace::File(path) => {
                let file = stream::open_file(path, &self.name)?;
                self.reader_of(file, group, projection, skipped)
            }
            #[cfg(feature = "cloud")]
            ParquetPlace::Object(object) => {
                let row_group = self.metadata.metadata().row_group(group);
                let pieces = remote::Pieces::fetch(object, row_group, &projection)?;
                self.reader_of(pieces, group, projection, skipped)
            }
        }
    }

    fn reader_of(
        &self,
        input: impl ChunkReader + 'static,
        group: usize,
        projection: ProjectionMask,
        skipped: usize,
    ) -> Result<ParquetRecordBatchReader, AudienceError> {
        let row_group = self.metadata.metadata().row_group(group);
        let memory = expansion::memory(&input, row_group, &projection).map_err(|excess| {
            AudienceError::ParquetMemory {
                name: self.name.clone(),
                row_group: group + 1,
                excess,
            }
        })?;
        self.in_hand.occupy(group, memory, expansion::ALWAYS);
        let input = Arc::new(input);
        let rows = batch::rows(&input, row_group, &projection);
        let rows = rows.map_err(|source| broken(&self.name, source))?;
        let input = Arc::into_inner(input).ok_or_else(|| {
            let kept = ParquetError::General("the file is read twice".to_owned());
            broken(&self.name, kept)
        })?;
        let mut reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(input, self.metadata.clone())
                .with_batch_size(rows)
                .with_row_groups(vec![group])
                .with_projection(projection);
        if skipped > 0 {
            let rows = self.metadata.metadata().row_group(group).num_rows();
            let rows = usize::try_from(rows).unwrap_or(0);
            let selected = [
                RowSelector::skip(skipped),
                RowSelector::select(rows.saturating_sub(skipped)),
            ];
            reader = reader.with_row_selection(RowSelection::from_iter(selected));
        }
        reader.build().map_err(|source| broken(&self.name, source))
    }
}

/// The batches of one row group after the other.
struct OrderedBatches {
    name: String,
    groups: std::vec::IntoIter<Receiver<GroupBatch>>,
    current: Option<Receiver<GroupBatch>>,
}

impl Iterator for OrderedBatches {
    type Item = Result<Columns, AudienceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let receiver = match &self.current {
                Some(receiver) => receiver,
                None => self.current.insert(self.groups.next()?),
            };
            match receiver.recv() {
                Ok(Ok(Some(batch))) => return Some(Ok(batch)),
                Ok(Ok(None)) => self.current = None,
                Ok(Err(error)) => return Some(Err(error)),
                Err(_) => {
                    let ended = ParquetError::General("a decoding thread ended".to_owned());
                    return Some(Err(broken(&self.name, ended)));
                }
            }
        }
    }
}
