//! The formatting half of a run: a reading thread, workers, and the committer on the calling thread.
//!
//! Blocks are numbered by the reader; workers turn them into batches in any order; the committer takes them in the order
//! of the numbers. The output is the same for any number of workers.

#[cfg(test)]
mod shared_identifiers;

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::base::interrupt::Interrupt;
use crate::base::meter::Meter;
use crate::job::Rules;
use crate::pipeline::batch::Batch;
use crate::pipeline::commit::{Commit, CommitError};
use crate::pipeline::delta::DeltaOutcome;
use crate::pipeline::mapping::Mapping;
use crate::pipeline::normalize::Normalizer;
use crate::source::audience::{Audience, AudienceError, Block, Blocks, Recycler, Source};
use crate::state::counts::Counts;

/// The reason for which formatting ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    /// The audience cannot be read.
    #[error(transparent)]
    Audience(#[from] AudienceError),
    /// Rows cannot be committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A signal came.
    #[error("interrupted while formatting")]
    Interrupted,
    /// A worker ended without a word.
    #[error("a formatting thread ended early")]
    Lost,
}

/// A block or a batch with its number, or what came in its stead.
struct NumberedItem<T> {
    sequence: u64,
    result: Result<T, AudienceError>,
}

/// The blocks of an audience, and how many threads work on them.
struct FormatWork {
    sources: Arc<[Source]>,
    blocks: Blocks,
    workers: usize,
}

/// The rules by which rows are formatted, who is shown how far it is, and who ends it early.
pub(super) struct Formatting<'a> {
    /// The columns.
    pub(super) mapping: &'a Mapping,
    /// The rules of the job for cells and rows.
    pub(super) rules: Rules,
    /// The counts that are shown.
    pub(super) meter: &'a Meter,
    /// The signals.
    pub(super) interrupt: &'a Interrupt,
}

impl Formatting<'_> {
    /// Formats the whole of `audience` through `commit`. Also gives what was counted when it fails.
    pub(super) fn format(
        &self,
        audience: Audience,
        commit: Commit<'_>,
    ) -> (Counts, Result<DeltaOutcome, FormatError>) {
        let work = FormatWork {
            sources: audience.shared_sources(),
            blocks: audience.into_blocks(),
            workers: std::thread::available_parallelism().map_or(2, usize::from),
        };
        self.format_blocks(work, commit)
    }

    fn format_blocks(
        &self,
        work: FormatWork,
        mut commit: Commit<'_>,
    ) -> (Counts, Result<DeltaOutcome, FormatError>) {
        let result = self.run_threads(work, &mut commit);
        let counted = commit.counts().clone();
        match result {
            Ok(()) => match commit.finish() {
                Ok((counts, finished)) => {
                    show(self.meter, &counts);
                    (counts, Ok(finished))
                }
                Err(error) => (counted, Err(error.into())),
            },
            Err(error) => (counted, Err(error)),
        }
    }

    fn run_threads(
        &self,
        audience: FormatWork,
        commit: &mut Commit<'_>,
    ) -> Result<(), FormatError> {
        let FormatWork {
            sources,
            blocks: blocks_of_audience,
            workers,
        } = audience;
        let (to_workers, blocks) = bounded::<NumberedItem<Block>>(workers * 2);
        let (to_committer, batches) = bounded::<NumberedItem<Batch>>(workers * 2);
        let recycler = blocks_of_audience.recycler();
        let spares = commit.spares().clone();
        std::thread::scope(|scope| {
            scope.spawn(move || read(blocks_of_audience, &to_workers, self.interrupt));
            for _ in 0..workers {
                let (blocks, to_committer) = (blocks.clone(), to_committer.clone());
                let mut worker = BlockWorker {
                    normalizer: Normalizer::new(self.mapping, self.rules.clone())
                        .with_spares(spares.clone()),
                    sources: &sources,
                    recycler: recycler.clone(),
                };
                scope.spawn(move || worker.work(&blocks, &to_committer));
            }
            drop((blocks, to_committer));
            self.commit_in_order(batches, commit)
        })
    }

    fn commit_in_order(
        &self,
        batches: Receiver<NumberedItem<Batch>>,
        commit: &mut Commit<'_>,
    ) -> Result<(), FormatError> {
        let mut early = BTreeMap::new();
        let mut next = 0;
        for numbered in batches {
            early.insert(numbered.sequence, numbered.result);
            while let Some(result) = early.remove(&next) {
                if self.interrupt.is_raised() {
                    return Err(FormatError::Interrupted);
                }
                let goes_on = commit.batch(result?)?;
                show(self.meter, commit.counts());
                if !goes_on {
                    return Ok(());
                }
                next += 1;
            }
        }
        if self.interrupt.is_raised() {
            return Err(FormatError::Interrupted);
        }
        if early.is_empty() {
            Ok(())
        } else {
            Err(FormatError::Lost)
        }
    }
}

/// One thread that turns blocks into batches.
struct BlockWorker<'a> {
    normalizer: Normalizer<'a>,
    sources: &'a [Source],
    recycler: Recycler,
}

impl BlockWorker<'_> {
    fn work(
        &mut self,
        blocks: &Receiver<NumberedItem<Block>>,
        to_committer: &Sender<NumberedItem<Batch>>,
    ) {
        for NumberedItem { sequence, result } in blocks {
            let result = result.and_then(|block| {
                let batch = self.normalizer.batch(self.sources, &block);
                self.recycler.give(block);
                batch
            });
            if to_committer
                .send(NumberedItem { sequence, result })
                .is_err()
            {
                return;
            }
        }
    }
}

/// Ends when the audience does, when a signal comes, or when nobody takes blocks any more.
fn read(blocks: Blocks, to_workers: &Sender<NumberedItem<Block>>, interrupt: &Interrupt) {
    for (sequence, result) in (0..).zip(blocks) {
        if interrupt.is_raised() || to_workers.send(NumberedItem { sequence, result }).is_err() {
            return;
        }
    }
}

/// Shows the counts so far to the progress display.
pub(super) fn show(meter: &Meter, counts: &Counts) {
    meter.rows_read.set(counts.rows_read);
    meter.rows_written.set(counts.rows_written);
    meter.rows_rejected.set(counts.rows_rejected);
    meter.duplicates.set(counts.duplicates);
}
