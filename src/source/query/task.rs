//! A thread of its own for the talk to a database: a signal ends the waiting for it, and the query with it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never};

use super::QueryError;
use crate::base::interrupt::{Interrupt, WaitEnd};

/// How long a thread may take to see by itself that nobody waits.
const NOTICE: Duration = Duration::from_millis(50);
/// How long a query that is cancelled may take to end. A thread that takes longer is left to itself.
const GRACE: Duration = Duration::from_secs(3);

/// The way in which a query is ended from outside.
pub(super) trait Cancel: Send + Sync + 'static {
    /// The name of the thread.
    const NAME: &'static str;
    /// Items that wait to be taken.
    const WAITING: usize;
    /// How often a query is cancelled: the first time may come before it has begun.
    const AGAIN: Duration;

    /// Whether the thread is waited for when nobody waits for its items.
    fn is_waited_for(&self) -> bool;

    /// Cancels what runs at the moment, on a thread of its own. False where it would be in vain to do it again.
    fn cancel(&self) -> bool;

    /// Notes that the thread did not end.
    fn give_up(&self) {}

    /// The error of a thread that ended without a word.
    fn broken_off(&self) -> QueryError {
        QueryError::Interrupted
    }
}

/// The state that both sides see.
pub(super) struct Link<C> {
    /// Nobody waits for the items any more.
    is_over: AtomicBool,
    pub(super) cancel: C,
}

impl<C> Link<C> {
    /// An error when nobody waits any more.
    pub(super) fn go_on(&self) -> Result<(), QueryError> {
        if self.is_over.load(Ordering::Acquire) {
            return Err(QueryError::Interrupted);
        }
        Ok(())
    }
}

/// A message of the side that works.
enum TaskMessage<T> {
    Item(Result<T, QueryError>),
    Limit(Option<Limit>),
}

/// The time until which the next item must have come, and the error where it has not.
struct Limit {
    until: Instant,
    error: QueryError,
}

/// The side that works.
pub(super) struct Worker<T, C> {
    messages: Sender<TaskMessage<T>>,
    pub(super) link: Arc<Link<C>>,
}

impl<T, C> Worker<T, C> {
    /// Hands an item over; an error when nobody waits.
    pub(super) fn give(&self, item: T) -> Result<(), QueryError> {
        self.send(TaskMessage::Item(Ok(item)))
    }

    /// Has the other side take `error` for the next item, unless that comes within `time`.
    pub(super) fn limit(&self, time: Duration, error: QueryError) {
        let until = Instant::now() + time;
        // Nobody may be waiting.
        let _ = self.send(TaskMessage::Limit(Some(Limit { until, error })));
    }

    /// Takes the limit back.
    pub(super) fn no_limit(&self) {
        let _ = self.send(TaskMessage::Limit(None));
    }

    fn send(&self, message: TaskMessage<T>) -> Result<(), QueryError> {
        let sent = self.messages.send(message);
        sent.map_err(|_| QueryError::Interrupted)
    }
}

/// The side that waits. Dropping it cancels what runs.
pub(super) struct QueryTask<T, C: Cancel> {
    messages: Receiver<TaskMessage<T>>,
    /// Closed when the thread has ended.
    ended: Receiver<Infallible>,
    link: Arc<Link<C>>,
    interrupt: Interrupt,
    limit: Option<Limit>,
}

impl<T: Send + 'static, C: Cancel> QueryTask<T, C> {
    /// Has a thread do `work`; its error is the last item.
    pub(super) fn start(
        interrupt: &Interrupt,
        cancel: C,
        work: impl FnOnce(&Worker<T, C>) -> Result<(), QueryError> + Send + 'static,
    ) -> Self {
        let (sender, messages) = bounded(C::WAITING);
        let (alive, ended) = bounded(0);
        let is_over = AtomicBool::new(false);
        let link = Arc::new(Link { is_over, cancel });
        let worker = Worker {
            messages: sender,
            link: Arc::clone(&link),
        };
        let thread = move || {
            if let Err(error) = work(&worker) {
                // Nobody may be waiting for it.
                let _ = worker.send(TaskMessage::Item(Err(error)));
            }
            drop(worker);
            drop::<Sender<Infallible>>(alive);
        };
        // A thread that cannot be started is as good as one that has ended.
        let name = C::NAME.to_owned();
        let _ = std::thread::Builder::new().name(name).spawn(thread);
        Self {
            messages,
            ended,
            link,
            interrupt: interrupt.without_grace(),
            limit: None,
        }
    }

    /// Waits for the next item; an error that is [`QueryError::Interrupted`] when a signal comes first.
    pub(super) fn wait(&mut self) -> Result<T, QueryError> {
        loop {
            let until = self.limit.as_ref().map(|limit| limit.until);
            match (self.interrupt.recv(&self.messages, until), &self.limit) {
                (Ok(TaskMessage::Item(item)), _) => return item,
                (Ok(TaskMessage::Limit(limit)), _) => self.limit = limit,
                (Err(WaitEnd::Late), Some(limit)) => return Err(limit.error.clone()),
                (Err(WaitEnd::Closed), _) => return Err(self.broken_off()),
                (Err(_), _) => return Err(QueryError::Interrupted),
            }
        }
    }
}

impl<T, C: Cancel> QueryTask<T, C> {
    /// The error of a thread that said nothing, or something else than was its turn.
    pub(super) fn broken_off(&self) -> QueryError {
        self.link.cancel.broken_off()
    }

    fn has_ended(&self, within: Duration) -> bool {
        self.ended.recv_timeout(within) == Err(RecvTimeoutError::Disconnected)
    }
}

impl<T, C: Cancel> Drop for QueryTask<T, C> {
    fn drop(&mut self) {
        self.link.is_over.store(true, Ordering::Release);
        // A thread that waits to hand something over waits no longer.
        self.messages = never();
        // A thread that is done closes the connection, which takes a moment.
        if !self.link.cancel.is_waited_for() || self.has_ended(NOTICE) {
            return;
        }
        let (link, ended) = (Arc::clone(&self.link), self.ended.clone());
        let until = Instant::now() + GRACE;
        let cancelling = move || {
            while link.cancel.cancel()
                && ended.recv_timeout(C::AGAIN) == Err(RecvTimeoutError::Timeout)
                && Instant::now() < until
            {}
        };
        let name = format!("{}-cancel", C::NAME);
        let _ = std::thread::Builder::new().name(name).spawn(cancelling);
        if !self.has_ended(GRACE) {
            self.link.cancel.give_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Cancel for Flag {
        const NAME: &'static str = "flag";
        const WAITING: usize = 1;
        const AGAIN: Duration = NOTICE;

        fn is_waited_for(&self) -> bool {
            true
        }

        fn cancel(&self) -> bool {
            self.0.store(true, Ordering::Release);
            true
        }
    }

    #[test]
    fn limit_gives_its_error_and_can_be_taken_back() {
        let late = || QueryError::from(crate::source::query::postgres::PostgresError::NoUser);
        let (go, gone) = bounded::<()>(0);
        let mut task = QueryTask::start(&Interrupt::new(), Flag::default(), move |worker| {
            worker.limit(Duration::from_hours(1), late());
            worker.no_limit();
            worker.give(1)?;
            worker.limit(Duration::ZERO, late());
            let _ = gone.recv();
            Ok(())
        });
        assert_eq!(task.wait().unwrap(), 1);
        assert!(matches!(task.wait(), Err(QueryError::Postgres(_))));
        drop(go);
    }

    #[test]
    fn work_that_nobody_waits_for_is_cancelled() {
        let task: QueryTask<u8, _> =
            QueryTask::start(&Interrupt::new(), Flag::default(), |worker| {
                while !worker.link.cancel.0.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
                Ok(())
            });
        let link = Arc::clone(&task.link);
        drop(task);
        assert!(link.cancel.0.load(Ordering::Acquire) && link.go_on().is_err());
    }
}
