//! Parquet files: row groups are decoded side by side and given in their order; only columns that are wanted are read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use crossbeam_channel::{Receiver, Sender, bounded};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::Source;
use super::columns::Batches;
use super::error::AudienceError;

/// Records that are decoded at once.
const BATCH_ROWS: usize = 8_192;

/// Decoded batches that wait for their turn, for each row group in hand.
const WAITING: usize = 4;

/// The most row groups in hand, so that memory does not grow with the cores of the machine.
const MOST_IN_HAND: usize = 4;

/// The next batch of a row group, or its end.
type Decoded = Result<Option<RecordBatch>, AudienceError>;

/// Tells whoever waits for a row group that its decoder fell over.
struct Fall<'a>(&'a Sender<Decoded>, &'a str);

impl Drop for Fall<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let fall = ParquetError::General("the decoder gave up".to_owned());
            // Nobody wants to know where the receiver is gone.
            let _ = self.0.send(Err(broken(self.1, fall)));
        }
    }
}

/// The names of the columns of the file at `path`, which is called `name`.
pub(super) fn header(path: &Path, name: &str) -> Result<Vec<String>, AudienceError> {
    let metadata = metadata(path, name)?;
    let fields = metadata.schema().fields().iter();
    Ok(fields.map(|field| field.name().clone()).collect())
}

fn metadata(path: &Path, name: &str) -> Result<ArrowReaderMetadata, AudienceError> {
    let file = open_file(path, name)?;
    // What a writer noted of Arrow's types is not needed, and may be wrong.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ArrowReaderMetadata::load(&file, options).map_err(|source| broken(name, source))
}

fn open_file(path: &Path, name: &str) -> Result<File, AudienceError> {
    File::open(path).map_err(|source| AudienceError::Open {
        name: name.to_owned(),
        source,
    })
}

fn broken(name: &str, source: ParquetError) -> AudienceError {
    AudienceError::Parquet {
        name: name.to_owned(),
        source,
    }
}

/// What the decoding threads of one file share.
struct Decoding {
    path: PathBuf,
    name: String,
    metadata: ArrowReaderMetadata,
    /// The columns to read; all of them if `None`.
    projection: Option<Vec<usize>>,
    /// The row group that nobody has taken yet.
    next: AtomicUsize,
    /// Bytes on disk that were read.
    consumed: Arc<AtomicU64>,
}

/// The batches of the file at `path`, in their order. Dropping them ends the threads.
pub(super) fn open(
    path: &Path,
    source: &Source,
    consumed: &Arc<AtomicU64>,
) -> Result<Batches, AudienceError> {
    let metadata = metadata(path, &source.name)?;
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
    let decoding = Arc::new(Decoding {
        path: path.to_owned(),
        name: source.name.clone(),
        metadata,
        projection: source.projection.clone(),
        next: AtomicUsize::new(0),
        consumed: Arc::clone(consumed),
    });
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..groups).map(|_| bounded(WAITING)).unzip();
    let senders = Arc::new(senders);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    for _ in 0..threads.min(MOST_IN_HAND).min(groups) {
        let (decoding, senders) = (Arc::clone(&decoding), Arc::clone(&senders));
        std::thread::spawn(move || decoding.work(&senders));
    }
    Ok(Box::new(InOrder {
        name: source.name.clone(),
        groups: receivers.into_iter(),
        current: None,
    }))
}

impl Decoding {
    /// Decodes one row group after the other, until none is left or nobody wants them.
    fn work(&self, senders: &[Sender<Decoded>]) {
        loop {
            let group = self.next.fetch_add(1, Ordering::Relaxed);
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
    fn group(&self, group: usize, sender: &Sender<Decoded>) -> Result<bool, AudienceError> {
        let failed = |source| broken(&self.name, source);
        let file = open_file(&self.path, &self.name)?;
        let mut reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_batch_size(BATCH_ROWS)
                .with_row_groups(vec![group]);
        if let Some(columns) = &self.projection {
            let schema = self.metadata.metadata().file_metadata().schema_descr();
            reader = reader.with_projection(ProjectionMask::roots(schema, columns.iter().copied()));
        }
        for batch in reader.build().map_err(failed)? {
            let batch = batch.map_err(|error| failed(error.into()))?;
            if sender.send(Ok(Some(batch))).is_err() {
                return Ok(false);
            }
        }
        let bytes = self.metadata.metadata().row_group(group).compressed_size();
        self.consumed
            .fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
        Ok(sender.send(Ok(None)).is_ok())
    }
}

/// The batches of one row group after the other.
struct InOrder {
    name: String,
    groups: std::vec::IntoIter<Receiver<Decoded>>,
    current: Option<Receiver<Decoded>>,
}

impl Iterator for InOrder {
    type Item = Result<RecordBatch, AudienceError>;

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
