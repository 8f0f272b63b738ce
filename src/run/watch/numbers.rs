//! The numbers of the last run, for Prometheus and for OpenTelemetry.
//!
//! All are gauges: they say how the last run was, and are not counted up. Times are time stamps, from which those who read them
//! compute ages.

use jiff::Timestamp;

use crate::run::report::RunReport;

/// The unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberUnit {
    /// It counts things.
    None,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// A label that tells values of one number apart, and its value.
pub(super) type Label = (&'static str, String);

/// One number, or several that a label tells apart.
#[derive(Debug, Clone)]
pub(super) struct Metric {
    /// Its name, without a prefix and a unit.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: NumberUnit,
    /// At least one.
    pub(super) values: Vec<(Vec<Label>, f64)>,
}

/// The times that the report does not have.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    /// When an attempt was good last.
    pub(super) last_success: Option<Timestamp>,
    /// When the snapshot was made with which the next run is compared.
    pub(super) snapshot: Option<Timestamp>,
    /// When a run began last that sent every row.
    pub(super) full_send: Option<Timestamp>,
}

/// The numbers of the run that `report` is of.
pub(super) fn numbers(report: &RunReport, times: Times) -> Vec<Metric> {
    let mut numbers = of_attempt(report, times);
    // An attempt without a run has read nothing: that is no count of zero.
    if !report.run_id.is_empty() {
        numbers.extend(of_rows(report));
        numbers.extend(of_delivery(report));
    }
    numbers.retain(|number| !number.values.is_empty());
    numbers
}

/// When and how it ended.
fn of_attempt(report: &RunReport, times: Times) -> Vec<Metric> {
    let mut numbers = vec![
        Metric {
            values: vec![(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0)],
            ..single("build_info", "Version of klaviyo-export", 1.0)
        },
        single(
            "last_run_exit_code",
            "Exit code of the last run, 0 if it was good",
            f64::from(report.exit_code),
        ),
    ];
    let at = [
        (
            "last_run_start_timestamp",
            "When the last run began",
            Some(report.started_at),
        ),
        (
            "last_run_end_timestamp",
            "When the last run ended",
            Some(report.finished_at),
        ),
        (
            "last_success_timestamp",
            "When a run ended last that was good",
            times.last_success,
        ),
        (
            "snapshot_timestamp",
            "When the snapshot was made with which the next run is compared",
            times.snapshot,
        ),
        (
            "last_full_send_timestamp",
            "When a run began last that sent every row, of a job that sends changed ones only",
            times.full_send,
        ),
    ];
    numbers.extend(at.into_iter().filter_map(|(name, help, at)| {
        Some(Metric {
            unit: NumberUnit::Seconds,
            ..single(name, help, at?.as_second() as f64)
        })
    }));
    let stages = [
        ("format", report.seconds.format),
        ("upload", report.seconds.upload),
        ("list", report.seconds.list),
        ("total", report.seconds.total),
    ];
    numbers.push(Metric {
        unit: NumberUnit::Seconds,
        ..family(
            "last_run_duration",
            "How long the stages of the last run took; they overlap",
            "stage",
            stages,
        )
    });
    numbers
}

/// The fates of the rows.
fn of_rows(report: &RunReport) -> Vec<Metric> {
    let fates = [
        ("read", Some(report.rows_read)),
        ("written", Some(report.rows_written)),
        ("rejected", Some(report.rows_rejected)),
        ("duplicate", Some(report.duplicates)),
        ("unchanged", Some(report.rows_unchanged)),
        ("blank", Some(report.rows_blank)),
        ("new", report.rows_new),
        ("changed", report.rows_changed),
        ("left", report.rows_left),
    ];
    let fates = fates
        .into_iter()
        .filter_map(|(fate, rows)| Some((fate, rows? as f64)));
    let rejections = report.rejections.iter();
    let repairs = report.repairs.iter();
    let drift = report.drift.as_ref();
    let mut numbers = vec![
        family(
            "last_run_rows",
            "Rows of the last run by what became of them",
            "fate",
            fates,
        ),
        family(
            "last_run_rejected_rows",
            "Rejected rows of the last run by reason",
            "reason",
            rejections.map(|(reason, rows)| (reason.code(), *rows as f64)),
        ),
        family(
            "last_run_repaired_cells",
            "Changed cells of the last run by code",
            "code",
            repairs.map(|(code, cells)| (code.code(), *cells as f64)),
        ),
    ];
    numbers.extend(drift.map(|drift| {
        single(
            "last_run_drifted_counts",
            "Counts of the last run that are beyond their limits of drift",
            drift.found.len() as f64,
        )
    }));
    numbers
}

/// The numbers of parts and of the list.
fn of_delivery(report: &RunReport) -> Vec<Metric> {
    let attempts: u64 = report
        .parts
        .iter()
        .map(|part| u64::from(part.attempts))
        .sum();
    let parts = [
        ("written", report.parts.len()),
        ("delivered", report.delivered()),
    ];
    let mut numbers = vec![
        Metric {
            unit: NumberUnit::Bytes,
            ..single(
                "last_run_size",
                "Size of all parts of the last run",
                report.bytes as f64,
            )
        },
        family(
            "last_run_parts",
            "Parts of the last run",
            "state",
            parts.map(|(state, parts)| (state, parts as f64)),
        ),
        single(
            "last_run_part_attempts",
            "Attempts of the last run to send its parts",
            attempts as f64,
        ),
        single(
            "last_run_leftover_files",
            "Incomplete files of the last run that may still be on the server",
            report.leftovers.len() as f64,
        ),
    ];
    numbers.extend(report.list.as_ref().map(|list| {
        let fates = [
            ("attached", list.attached),
            ("removed", Some(list.removed)),
            ("unresolved", Some(list.unresolved)),
            ("rejected", Some(list.rejected)),
            ("kept-unreadable", Some(list.kept_unreadable)),
        ];
        family(
            "last_run_list_profiles",
            "Profiles of the last run by what became of them on the list",
            "fate",
            fates
                .into_iter()
                .filter_map(|(fate, profiles)| Some((fate, profiles? as f64))),
        )
    }));
    let no_email = report.list.as_ref().and_then(|list| list.no_email);
    numbers.extend(no_email.map(|found| {
        let reasons = [
            ("unsubscribed", found.unsubscribed),
            ("suppressed", found.suppressed),
        ];
        family(
            "last_run_no_email_profiles",
            "Profiles of the audience of the last run that get no e-mail",
            "reason",
            reasons.map(|(reason, profiles)| (reason, profiles as f64)),
        )
    }));
    numbers
}

fn single(name: &'static str, help: &'static str, value: f64) -> Metric {
    Metric {
        name,
        help,
        unit: NumberUnit::None,
        values: vec![(Vec::new(), value)],
    }
}

fn family<'a>(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: impl IntoIterator<Item = (&'a str, f64)>,
) -> Metric {
    let labelled = |(value, number): (&str, f64)| (vec![(label, value.to_owned())], number);
    Metric {
        name,
        help,
        unit: NumberUnit::None,
        values: values.into_iter().map(labelled).collect(),
    }
}
