//! The places of records: a record has one number in the whole audience, and a source with a number of its own in messages
//! and files.

use crate::pipeline::batch::Batch;
use crate::pipeline::rejects::RowPlace;
use crate::source::audience::{Source, SourceId};

/// Places of records: the numbers at which a source begins or continues, with the source and its record.
#[derive(Default)]
pub(super) struct Origins(Vec<Origin>);

struct Origin {
    number: u64,
    source: SourceId,
    record: u64,
}

impl Origins {
    /// Notes where the records of a batch are, of which the first has this number.
    pub(super) fn note(&mut self, batch: &Batch, number: u64) {
        let goes_on = self.0.last().is_some_and(|last| {
            last.source == batch.source && number - last.number + last.record == batch.first_record
        });
        if !goes_on {
            self.0.push(Origin {
                number,
                source: batch.source,
                record: batch.first_record,
            });
        }
    }

    /// The source and the record of a number.
    pub(super) fn place<'s>(&self, number: u64, sources: &'s [Source]) -> RowPlace<'s> {
        let after = self.0.partition_point(|origin| origin.number <= number);
        let origin = after.checked_sub(1).and_then(|at| self.0.get(at));
        let source = origin.and_then(|origin| sources.get(origin.source.0 as usize));
        RowPlace {
            source: source.map_or("", |source| source.name.as_str()),
            record: origin.map_or(0, |origin| origin.record + (number - origin.number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_record_of_the_source_that_it_falls_in() {
        let origin = |number, source, record| Origin {
            number,
            source: SourceId(source),
            record,
        };
        let origins = Origins(vec![origin(0, 0, 1), origin(4, 1, 1), origin(6, 1, 9)]);
        let places = [0, 3, 4, 5, 6, 8].map(|number| origins.place(number, &[]).record);
        assert_eq!(places, [1, 4, 1, 2, 9, 11]);
    }
}
