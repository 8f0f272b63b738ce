//! The time in which the parts of a run were written and sent.

use std::ops::Range;

use jiff::Timestamp;

use crate::state::manifest::{PartRecord, RunManifest};

/// From the start of a run to the last moment at which something happened to a part.
pub(super) struct Timeline {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Timeline {
    /// The timeline of a run; `None` where no time of a part is known that is in the run.
    pub(super) fn of(manifest: &RunManifest) -> Option<Self> {
        let start = manifest.started_at;
        let times = manifest.parts.iter().filter_map(last_moment);
        let end = times.max().filter(|end| *end > start)?;
        Some(Self { start, end })
    }

    /// How long it is.
    pub(super) fn seconds(&self) -> f64 {
        self.end.duration_since(self.start).as_secs_f64()
    }

    /// Where a time is: 0 at the start, 1 at the end. `None` of a time that is outside, such as that of a part which another
    /// run has written.
    pub(super) fn place(&self, time: Timestamp) -> Option<f64> {
        let place = time.duration_since(self.start).as_secs_f64() / self.seconds();
        (0.0..=1.0).contains(&place).then_some(place)
    }

    /// Where two times are.
    pub(super) fn span(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Option<Range<f64>> {
        let (from, to) = (self.place(from?)?, self.place(to?)?);
        Some(from..to.max(from))
    }
}

fn last_moment(part: &PartRecord) -> Option<Timestamp> {
    let ends = part.attempts.iter().map(|attempt| attempt.ended_at);
    ends.chain([part.written_at]).max().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn a_time_outside_of_the_run_has_no_place() {
        let start = Timestamp::UNIX_EPOCH;
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        let timeline = Timeline {
            start,
            end: after(10),
        };
        let places = [-1, 0, 5, 10, 11].map(|seconds| timeline.place(after(seconds)));
        assert_eq!(places, [None, Some(0.0), Some(0.5), Some(1.0), None]);
        assert_eq!(timeline.span(Some(after(5)), None), None);
        assert_eq!(
            timeline.span(Some(after(5)), Some(after(2))),
            Some(0.5..0.5)
        );
    }
}
