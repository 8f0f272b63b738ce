//! The ranges in which the counts of a run are no drift, for those who look at the last runs.

use std::ops::Range;

use super::{DriftGuard, LEAST_REJECTED_SHARE, LEAST_ROWS, Medians};
use crate::job::guard::MaxDrift;
use crate::state::drift::DriftLimit;

/// The ranges of a job's guard; `None` where nothing is compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GuardBands {
    /// Rows read.
    pub(crate) rows: Option<Range<f64>>,
    /// Rows rejected.
    pub(crate) rejected: Option<Range<f64>>,
}

impl DriftGuard<'_> {
    /// The ranges in which the next run is not judged to have drifted. With two measures, either of them is enough.
    pub(crate) fn bands(&self) -> GuardBands {
        let limits = &self.settings.max_drift;
        let measures = self.measures();
        let hull = |band: fn(&Medians, &MaxDrift) -> Option<Range<f64>>| {
            let bands = measures.iter().map(|usual| band(usual, limits));
            bands
                .reduce(|one, other| {
                    let (one, other) = (one?, other?);
                    Some(one.start.min(other.start)..one.end.max(other.end))
                })
                .flatten()
        };
        GuardBands {
            rows: hull(Medians::rows_band),
            rejected: hull(Medians::rejected_band),
        }
    }
}

impl Medians {
    fn rows_band(&self, limits: &MaxDrift) -> Option<Range<f64>> {
        let (low, high) = match limits.rows {
            DriftLimit::Off => return None,
            DriftLimit::Percent(percent) => (1.0 - percent / 100.0, 1.0 + percent / 100.0),
            DriftLimit::Times(times) => (1.0 / times, times),
        };
        let low = (self.rows * low).min(self.rows - LEAST_ROWS).max(0.0);
        (self.rows > 0.0).then(|| low..(self.rows * high).max(self.rows + LEAST_ROWS))
    }

    /// For a run with as many rows as usual.
    fn rejected_band(&self, limits: &MaxDrift) -> Option<Range<f64>> {
        let least = LEAST_ROWS.max(self.rows * LEAST_REJECTED_SHARE);
        let high = self.rejected * limits.rejected.factor()?;
        Some(0.0..high.max(self.rejected + least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::GuardSection;
    use crate::run::drift::tests::run;

    #[test]
    fn a_band_has_the_counts_that_are_no_drift_and_no_others() {
        for (rows, rejected) in [(1_000, 5), (1_000_000, 20_000), (20, 0)] {
            let settings = GuardSection::default();
            let guard = DriftGuard {
                settings: &settings,
                job_fingerprint: "f",
                earlier: vec![run(rows, rejected, &[]); 3],
            };
            let bands = guard.bands();
            let is_drift = |rows: u64, rejected: u64| {
                let found = guard.judge(&run(rows, rejected, &[]).measures).found;
                !found.is_empty()
            };
            let band = bands.rows.unwrap();
            for count in 0..rows * 2 {
                let is_near = |edge: f64| (count as f64 - edge).abs() <= 1.0;
                if count % 97 == 0 && !is_near(band.start) && !is_near(band.end) {
                    assert_eq!(
                        band.contains(&(count as f64)),
                        !is_drift(count, 0),
                        "{count} of {rows}"
                    );
                }
            }
            let band = bands.rejected.unwrap();
            for count in 0..(rejected + 10) * 4 {
                if (count as f64 - band.end).abs() > 1.0 {
                    let is_within = band.contains(&(count as f64));
                    assert_eq!(
                        is_within,
                        !is_drift(rows, count),
                        "{count} rejected of {rows}"
                    );
                }
            }
        }
    }

    #[test]
    fn there_is_no_band_without_a_limit() {
        let mut settings = GuardSection::default();
        settings.max_drift.rows = DriftLimit::Off;
        settings.max_drift.rejected = DriftLimit::Off;
        let guard = DriftGuard {
            settings: &settings,
            job_fingerprint: "f",
            earlier: vec![run(10, 1, &[]); 3],
        };
        assert_eq!(guard.bands(), GuardBands::default());
    }
}
