//! The delivering half of a run: one thread per session, each with its own courier, all fed from one queue.
//!
//! A part that failed goes back to the queue, so that a session which works can take it. The pool ends when the queue
//! has ended and every part is delivered, when a signal comes, or with the first error that trying again cannot mend.
//! The first session connects alone: a server that is down or does not let us in is asked by one session, not by all.
//! After a break fewer sessions send at once ([`Lanes`]), so that a link which is often cut lets at least one part through.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::base::interrupt::Interrupt;
use crate::base::retry::{Backoff, Lane, Lanes, UNKNOWN_NAME};
use crate::base::text::duration;
use crate::delivery::sftp::{HostKeyCheck, ReachedServer, Retry, SftpError, SftpSettings, resolve};
use crate::delivery::upload::{Courier, Route, Task, UploadError, UploadOutcome, remove_local};

/// How often an idle session looks whether a part came back or the run is over.
const IDLE_LOOK: Duration = Duration::from_millis(50);
/// Sessions are opened one after the other with this gap: servers drop bursts of handshakes (OpenSSH's `MaxStartups`).
const CONNECT_GAP: Duration = Duration::from_millis(50);

/// The outcome of the sessions of a run.
#[derive(Debug, Default)]
pub(super) struct SessionOutcome {
    /// Parts whose remote file had the wrong size each time.
    pub(super) misdelivered: u32,
    /// Remote files of an earlier run's broken attempts that are still there.
    pub(super) left_over: Vec<String>,
}

/// Asks a server for its host key that neither a pin nor a known_hosts file names, before a row is formatted: a person has to
/// look at the key. Whatever else may be wrong with the server is met, and tried again, when there is something to send.
pub(super) fn meet(settings: &SftpSettings, interrupt: &Interrupt) -> Result<(), SftpError> {
    let known = HostKeyCheck::load(settings)?;
    if known.knows_host() {
        return Ok(());
    }
    let judged = resolve(settings)
        .and_then(|addresses| ReachedServer::dial(settings, &addresses, interrupt))
        .and_then(|reached| reached.greet(&known))
        .and_then(|greeted| greeted.trust(&known));
    match judged {
        Err(error @ (SftpError::HostKey(_) | SftpError::AddHostKey { .. })) => Err(error),
        Err(error) => {
            tracing::debug!("the host key is not known yet: {error}");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// Whether broken attempts can be removed after this error: not on a server that is gone, nor by logging in again where
/// that was refused.
fn leaves_a_server(error: &UploadError) -> bool {
    match error {
        UploadError::Connect(_) | UploadError::GaveUp { .. } => false,
        UploadError::Part { source, .. } => !source.is_authentication(),
        UploadError::Broke { .. }
        | UploadError::Unconfirmed { .. }
        | UploadError::LocalPart { .. }
        | UploadError::State(_) => true,
    }
}

/// The state that the sessions share.
struct SessionPool<'a> {
    route: Route<'a>,
    queue: Receiver<Task>,
    give_back: Sender<Task>,
    returned: Receiver<Task>,
    lanes: Lanes,
    /// Parts that were taken from the queue and are not delivered.
    in_hand: AtomicUsize,
    misdelivered: AtomicU32,
    /// Set once the first session is connected.
    open: AtomicBool,
    over: AtomicBool,
    error: Mutex<Option<UploadError>>,
    /// The failure that was told last, and until when it need not be told again.
    told: Mutex<Option<(String, Instant)>>,
}

/// Delivers every part of `queue` over at most `sessions` sessions, and removes the `leftovers` of an earlier run.
pub(super) fn deliver(
    route: Route<'_>,
    queue: Receiver<Task>,
    leftovers: &[String],
    sessions: usize,
) -> Result<SessionOutcome, UploadError> {
    let (give_back, returned) = unbounded();
    let pool = SessionPool {
        route,
        queue,
        give_back,
        returned,
        lanes: Lanes::new(sessions),
        in_hand: AtomicUsize::new(0),
        misdelivered: AtomicU32::new(0),
        open: AtomicBool::new(false),
        over: AtomicBool::new(false),
        error: Mutex::new(None),
        told: Mutex::new(None),
    };
    std::thread::scope(|scope| {
        for index in 0..sessions {
            let pool = &pool;
            scope.spawn(move || pool.session(index));
        }
    });
    let error = pool
        .error
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if error.as_ref().is_none_or(leaves_a_server) {
        pool.tidy_up();
    }
    match error {
        Some(error) => Err(error),
        None => Ok(SessionOutcome {
            misdelivered: pool.misdelivered.load(Ordering::Relaxed),
            left_over: Courier::new(route).remove_all(leftovers),
        }),
    }
}

impl SessionPool<'_> {
    /// One session's thread.
    fn session(&self, index: usize) {
        let mut courier = Courier::new(self.route);
        let mut backoff = Backoff::new(self.route.delivery.retry);
        if index == 0 && !self.connect_first(&mut courier, &mut backoff) {
            return;
        }
        let mut begun = index == 0;
        while let Some((mut task, lane)) = self.next_task() {
            if !std::mem::replace(&mut begun, true) {
                self.route
                    .interrupt
                    .sleep(CONNECT_GAP * u32::try_from(index).unwrap_or(0));
            }
            let breaks = task.breaks();
            let carried = courier.carry(&mut task);
            if task.breaks() > breaks {
                self.lanes.narrow();
            }
            match carried {
                Ok(UploadOutcome::Delivered(part)) => {
                    self.lanes.widen();
                    backoff.reset();
                    self.route.trouble.end();
                    self.route.meter.parts_delivered.add(1);
                    self.settled(&mut courier, task);
                    if !self.route.keep_parts {
                        remove_local(&part.uploaded.part);
                    }
                }
                Ok(UploadOutcome::Misdelivered) => {
                    self.misdelivered.fetch_add(1, Ordering::Relaxed);
                    self.settled(&mut courier, task);
                }
                Ok(UploadOutcome::Again(error)) => {
                    if self.route.interrupt.is_raised() {
                        return self.abandon(&mut courier, task);
                    }
                    // The receiver is in the pool: it cannot be gone.
                    let _ = self.give_back.send(task);
                    // Whoever works may send meanwhile.
                    drop(lane);
                    if !self.wait(error, &mut backoff) {
                        return;
                    }
                }
                Err(error) => {
                    let tidy = leaves_a_server(&error);
                    // First, so that the other sessions begin nothing more.
                    self.fail(error);
                    if tidy {
                        self.abandon(&mut courier, task);
                    }
                    return;
                }
            }
        }
    }

    /// Connects before there is a part, so that a wrong key ends the run at once. False when the run is over.
    fn connect_first(&self, courier: &mut Courier<'_>, backoff: &mut Backoff) -> bool {
        let mut refusals = 0;
        while let Err(error) = courier.connect() {
            if error.is_interrupted() {
                return false;
            }
            refusals += u32::from(error.retry() == Retry::Once);
            // The second answer of that kind is the same as the first.
            if !error.is_transient() || refusals > 1 {
                self.fail(UploadError::Connect(error));
                return false;
            }
            if !self.wait(error, backoff) {
                return false;
            }
        }
        // It may be long before there is a part: that is no trouble.
        self.route.trouble.end();
        self.open.store(true, Ordering::Release);
        true
    }

    /// The next part and the right to send it, or `None` when this session has nothing more to do.
    fn next_task(&self) -> Option<(Task, Lane<'_>)> {
        loop {
            if self.over.load(Ordering::Acquire) || self.route.interrupt.is_raised() {
                return None;
            }
            if !self.open.load(Ordering::Acquire) {
                self.route.interrupt.sleep(IDLE_LOOK);
                continue;
            }
            let Some(lane) = self.lanes.enter() else {
                self.route.interrupt.sleep(IDLE_LOOK);
                continue;
            };
            if let Ok(task) = self.returned.try_recv() {
                return Some((task, lane));
            }
            // Counted before it is taken, so that no session sees an empty queue and nothing in hand in between.
            self.in_hand.fetch_add(1, Ordering::AcqRel);
            match self.queue.recv_timeout(IDLE_LOOK) {
                Ok(task) => return Some((task, lane)),
                Err(end) => {
                    let left = self.in_hand.fetch_sub(1, Ordering::AcqRel) - 1;
                    if end == RecvTimeoutError::Disconnected {
                        if left == 0 {
                            return None;
                        }
                        // Others still have parts in hand, and may give one back.
                        if let Ok(task) = self.returned.recv_timeout(IDLE_LOOK) {
                            return Some((task, lane));
                        }
                    }
                }
            }
        }
    }

    /// The part is done with; tries once more to remove what its broken attempts left.
    fn settled(&self, courier: &mut Courier<'_>, mut task: Task) {
        if let Err(error) = courier.sweep(&mut task) {
            self.fail(error);
        }
        self.in_hand.fetch_sub(1, Ordering::AcqRel);
    }

    /// The part stays undelivered; its broken attempt is removed if that is possible at once.
    fn abandon(&self, courier: &mut Courier<'_>, mut task: Task) {
        if let Err(error) = courier.clean_up(&mut task) {
            tracing::warn!("{error}");
        }
        self.in_hand.fetch_sub(1, Ordering::AcqRel);
    }

    /// Removes the broken attempts of parts that came back and were not taken again.
    fn tidy_up(&self) {
        let mut courier = Courier::new(self.route);
        for task in self.returned.try_iter() {
            self.abandon(&mut courier, task);
        }
    }

    /// Waits before another try. False when the run is over.
    fn wait(&self, error: SftpError, backoff: &mut Backoff) -> bool {
        let mut limit = self.route.delivery.retry.give_up_after;
        if matches!(error, SftpError::Resolve { .. }) && !self.open.load(Ordering::Acquire) {
            limit = limit.min(UNKNOWN_NAME);
        }
        if self.route.trouble.is_abandoned() {
            self.over.store(true, Ordering::Release);
            return false;
        }
        let lasted = self.route.trouble.note();
        if lasted >= limit {
            self.fail(UploadError::GaveUp {
                after: limit,
                source: error,
            });
            return false;
        }
        let left = limit.saturating_sub(lasted);
        let wait = backoff.next().unwrap_or(limit).min(left);
        self.route.meter.retries.add(1);
        self.route.trouble.will_try(backoff.tries(), wait);
        self.tell(&error, wait, left);
        self.pause(wait)
    }

    /// Logs a failure and the wait for the next try. What all sessions meet at once is told once, not by each of them.
    fn tell(&self, error: &SftpError, wait: Duration, left: Duration) {
        let cause =
            std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
        let text = format!("{error}{cause}");
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = told
            .as_ref()
            .is_some_and(|(known, until)| *known == text && now < *until);
        let next = format!(
            "trying again in {:.1} s, giving up in {}",
            wait.as_secs_f64(),
            duration(left.as_secs_f64().max(1.0))
        );
        if is_known {
            tracing::debug!("{text}; {next}");
        } else {
            tracing::warn!("{text}; {next}");
            *told = Some((text, now + wait));
        }
    }

    /// Waits so long. False when the run is over, or has failed elsewhere.
    fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            if self.over.load(Ordering::Acquire) || self.route.trouble.is_abandoned() {
                self.over.store(true, Ordering::Release);
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            if !self.route.interrupt.sleep(left.min(IDLE_LOOK)) {
                return false;
            }
        }
    }

    fn fail(&self, error: UploadError) {
        self.over.store(true, Ordering::Release);
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
    }
}
