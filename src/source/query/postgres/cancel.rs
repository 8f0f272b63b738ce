//! How a query is cancelled on the server.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postgres::CancelToken;

use super::tls::Tls;
use crate::source::query::task::{Cancel, QueryTask, Worker};

/// The way to cancel what runs on the server, once there is a connection.
#[derive(Default)]
pub(super) struct PgCancel(Mutex<Option<(CancelToken, Tls)>>);

/// The side that works.
pub(super) type PgWorker<T> = Worker<T, PgCancel>;

/// The side that waits. Dropping it cancels what runs on the server.
pub(super) type PgTask<T> = QueryTask<T, PgCancel>;

impl PgCancel {
    /// Notes how what runs from now on is cancelled.
    pub(super) fn connected(&self, token: CancelToken, tls: Tls) {
        *self.token() = Some((token, tls));
    }

    fn token(&self) -> MutexGuard<'_, Option<(CancelToken, Tls)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancel for PgCancel {
    const NAME: &'static str = "postgres";
    const WAITING: usize = 32;
    const AGAIN: Duration = Duration::from_millis(200);

    fn is_waited_for(&self) -> bool {
        self.token().is_some()
    }

    fn cancel(&self) -> bool {
        let token = self.token().clone();
        token.is_some_and(|(token, tls)| token.cancel_query(tls).is_ok())
    }
}
