//! Faults that a test asks for: they are armed with a count, and strike at the next chance that fits.
//!
//! Which chance is struck depends on the order of requests alone, never on time or luck. With several sessions at once
//! the order in which their requests arrive decides.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bandwidth that went unused this long is lost; what is left evens out the clock's coarse ticks.
const BURST: Duration = Duration::from_millis(20);

/// One kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is accepted and closed at once, without a banner.
    RefuseConnection,
    /// Every key of one connection is refused, the right one too.
    RefuseLogin,
    /// OPEN for writing: permission denied.
    RefuseOpen,
    /// The connection is cut once an upload has got this many bytes (0: right after OPEN); exactly these become a partial object.
    CutAfter {
        /// How many bytes still arrive.
        bytes: u64,
    },
    /// CLOSE stores the object, then the connection is cut without an answer.
    CutAtClose,
    /// Once an upload has got this many bytes the session answers nothing for `time`, or (`None`) until the client goes.
    /// When the client goes first, exactly these bytes become a partial object.
    StallAfter {
        /// How many bytes are taken before.
        bytes: u64,
        /// How long; `None` is for ever.
        time: Option<Duration>,
    },
    /// A write is refused (SFTP 4) because it would bring all uploads since the faults were set to more than this.
    NoSpaceAfter {
        /// How many bytes there is room for.
        bytes: u64,
    },
    /// CLOSE: permission denied, and nothing is stored.
    RefuseClose,
    /// CLOSE takes `time`; the object appears at its end, whether the client still waits or not.
    SlowClose {
        /// From the request to the stored object.
        time: Duration,
    },
    /// The object is taken away right after CLOSE, before the answer ([`Sandbox::collected`](super::Sandbox::collected)).
    Collect,
    /// STAT or LSTAT of an object: permission denied, as with a write-only role.
    DenyStat,
    /// STAT and OPENDIR of a folder, and of what is not there: permission denied, as with a write-only role.
    DenyLook,
    /// REMOVE: permission denied.
    DenyRemove,
    /// STAT or LSTAT of an object reports a size that is this much too small.
    WrongSize {
        /// The bytes left out.
        missing: u64,
    },
}

/// A moment at which a fault may strike.
#[derive(Debug, Clone, Copy)]
pub(super) enum Chance {
    /// A connection came in.
    Connection,
    /// A connection offers its first key.
    Login,
    /// An upload is to begin.
    Open,
    /// This many bytes are to be written.
    Write(u64),
    /// CLOSE of an upload, before anything is stored.
    Close,
    /// The object was stored.
    Stored,
    /// STAT of an object.
    Stat,
    /// STAT or OPENDIR of a folder, or of what is not there.
    Look,
    /// REMOVE of an object.
    Remove,
}

#[derive(Debug, Clone)]
struct Armed {
    fault: Fault,
    skip: u32,
    times: u32,
}

impl Armed {
    /// Uses one chance up; true when the fault strikes.
    fn strikes(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let strikes = self.times > 0;
        // A fault that strikes always is never used up.
        if strikes && self.times != u32::MAX {
            self.times -= 1;
        }
        strikes
    }
}

/// The faults of a sandbox, and how slow it is. None, and as fast as it can, by default.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    armed: Vec<Armed>,
    write_latency: Duration,
    bytes_per_second: Option<u64>,
    channel_window: Option<u32>,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Strikes at the next chance.
    #[must_use]
    pub fn once(self, fault: Fault) -> Self {
        self.times(fault, 1)
    }

    /// Strikes at the next `times` chances.
    #[must_use]
    pub fn times(self, fault: Fault, times: u32) -> Self {
        self.arm(fault, 0, times)
    }

    /// Strikes at every chance.
    #[must_use]
    pub fn always(self, fault: Fault) -> Self {
        self.times(fault, u32::MAX)
    }

    /// Strikes at the `k`-th chance only, counted from 1: with [`Fault::CutAfter`] that is the `k`-th upload to get so far.
    #[must_use]
    pub fn nth(self, fault: Fault, k: u32) -> Self {
        self.arm(fault, k.saturating_sub(1), 1)
    }

    /// Delays the reply to each write. Writes of one session are answered one after another, so a session then does one per `time`.
    #[must_use]
    pub fn write_latency(mut self, time: Duration) -> Self {
        self.write_latency = time;
        self
    }

    /// Limits what all sessions together may write per second.
    #[must_use]
    pub fn bytes_per_second(mut self, bytes: u64) -> Self {
        self.bytes_per_second = Some(bytes.max(1));
        self
    }

    /// The bytes that a client of a later connection may send ahead of the server's window adjustments; small, it cuts packets in two.
    #[must_use]
    pub fn channel_window(mut self, bytes: u32) -> Self {
        self.channel_window = Some(bytes);
        self
    }

    fn arm(mut self, fault: Fault, skip: u32, times: u32) -> Self {
        self.armed.push(Armed { fault, skip, times });
        self
    }
}

#[derive(Debug)]
struct State {
    faults: Faults,
    /// Bytes of all uploads since the faults were set.
    written: u64,
    /// When the bytes that were let through have had their time.
    busy_until: Option<Instant>,
}

/// The faults that are still armed, shared by all connections.
#[derive(Debug)]
pub(super) struct FaultState(Mutex<State>);

impl FaultState {
    /// Arms the faults of a new sandbox.
    pub(super) fn new(faults: Faults) -> Self {
        Self(Mutex::new(State {
            faults,
            written: 0,
            busy_until: None,
        }))
    }

    /// Disarms everything and arms `faults`.
    pub(super) fn replace(&self, faults: Faults) {
        *self.lock() = State {
            faults,
            written: 0,
            busy_until: None,
        };
    }

    /// The fault that strikes at this chance, if one does. Faults that are armed behind it keep theirs.
    pub(super) fn strike(&self, chance: Chance) -> Option<Fault> {
        let mut state = self.lock();
        let written = state.written;
        state
            .faults
            .armed
            .iter_mut()
            .filter(|armed| fits(armed.fault, chance, written))
            .find_map(|armed| armed.strikes().then_some(armed.fault))
    }

    /// The first fault that strikes while an upload grows from `before` (`None`: it is only being opened) to `after`
    /// bytes, with the size at which it does.
    pub(super) fn strike_on_the_way(
        &self,
        before: Option<u64>,
        after: u64,
    ) -> Option<(u64, Fault)> {
        let mut state = self.lock();
        let mut crossed: Vec<(u64, &mut Armed)> = state
            .faults
            .armed
            .iter_mut()
            .filter_map(|armed| match armed.fault {
                Fault::CutAfter { bytes } | Fault::StallAfter { bytes, .. } => Some((bytes, armed)),
                _ => None,
            })
            .filter(|(at, _)| before.is_none_or(|before| before < *at) && *at <= after)
            .collect();
        crossed.sort_by_key(|(at, _)| *at);
        crossed
            .into_iter()
            .find_map(|(at, armed)| armed.strikes().then_some((at, armed.fault)))
    }

    /// The window of new connections' channels, where it is not the usual one.
    pub(super) fn channel_window(&self) -> Option<u32> {
        self.lock().faults.channel_window
    }

    /// Counts bytes that are being written, and says how long their reply has to wait.
    pub(super) fn pace(&self, bytes: u64) -> Duration {
        let mut state = self.lock();
        let latency = state.faults.write_latency;
        let Some(rate) = state.faults.bytes_per_second else {
            return latency;
        };
        let now = Instant::now();
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = state.busy_until.unwrap_or(now).max(earliest);
        let until = start + Duration::from_secs_f64(bytes as f64 / rate as f64);
        state.busy_until = Some(until);
        latency + until.saturating_duration_since(now)
    }

    /// Counts bytes that were written.
    pub(super) fn count_written(&self, bytes: u64) {
        self.lock().written += bytes;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fits(fault: Fault, chance: Chance, written: u64) -> bool {
    match (fault, chance) {
        (Fault::RefuseConnection, Chance::Connection)
        | (Fault::RefuseLogin, Chance::Login)
        | (Fault::RefuseOpen, Chance::Open)
        | (Fault::RefuseClose | Fault::SlowClose { .. }, Chance::Close)
        | (Fault::CutAtClose | Fault::Collect, Chance::Stored)
        | (Fault::DenyLook, Chance::Look)
        | (Fault::DenyStat | Fault::WrongSize { .. }, Chance::Stat)
        | (Fault::DenyRemove, Chance::Remove) => true,
        (Fault::NoSpaceAfter { bytes: room }, Chance::Write(bytes)) => written + bytes > room,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Fault = Fault::CutAfter { bytes: 100 };

    #[test]
    fn counts_chances_and_strikes() {
        let state = FaultState::new(
            Faults::none()
                .nth(Fault::DenyStat, 2)
                .times(Fault::DenyRemove, 2),
        );
        let stat: Vec<_> = (0..3).map(|_| state.strike(Chance::Stat)).collect();
        assert_eq!(stat, [None, Some(Fault::DenyStat), None]);
        let remove: Vec<_> = (0..3).map(|_| state.strike(Chance::Remove)).collect();
        assert_eq!(
            remove,
            [Some(Fault::DenyRemove), Some(Fault::DenyRemove), None]
        );
        state.replace(Faults::none().always(Fault::DenyStat));
        assert!((0..9).all(|_| state.strike(Chance::Stat).is_some()));
    }

    #[test]
    fn strikes_the_upload_that_passes_the_mark() {
        let state = FaultState::new(Faults::none().nth(CUT, 2));
        assert_eq!(state.strike_on_the_way(Some(0), 99), None);
        // The first upload to get there passes, and does not count again when it grows.
        assert_eq!(state.strike_on_the_way(Some(99), 100), None);
        assert_eq!(state.strike_on_the_way(Some(100), 200), None);
        assert_eq!(state.strike_on_the_way(Some(0), 500), Some((100, CUT)));
        assert_eq!(state.strike_on_the_way(Some(0), 500), None);
    }

    #[test]
    fn strikes_in_the_order_of_bytes() {
        let stall = Fault::StallAfter {
            bytes: 50,
            time: None,
        };
        let at_open = Fault::CutAfter { bytes: 0 };
        let state = FaultState::new(Faults::none().once(CUT).once(stall).once(at_open));
        assert_eq!(state.strike_on_the_way(Some(0), 200), Some((50, stall)));
        assert_eq!(state.strike_on_the_way(Some(50), 200), Some((100, CUT)));
        assert_eq!(state.strike_on_the_way(None, 0), Some((0, at_open)));
    }

    #[test]
    fn paces_to_the_rate() {
        let state = FaultState::new(Faults::none().bytes_per_second(1000));
        let wait = (0..10).map(|_| state.pace(100)).last().unwrap();
        assert!(wait > Duration::from_millis(900) && wait <= Duration::from_secs(1));
    }
}
