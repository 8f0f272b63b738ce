//! The thread in which a driver works, and how it is made to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use adbc_core::CancelHandle;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::error::AdbcError;
use crate::base::interrupt::Interrupt;
use crate::source::query::QueryError;

/// Answers that wait to be taken: memory holds so many batches and the one that the driver makes.
const WAITING: usize = 2;
/// How often a signal is looked for.
const POLL: Duration = Duration::from_millis(50);
/// How long a driver that was cancelled may take to come back. One that does not is left to itself.
const GRACE: Duration = Duration::from_secs(3);

/// The handles that cancel a statement: its own, and its connection's.
type Handles = Arc<[Box<dyn CancelHandle>; 2]>;

/// The state that the driver's thread shares with the thread that waits for it.
#[derive(Default)]
pub(super) struct DriverGuard {
    is_over: AtomicBool,
    /// Cancels the statement in hand: by itself, or by its connection.
    cancel: Mutex<Option<Handles>>,
}

impl DriverGuard {
    /// An error when nobody waits any more.
    pub(super) fn go_on(&self) -> Result<(), QueryError> {
        if self.is_over.load(Ordering::Acquire) {
            return Err(QueryError::Interrupted);
        }
        Ok(())
    }

    /// The statement that is run next.
    pub(super) fn watch(
        &self,
        statement: Box<dyn CancelHandle>,
        connection: Box<dyn CancelHandle>,
    ) {
        let mut cancel = self.cancel.lock().unwrap_or_else(PoisonError::into_inner);
        *cancel = Some(Arc::new([statement, connection]));
    }

    /// Nothing is left to cancel.
    pub(super) fn rest(&self) {
        *self.cancel.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Cancels the statement in hand, on a thread of its own: a driver may ask a server for it.
    fn cancel(&self) -> Option<std::thread::JoinHandle<()>> {
        let cancel = self.cancel.lock().unwrap_or_else(PoisonError::into_inner);
        let handles = Arc::clone(cancel.as_ref()?);
        let cancelling = move || {
            // The connection's where the statement has none; there is nothing to do about one that fails.
            let _ = handles.iter().any(|handle| handle.try_cancel().is_ok());
        };
        std::thread::Builder::new()
            .name("adbc-cancel".to_owned())
            .spawn(cancelling)
            .ok()
    }
}

/// A driver at work. Dropping it cancels what the driver does.
pub(super) struct DriverWork<T> {
    name: String,
    /// None when nothing is taken any more.
    answers: Option<Receiver<Result<T, QueryError>>>,
    /// Closed when the thread ends.
    ended: Receiver<()>,
    guard: Arc<DriverGuard>,
    interrupt: Interrupt,
}

impl<T: Send + 'static> DriverWork<T> {
    /// Starts `body`, which is given the way to tell; telling is false when nobody listens.
    pub(super) fn start(
        interrupt: &Interrupt,
        name: &str,
        body: impl FnOnce(&DriverGuard, &dyn Fn(Result<T, QueryError>) -> bool) + Send + 'static,
    ) -> Result<Self, QueryError> {
        let (sender, answers) = bounded(WAITING);
        let (alive, ended) = bounded(0);
        let guard = Arc::new(DriverGuard::default());
        let shared = Arc::clone(&guard);
        let thread = move || {
            let _alive: Sender<()> = alive;
            body(&shared, &|answer| sender.send(answer).is_ok());
        };
        let started = std::thread::Builder::new()
            .name("adbc".to_owned())
            .spawn(thread);
        started.map_err(|_| AdbcError::ThreadEnded {
            name: name.to_owned(),
        })?;
        Ok(Self {
            name: name.to_owned(),
            answers: Some(answers),
            ended,
            guard,
            interrupt: interrupt.clone(),
        })
    }

    /// The next answer; an error that is [`QueryError::Interrupted`] when a signal comes first.
    pub(super) fn next_told(&mut self) -> Result<T, QueryError> {
        loop {
            if self.interrupt.is_raised() {
                self.stop();
            }
            let Some(answers) = &self.answers else {
                return Err(QueryError::Interrupted);
            };
            match answers.recv_timeout(POLL) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.broken_off()),
            }
        }
    }

    /// The one answer of work that gives one.
    pub(super) fn only(mut self) -> Result<T, QueryError> {
        self.next_told()
    }

    /// The thread told something else than was its turn.
    pub(super) fn broken_off(&self) -> QueryError {
        let name = self.name.clone();
        AdbcError::ThreadEnded { name }.into()
    }
}

impl<T> DriverWork<T> {
    /// Ends the work: nothing is taken any more, and the driver is told to cancel until its thread ends.
    fn stop(&mut self) {
        self.guard.is_over.store(true, Ordering::Release);
        self.answers = None;
        let until = Instant::now() + GRACE;
        let mut cancelling = None;
        while let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(POLL) {
            if Instant::now() >= until {
                tracing::debug!(
                    "the driver does not return from its query; the program ends without waiting for it"
                );
                return;
            }
            // A statement that had not begun yet was not cancelled by the first call.
            if cancelling
                .as_ref()
                .is_none_or(std::thread::JoinHandle::is_finished)
            {
                cancelling = self.guard.cancel();
            }
        }
    }
}

impl<T> Drop for DriverWork<T> {
    fn drop(&mut self) {
        if self.answers.is_some() {
            self.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signal_ends_the_wait_and_work_that_looks_at_its_guard() {
        let interrupt = Interrupt::new();
        let mut work: DriverWork<u8> = DriverWork::start(&interrupt, "x", |guard, _| {
            while guard.go_on().is_ok() {
                std::thread::yield_now();
            }
        })
        .unwrap();
        interrupt.raise(2);
        assert!(matches!(work.next_told(), Err(QueryError::Interrupted)));
        assert!(work.ended.recv().is_err());
    }

    #[test]
    fn thread_that_ends_without_a_word_is_no_end_of_rows() {
        let mut work: DriverWork<u8> = DriverWork::start(&Interrupt::new(), "x", |_, tell| {
            tell(Ok(1));
        })
        .unwrap();
        assert_eq!(work.next_told().unwrap(), 1);
        let error = work.next_told().unwrap_err();
        assert!(error.to_string().contains("thread ended"), "{error}");
    }

    #[test]
    fn few_answers_wait() {
        let told = Arc::new(Mutex::new(0));
        let count = Arc::clone(&told);
        let work: DriverWork<u8> = DriverWork::start(&Interrupt::new(), "x", move |_, tell| {
            while tell(Ok(1)) {
                *count.lock().unwrap() += 1;
            }
        })
        .unwrap();
        drop(work);
        assert!(*told.lock().unwrap() <= WAITING);
    }
}
