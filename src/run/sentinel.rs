//! The sentinel: one profile that is sent after all others, with the run's id as a property. When Klaviyo shows it, files that
//! were sent before are likely to be imported; nothing more is known.

use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::deliver;
use super::list::FinalSteps;
use crate::base::csv::push_between_quotes;
use crate::base::meter::ListStep;
use crate::delivery::upload::{Route, Task};
use crate::job::SentinelSettings;
use crate::klaviyo::list::ListError;
use crate::run::error::Error;
use crate::state::manifest::{PartRecord, SentinelRecord};
use crate::state::part::{Part, PartNumber, hex};
use crate::state::storage::replace_file;

/// The property that holds the run's id.
pub(super) const PROPERTY: &str = "klaviyo_export_run_id";
/// Between two looks, on the server's clock: at first, and at the most.
const LOOK: Duration = Duration::from_secs(5);
const LONGEST_LOOK: Duration = Duration::from_mins(1);

/// Sends the sentinel, by the way that the other profiles went.
pub(super) fn send(after: &FinalSteps<'_>) -> Result<(), Error> {
    let Some(settings) = &after.context.job.sentinel else {
        return Ok(());
    };
    let manifest = after.begun.manifest.snapshot();
    if manifest
        .sentinel
        .as_ref()
        .is_some_and(|sentinel| sentinel.sent)
    {
        return Ok(());
    }
    match (after.context.delivery, after.klaviyo) {
        (Some(_), _) => send_file(after, settings, manifest.sentinel)?,
        (None, Some(klaviyo)) => {
            let profile = json!({"type": "profile", "attributes":
                {"email": settings.email, "properties": {PROPERTY: manifest.run_id}}});
            let body = json!({"data": {"type": "profile-bulk-import-job",
                "attributes": {"profiles": {"data": [profile]}}}});
            klaviyo
                .import(body.to_string().into_bytes().into())
                .map_err(ListError::from)?;
        }
        (None, None) => return Ok(()),
    }
    note(after, |sentinel| sentinel.sent = true)
}

fn send_file(
    after: &FinalSteps<'_>,
    settings: &SentinelSettings,
    known: Option<SentinelRecord>,
) -> Result<(), Error> {
    let Some(delivery) = after.context.delivery else {
        return Ok(());
    };
    let mut csv = format!("Email,{PROPERTY}\n").into_bytes();
    push_between_quotes(&mut csv, settings.email.as_bytes());
    csv.extend_from_slice(format!(",{}\n", after.begun.manifest.snapshot().run_id).as_bytes());
    let path = after
        .begun
        .directory
        .parts()
        .join(format!("{}-sentinel.csv", after.begun.prefix));
    replace_file(&path, &csv)?;
    let part = Part {
        number: PartNumber::SENTINEL,
        path,
        rows: 1,
        bytes: csv.len() as u64,
        sha256: hex(&Sha256::digest(&csv)),
    };
    let attempts = known
        .and_then(|known| known.part)
        .map(|part| part.attempts)
        .unwrap_or_default();
    note(after, |sentinel| {
        let mut record = PartRecord::written(&part);
        record.attempts.clone_from(&attempts);
        sentinel.part = Some(record);
    })?;
    let (give, queue) = unbounded();
    // The receiver is in this function: it cannot be gone.
    let _ = give.send(Task::resumed(part, attempts));
    drop(give);
    let route = Route {
        delivery,
        manifest: &after.begun.manifest,
        meter: after.meter,
        trouble: &after.meter.trouble,
        interrupt: &after.context.surroundings.interrupt,
        keep_parts: false,
    };
    let sent = deliver::deliver(route, queue, &[], 1).map_err(|source| Error::Upload {
        source: Box::new(source),
    })?;
    match (
        sent.misdelivered,
        after.context.surroundings.interrupt.signal(),
    ) {
        (0, Some(signal)) if !is_delivered(after) => Err(Error::Interrupted { signal }),
        (0, _) => Ok(()),
        (parts, _) => Err(Error::Misdelivered { parts }),
    }
}

fn is_delivered(after: &FinalSteps<'_>) -> bool {
    let sentinel = after.begun.manifest.snapshot().sentinel;
    sentinel
        .and_then(|it| it.part)
        .is_some_and(|part| part.is_delivered())
}

/// Waits until Klaviyo shows the sentinel with this run's id, as long as the job says.
pub(super) fn wait(after: &FinalSteps<'_>, warnings: &mut Vec<String>) -> Result<(), Error> {
    let manifest = after.begun.manifest.snapshot();
    let sent = manifest
        .sentinel
        .filter(|sentinel| sentinel.sent && sentinel.seen_at.is_none());
    let (Some(settings), Some(klaviyo), Some(_)) =
        (&after.context.job.sentinel, after.klaviyo, sent)
    else {
        return Ok(());
    };
    if settings.wait.is_zero() {
        return Ok(());
    }
    after.meter.list.begin(ListStep::WaitingForSentinel, 1);
    let until = Instant::now() + settings.wait;
    let mut look = LOOK;
    loop {
        let shown = klaviyo
            .property(&settings.email, PROPERTY)
            .map_err(ListError::from)?;
        if shown.is_some_and(|id| id == manifest.run_id.as_str()) {
            after.meter.list.done.add(1);
            return note(after, |sentinel| sentinel.seen_at = Some(Timestamp::now()));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            warnings.push(format!(
                "Klaviyo did not show the sentinel within {}: the files may not be imported yet",
                humantime::format_duration(settings.wait)
            ));
            return Ok(());
        }
        klaviyo.pause(look.min(left)).map_err(ListError::from)?;
        look = (look * 2).min(LONGEST_LOOK);
    }
}

fn note(after: &FinalSteps<'_>, change: impl FnOnce(&mut SentinelRecord)) -> Result<(), Error> {
    Ok(after.begun.manifest.update(|manifest| {
        change(manifest.sentinel.get_or_insert(SentinelRecord {
            part: None,
            sent: false,
            seen_at: None,
        }));
    })?)
}
