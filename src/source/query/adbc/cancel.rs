//! How a driver at work is made to stop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adbc_core::CancelHandle;

use super::error::AdbcError;
use crate::source::query::QueryError;
use crate::source::query::task::{Cancel, Link, QueryTask};

/// The handles that cancel a statement: its own, and its connection's.
type Handles = Arc<[Box<dyn CancelHandle>; 2]>;

/// The way to cancel the statement in hand: by itself, or by its connection.
pub(super) struct DriverCancel {
    /// The driver's name, for people.
    name: String,
    handles: Mutex<Option<Handles>>,
}

/// The state that the driver's thread shares with the thread that waits for it.
pub(super) type DriverGuard = Link<DriverCancel>;

/// A driver at work. Dropping it cancels what the driver does.
pub(super) type DriverTask<T> = QueryTask<T, DriverCancel>;

impl DriverCancel {
    pub(super) fn new(name: String) -> Self {
        let handles = Mutex::default();
        Self { name, handles }
    }

    /// The statement that is run next.
    pub(super) fn watch(
        &self,
        statement: Box<dyn CancelHandle>,
        connection: Box<dyn CancelHandle>,
    ) {
        *self.handles() = Some(Arc::new([statement, connection]));
    }

    /// Nothing is left to cancel.
    pub(super) fn rest(&self) {
        *self.handles() = None;
    }

    fn handles(&self) -> MutexGuard<'_, Option<Handles>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancel for DriverCancel {
    const NAME: &'static str = "adbc";
    /// Memory holds so many batches and the one that the driver makes.
    const WAITING: usize = 2;
    const AGAIN: Duration = Duration::from_millis(50);

    fn is_waited_for(&self) -> bool {
        true
    }

    fn cancel(&self) -> bool {
        let handles = self.handles().clone();
        // The connection's where the statement has none; there is nothing to do about one that fails.
        let _ = handles.is_some_and(|all| all.iter().any(|handle| handle.try_cancel().is_ok()));
        true
    }

    fn give_up(&self) {
        tracing::debug!(
            "the driver does not return from its query; the program ends without waiting for it"
        );
    }

    fn broken_off(&self) -> QueryError {
        let name = self.name.clone();
        AdbcError::ThreadEnded { name }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::interrupt::Interrupt;

    fn cancel() -> DriverCancel {
        DriverCancel::new("x".to_owned())
    }

    #[test]
    fn signal_ends_the_wait_and_work_that_looks_at_its_guard() {
        let interrupt = Interrupt::new();
        let (alive, ended) = crossbeam_channel::bounded::<()>(0);
        let mut work: DriverTask<u8> = DriverTask::start(&interrupt, cancel(), move |worker| {
            while worker.link.go_on().is_ok() {
                std::thread::yield_now();
            }
            drop(alive);
            Ok(())
        });
        interrupt.raise(2);
        assert!(matches!(work.wait(), Err(QueryError::Interrupted)));
        drop(work);
        assert!(ended.recv().is_err());
    }

    #[test]
    fn thread_that_ends_without_a_word_is_no_end_of_rows() {
        let mut work: DriverTask<u8> =
            DriverTask::start(&Interrupt::new(), cancel(), |worker| worker.give(1));
        assert_eq!(work.wait().unwrap(), 1);
        let error = work.wait().unwrap_err();
        assert!(error.to_string().contains("thread ended"), "{error}");
    }

    #[test]
    fn few_answers_wait() {
        let told = Arc::new(Mutex::new(0));
        let count = Arc::clone(&told);
        let work: DriverTask<u8> = DriverTask::start(&Interrupt::new(), cancel(), move |worker| {
            while worker.give(1).is_ok() {
                *count.lock().unwrap() += 1;
            }
            Ok(())
        });
        drop(work);
        assert!(*told.lock().unwrap() <= DriverCancel::WAITING);
    }
}
