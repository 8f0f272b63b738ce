//! Faults of the API that a test asks for. As with the SFTP half, what is struck depends on the order of
//! calls alone, never on time or luck.

use std::sync::{Mutex, PoisonError};

use super::id::mixed;

/// One kind of trouble with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiFault {
    /// 429 with this `Retry-After`; nothing is done.
    TooManyRequests {
        /// Whole seconds.
        retry_after_seconds: u64,
    },
    /// 500; nothing is done.
    ServerError,
    /// 503; nothing is done.
    Unavailable,
    /// The connection is closed without a reply; nothing is done.
    Drop,
    /// The call is carried out, then the connection is closed without a reply.
    LoseReply,
    /// The call is carried out, and the next page, if there is one, is said to be at this port of this machine.
    ForeignNext {
        /// A port that is not the API's.
        port: u16,
    },
    /// The call is carried out, and the next page, if there is one, is said to be the first.
    CircularNext,
    /// 307 to this port of this machine; nothing is done.
    Redirect {
        /// A port that is not the API's.
        port: u16,
    },
}

/// At which of its chances an armed fault strikes; they count from 1.
#[derive(Debug, Clone, Copy)]
enum When {
    Between(u64, u64),
    Every(u64),
    Percent { percent: u64, seed: u64 },
}

impl When {
    fn strikes(self, chance: u64) -> bool {
        match self {
            Self::Between(first, last) => (first..=last).contains(&chance),
            Self::Every(n) => chance.is_multiple_of(n),
            Self::Percent { percent, seed } => mixed(chance ^ mixed(seed)) % 100 < percent,
        }
    }
}

#[derive(Debug, Clone)]
struct Armed {
    fault: ApiFault,
    when: When,
    /// `None`: every operation.
    operation: Option<String>,
    chances: u64,
}

/// The faults of the API. A chance is a call with a good key, scope and rate, to an operation that the fault is for.
#[derive(Debug, Clone, Default)]
pub struct ApiFaults {
    armed: Vec<Armed>,
}

impl ApiFaults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Strikes at the next call.
    #[must_use]
    pub fn once(self, fault: ApiFault) -> Self {
        self.times(fault, 1)
    }

    /// Strikes at the next `times` calls.
    #[must_use]
    pub fn times(self, fault: ApiFault, times: u32) -> Self {
        self.arm(fault, When::Between(1, times.into()))
    }

    /// Strikes at every call.
    #[must_use]
    pub fn always(self, fault: ApiFault) -> Self {
        self.every(fault, 1)
    }

    /// Strikes at the `k`-th call only, counted from 1.
    #[must_use]
    pub fn nth(self, fault: ApiFault, k: u32) -> Self {
        self.arm(fault, When::Between(k.max(1).into(), k.max(1).into()))
    }

    /// Strikes at every `n`-th call.
    #[must_use]
    pub fn every(self, fault: ApiFault, n: u32) -> Self {
        self.arm(fault, When::Every(n.max(1).into()))
    }

    /// Strikes at about `percent` of the calls; the same `seed` strikes the same calls.
    #[must_use]
    pub fn percent(self, fault: ApiFault, percent: u8, seed: u64) -> Self {
        let percent = percent.into();
        self.arm(fault, When::Percent { percent, seed })
    }

    /// Restricts the fault that was armed last to one operation, by its id in Klaviyo's contract (`get_lists`).
    #[must_use]
    pub fn only(mut self, operation: &str) -> Self {
        if let Some(armed) = self.armed.last_mut() {
            armed.operation = Some(operation.to_owned());
        }
        self
    }

    fn arm(mut self, fault: ApiFault, when: When) -> Self {
        self.armed.push(Armed {
            fault,
            when,
            operation: None,
            chances: 0,
        });
        self
    }
}

/// The faults that are armed, shared by all connections.
#[derive(Debug)]
pub(super) struct ApiFaultState(Mutex<ApiFaults>);

impl ApiFaultState {
    /// Arms the faults of a new sandbox.
    pub(super) fn new(faults: ApiFaults) -> Self {
        Self(Mutex::new(faults))
    }

    /// Disarms everything and arms `faults`.
    pub(super) fn replace(&self, faults: ApiFaults) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// The fault that strikes this call, if one does. Faults that are armed behind it keep their chance.
    pub(super) fn strike(&self, operation: &str) -> Option<ApiFault> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |armed: &&mut Armed| {
            armed
                .operation
                .as_deref()
                .is_none_or(|only| only == operation)
        };
        faults.armed.iter_mut().filter(fits).find_map(|armed| {
            armed.chances += 1;
            armed.when.strikes(armed.chances).then_some(armed.fault)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_strike_when_they_should() {
        let state = ApiFaultState::new(
            ApiFaults::none()
                .nth(ApiFault::Drop, 2)
                .only("get_lists")
                .every(ApiFault::ServerError, 3),
        );
        let struck: Vec<_> = [
            "get_lists",
            "get_lists",
            "get_list",
            "get_lists",
            "get_list",
        ]
        .map(|operation| state.strike(operation))
        .into();
        let broken = Some(ApiFault::ServerError);
        assert_eq!(struck, [None, Some(ApiFault::Drop), None, broken, None]);
        let state = ApiFaultState::new(ApiFaults::none().percent(ApiFault::Unavailable, 30, 1));
        let count = (0..1000).filter(|_| state.strike("a").is_some()).count();
        assert!((250..350).contains(&count), "{count}");
    }
}
