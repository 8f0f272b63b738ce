//! A thread of its own for the talk to the server: a signal ends the waiting for it, and the query with it.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use postgres::CancelToken;

use super::PostgresError;
use super::tls::Tls;
use crate::base::interrupt::Interrupt;
use crate::source::query::QueryError;

/// How often a signal is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// How long a server may take to end a query that is cancelled.
const CANCEL: Duration = Duration::from_secs(3);
const CANCEL_AGAIN: Duration = Duration::from_millis(200);
/// Items that wait to be taken.
const WAITING: usize = 32;

/// The state that both sides see.
#[derive(Default)]
struct PgTaskState {
    /// Nobody waits for the items any more.
    is_over: AtomicBool,
    /// Which server is dialled, until when.
    dialling: Mutex<Option<(String, Instant)>>,
    cancel: Mutex<Option<(CancelToken, Tls)>>,
}

/// The side that waits. Dropping it cancels what runs on the server.
pub(super) struct PgTask<T> {
    items: Receiver<Result<T, QueryError>>,
    /// Closed when the thread has ended.
    alive: Receiver<()>,
    shared: Arc<PgTaskState>,
    interrupt: Interrupt,
}

/// The side that works.
pub(super) struct Worker<T> {
    items: Sender<Result<T, QueryError>>,
    shared: Arc<PgTaskState>,
}

impl<T: Send + 'static> PgTask<T> {
    /// Has a thread do `work`; its error is the last item.
    pub(super) fn start(
        interrupt: &Interrupt,
        work: impl FnOnce(&Worker<T>) -> Result<(), QueryError> + Send + 'static,
    ) -> Self {
        let (items_in, items) = bounded(WAITING);
        let (alive_in, alive) = bounded(0);
        let shared = Arc::new(PgTaskState::default());
        let worker = Worker {
            items: items_in,
            shared: Arc::clone(&shared),
        };
        std::thread::spawn(move || {
            if let Err(error) = work(&worker) {
                // Nobody may be waiting for it.
                let _ = worker.items.send(Err(error));
            }
            drop(worker);
            drop(alive_in);
        });
        Self {
            items,
            alive,
            shared,
            interrupt: interrupt.clone(),
        }
    }

    /// Waits for the next item.
    pub(super) fn next(&self) -> Result<T, QueryError> {
        loop {
            if self.interrupt.is_raised() {
                return Err(QueryError::Interrupted);
            }
            match self.items.recv_timeout(LOOK) {
                Ok(item) => return item,
                Err(RecvTimeoutError::Timeout) => self.shared.look_at_dialling()?,
                // A thread that says nothing has panicked.
                Err(RecvTimeoutError::Disconnected) => return Err(QueryError::Interrupted),
            }
        }
    }
}

impl PgTaskState {
    fn look_at_dialling(&self) -> Result<(), PostgresError> {
        let dialling = self.dialling.lock().unwrap_or_else(PoisonError::into_inner);
        match &*dialling {
            Some((server, until)) if Instant::now() > *until => Err(PostgresError::Connect {
                server: server.clone(),
                cause: ErrorKind::TimedOut,
            }),
            _ => Ok(()),
        }
    }

    fn cancel_token(&self) -> Option<(CancelToken, Tls)> {
        self.cancel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl<T> Drop for PgTask<T> {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Who waits to hand something over waits no longer.
        self.items = crossbeam_channel::never();
        let Some((token, tls)) = self.shared.cancel_token() else {
            return;
        };
        // A thread that is done closes the connection, which takes a moment.
        if self.alive.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        let alive = self.alive.clone();
        // More than once: the first may come before the query has begun.
        std::thread::spawn(move || {
            for _ in 0..CANCEL.as_millis() / CANCEL_AGAIN.as_millis() {
                if token.cancel_query(tls.clone()).is_err()
                    || alive.recv_timeout(CANCEL_AGAIN) != Err(RecvTimeoutError::Timeout)
                {
                    return;
                }
            }
        });
        let _ = self.alive.recv_timeout(CANCEL);
    }
}

impl<T> Worker<T> {
    /// Hands an item over; an error when nobody waits.
    pub(super) fn give(&self, item: T) -> Result<(), QueryError> {
        self.items
            .send(Ok(item))
            .map_err(|_| QueryError::Interrupted)
    }

    /// An error when nobody waits.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        if self.shared.is_over.load(Ordering::Acquire) {
            return Err(QueryError::Interrupted);
        }
        Ok(())
    }

    /// Notes that a server is dialled, and how long that may take.
    pub(super) fn dialling(&self, server: &str, limit: Duration) {
        *self.dialled() = Some((server.to_owned(), Instant::now() + limit));
    }

    /// Notes how what runs from now on is cancelled.
    pub(super) fn connected(&self, token: CancelToken, tls: Tls) {
        *self.dialled() = None;
        let mut cancel = self
            .shared
            .cancel
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *cancel = Some((token, tls));
    }

    fn dialled(&self) -> std::sync::MutexGuard<'_, Option<(String, Instant)>> {
        self.shared
            .dialling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
