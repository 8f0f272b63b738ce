//! Those who are told how a run ended: each has a thread, which reads its URL while the run is under way and waits for the end.
//! Therefore none of them waits for another, and a slow password manager delays nothing.

use std::convert::Infallible;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use rustix::process::{Pid, Signal, kill_process_group};

use super::call::{CallContent, CallOutcome, CallUrl, Caller};
use super::record::{NoticeEvent, NoticeKind, NoticeOutcome, NoticeRecord};
use crate::base::environment::Environment;
use crate::base::interrupt::{Interrupt, WaitEnd};
use crate::base::secret::SecretSource;

/// The time for the ping of a begin, which nobody waits for.
const START: Duration = Duration::from_secs(8);
/// The time for all notices at the end together.
const END: Duration = Duration::from_secs(9);
/// The time for them after a signal.
const AFTER_SIGNAL: Duration = Duration::from_secs(2);
/// The time for a program that is killed, and for its thread.
const KILLED: Duration = Duration::from_millis(300);
/// How often a program is asked whether it has ended: the system tells its exit to nobody who waits for something else too.
const LOOK: Duration = Duration::from_millis(20);

/// The message that is told at the end.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) event: NoticeEvent,
    /// The body of a webhook, or of a collector's calls in their order.
    pub(super) bodies: Vec<Vec<u8>>,
    /// The argument of a program.
    pub(super) report: Option<PathBuf>,
}

/// An order with its deadline.
struct TimedOrder {
    order: Order,
    deadline: Instant,
}

/// One of those who are told.
struct NoticeChannel {
    kind: NoticeKind,
    orders: Sender<TimedOrder>,
}

/// All who are told.
pub(super) struct NoticeChannels {
    all: Vec<NoticeChannel>,
    told: Receiver<NoticeRecord>,
    tell: Sender<NoticeRecord>,
    /// Dropped when nobody is waited for any more, which closes the other end.
    running: Sender<Infallible>,
    is_over: Receiver<Infallible>,
    /// Whether a begin was told of that has no record yet.
    starts: usize,
}

impl Default for NoticeChannels {
    fn default() -> Self {
        let (tell, told) = unbounded();
        let (running, is_over) = bounded(0);
        Self {
            all: Vec::new(),
            told,
            tell,
            running,
            is_over,
            starts: 0,
        }
    }
}

/// Where a URL is, and how it is called.
#[derive(Clone)]
pub(super) struct Remote {
    pub(super) source: SecretSource,
    pub(super) environment: Environment,
    pub(super) caller: Caller,
}

impl Remote {
    /// The URL; the error says what is wrong with it, without showing it.
    pub(super) fn address(&self) -> Result<CallUrl, String> {
        let secret = self.source.read(&self.environment);
        let secret = secret.map_err(|error| format!("no URL: {error}"))?;
        CallUrl::parse(&secret).map_err(str::to_owned)
    }
}

impl NoticeChannels {
    /// Adds a channel whose thread does `work`.
    fn add(
        &mut self,
        kind: NoticeKind,
        work: impl FnOnce(&Receiver<TimedOrder>, &Sender<NoticeRecord>) + Send + 'static,
    ) {
        let (orders, due) = bounded(1);
        let tell = self.tell.clone();
        std::thread::spawn(move || work(&due, &tell));
        self.all.push(NoticeChannel { kind, orders });
    }

    /// Adds a heartbeat. `starts`: it is told now that the run begins.
    pub(super) fn add_heartbeat(&mut self, remote: Remote, starts: bool) {
        self.starts += usize::from(starts);
        self.add(NoticeKind::Heartbeat, move |due, tell| {
            let address = remote.address();
            let ping = |event: NoticeEvent, deadline: Instant| {
                timed(NoticeKind::Heartbeat, event, || match &address {
                    Err(problem) => CallOutcome::not_sent(problem.clone()),
                    Ok(address) => match event {
                        NoticeEvent::Start => remote.caller.get(&address.below("start"), deadline),
                        NoticeEvent::Failure => remote.caller.get(&address.below("fail"), deadline),
                        _ => remote.caller.get(address, deadline),
                    },
                })
            };
            if starts {
                let _ = tell.send(ping(NoticeEvent::Start, Instant::now() + START));
            }
            if let Ok(TimedOrder { order, deadline }) = due.recv() {
                let _ = tell.send(ping(order.event, deadline));
            }
        });
    }

    /// Adds a webhook.
    pub(super) fn add_webhook(&mut self, remote: Remote) {
        self.add(NoticeKind::Webhook, move |due, tell| {
            let address = remote.address();
            let Ok(TimedOrder { order, deadline }) = due.recv() else {
                return;
            };
            let _ = tell.send(timed(NoticeKind::Webhook, order.event, || match &address {
                Err(problem) => CallOutcome::not_sent(problem.clone()),
                Ok(address) => {
                    let content = CallContent {
                        json: order.bodies.first().map(Vec::as_slice),
                        headers: &[],
                    };
                    remote.caller.call(address, &content, deadline)
                }
            }));
        });
    }

    /// Adds a program.
    pub(super) fn add_command(&mut self, command: Vec<String>) {
        let is_over = self.is_over.clone();
        self.add(NoticeKind::Command, move |due, tell| {
            if let Ok(TimedOrder { order, deadline }) = due.recv() {
                let _ = tell.send(run(&command, &order, deadline, &is_over));
            }
        });
    }

    /// Adds a collector of OpenTelemetry, at the addresses of the bodies.
    #[cfg(feature = "otlp")]
    pub(super) fn add_collector(
        &mut self,
        caller: Caller,
        addresses: Vec<CallUrl>,
        headers: Result<Vec<(String, String)>, &'static str>,
    ) {
        self.add(NoticeKind::Otlp, move |due, tell| {
            let Ok(TimedOrder { order, deadline }) = due.recv() else {
                return;
            };
            let send = || {
                let headers = match &headers {
                    Ok(headers) => headers,
                    Err(problem) => return CallOutcome::not_sent(*problem),
                };
                let mut last = CallOutcome::not_sent("there is nothing to send");
                for (address, body) in addresses.iter().zip(&order.bodies) {
                    let content = CallContent {
                        json: Some(body),
                        headers,
                    };
                    last = caller.call(address, &content, deadline);
                    if last.outcome != NoticeOutcome::Delivered {
                        break;
                    }
                }
                last
            };
            let _ = tell.send(timed(NoticeKind::Otlp, order.event, send));
        });
    }

    /// Tells the end to those for whom `order` has one, and waits until all have been told; at most for [`END`], and after a
    /// signal for [`AFTER_SIGNAL`].
    pub(super) fn end(
        self,
        order: impl Fn(NoticeKind) -> Option<Order>,
        interrupt: &Interrupt,
    ) -> Vec<NoticeRecord> {
        let Self {
            all,
            told,
            tell,
            running,
            is_over: _,
            starts,
        } = self;
        drop(tell);
        let begun = Instant::now();
        let deadline = begun + END;
        let mut pending: Vec<(NoticeKind, NoticeEvent)> =
            vec![(NoticeKind::Heartbeat, NoticeEvent::Start); starts];
        for NoticeChannel { kind, orders } in all {
            // Dropped with its sender, a thread that has nothing to tell ends.
            if let Some(order) = order(kind) {
                pending.push((kind, order.event));
                let _ = orders.send(TimedOrder { order, deadline });
            }
        }
        let mut records = Vec::new();
        let mut limit = deadline;
        let (mut patience, mut is_told_to_end) = (interrupt.without_grace(), false);
        while !pending.is_empty() {
            match patience.recv(&told, Some(limit)) {
                Ok(record) => {
                    pending.retain(|it| *it != (record.kind, record.event));
                    records.push(record);
                }
                Err(WaitEnd::Stop) if !is_told_to_end => {
                    (patience, is_told_to_end) = (interrupt.for_tidying_up(), true);
                    limit = limit.min(Instant::now() + AFTER_SIGNAL);
                }
                Err(_) => break,
            }
        }
        drop(running);
        // A program is killed by its thread.
        let is_command = |(kind, _): &(NoticeKind, NoticeEvent)| *kind == NoticeKind::Command;
        if pending.iter().any(is_command)
            && let Ok(record) = told.recv_timeout(KILLED)
        {
            pending.retain(|it| *it != (record.kind, record.event));
            records.push(record);
        }
        let given_up = pending.into_iter().map(|(kind, event)| {
            let milliseconds = milliseconds_since(begun);
            record(kind, event, CallOutcome::timed_out(), milliseconds)
        });
        records.extend(given_up);
        records.sort_by_key(|record| (record.kind, record.event != NoticeEvent::Start));
        records
    }
}

/// The record of what `call` does.
fn timed(kind: NoticeKind, event: NoticeEvent, call: impl FnOnce() -> CallOutcome) -> NoticeRecord {
    let begun = Instant::now();
    let called = call();
    record(kind, event, called, milliseconds_since(begun))
}

fn milliseconds_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn record(
    kind: NoticeKind,
    event: NoticeEvent,
    called: CallOutcome,
    milliseconds: u64,
) -> NoticeRecord {
    NoticeRecord {
        kind,
        event,
        outcome: called.outcome,
        status: called.status.map(i32::from),
        milliseconds,
        problem: called.problem,
    }
}

/// Runs the program, without a shell, with the report as its last argument.
fn run(
    command: &[String],
    order: &Order,
    deadline: Instant,
    is_over: &Receiver<Infallible>,
) -> NoticeRecord {
    let begun = Instant::now();
    let done = |outcome, status, problem: Option<String>| NoticeRecord {
        kind: NoticeKind::Command,
        event: order.event,
        outcome,
        status,
        milliseconds: milliseconds_since(begun),
        problem,
    };
    let Some(report) = &order.report else {
        let problem = "the report could not be written".to_owned();
        return done(NoticeOutcome::NotSent, None, Some(problem));
    };
    let program = command.first().cloned().unwrap_or_default();
    let started = Command::new(&program)
        .args(&command[command.len().min(1)..])
        .arg(report)
        .env("KLAVIYO_EXPORT_NOTICE", order.event.word())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            let problem = format!("{program} cannot be run: {error}");
            return done(NoticeOutcome::Failed, None, Some(problem));
        }
    };
    match wait(&mut child, deadline, is_over) {
        Some(status) if status.success() => done(NoticeOutcome::Delivered, Some(0), None),
        Some(status) => {
            let problem = format!("{program} ended with {status}");
            done(NoticeOutcome::Failed, status.code(), Some(problem))
        }
        None => {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            let problem = format!("{program} did not end in time, and was killed");
            done(NoticeOutcome::TimedOut, None, Some(problem))
        }
    }
}

/// The exit status, if the program ends in time.
fn wait(
    child: &mut Child,
    deadline: Instant,
    is_over: &Receiver<Infallible>,
) -> Option<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().ok()? {
            return Some(status);
        }
        let is_over = is_over.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected);
        if is_over || Instant::now() >= deadline {
            return None;
        }
    }
}
