//! How long it takes to bring an audience to Klaviyo by each way, and to its list: the link's speed and the documented
//! limits, and nothing else. What Klaviyo then does with it takes its own time, which nobody can tell.

use serde::Serialize;

use super::answers::PlanRoom;
pub use super::sample::{AudienceSample, Size, Total};
use crate::job::PartLimits;
use crate::job::file::{Attach, Deliver, Mirror};
use crate::klaviyo::{MAX_BODY_BYTES, MAX_CHANGES, MAX_JOB_PROFILES, MAX_VALUES, Operation, Rate};
use crate::run::history::median;
use crate::state::no_email::NoEmail;

/// Megabytes a second, before a run has told how fast the link is.
pub const ASSUMED_SPEED: f64 = 10.0;
/// Profiles an hour by calls for one profile each: 750 a minute (OpenAPI, `create_profile` and `update_profile`).
const ONE_BY_ONE_AN_HOUR: u64 = 45_000;
/// Members that a page of a list has at most (OpenAPI, `get_profiles_for_list`).
const PAGE: u64 = 100;
/// Of a job's body, what is around its profiles.
const AROUND: usize = 400;
/// An audience is small while its import jobs are handed over within the first minute: as many as its limit takes.
const SMALL_JOBS: u64 = Operation::BulkImportProfiles.rate().steady as u64;
/// The number of leavers by which the time of `tracked` is measured.
pub(super) const SOME_LEAVERS: u64 = 10_000;

/// How fast parts go to the server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Decimal.
    pub megabytes_per_second: f64,
    /// How many runs it is the median of; none: it is assumed.
    pub runs: usize,
}

/// The settings of a job that decide how long it takes.
#[derive(Debug, Clone, Copy)]
pub struct EstimatePlan {
    /// Which way profiles go.
    pub deliver: Deliver,
    /// Where a part ends.
    pub limits: PartLimits,
    /// How fast they go.
    pub speed: Speed,
    /// The plan for the list, if there is one.
    pub list: Option<ListPlan>,
}

/// The plan for the list.
#[derive(Debug, Clone, Copy)]
pub struct ListPlan {
    /// How profiles are put on it.
    pub attach: Attach,
    /// The rule by which members are removed from it.
    pub mirror: Mirror,
    /// How many are on it, where Klaviyo has told.
    pub members: Option<u64>,
    /// Removals beyond which nobody is removed: in percent, and in members.
    pub most_removals: (f64, u64),
}

/// An estimate, as `--json` prints it. Field names do not change.
#[derive(Debug, Serialize)]
pub struct Estimate {
    /// The job's name.
    pub job: String,
    /// Rows of the audience that were looked at.
    pub rows_read: u64,
    /// Whether these are all, so that `rows`, `bytes` and `parts` are exact.
    pub exact: bool,
    /// Rows that would be sent.
    pub rows: u64,
    /// Their bytes, as parts with their headers.
    pub bytes: u64,
    /// The parts.
    pub parts: u64,
    /// By CSV files.
    pub sftp: SftpTime,
    /// By import jobs with all attributes.
    pub import_jobs: ImportJobTime,
    /// By a call for each profile, for comparison.
    pub one_by_one: ProfileCallTime,
    /// Putting them on the list; null without one.
    pub attach: Option<AttachTime>,
    /// Taking others off it; null where nobody is.
    pub mirror: Option<MirrorTime>,
    /// Those of the audience who get no e-mail; null where Klaviyo was not asked, or did not tell.
    pub no_email: Option<NoEmail>,
    /// Whether the account's plan has room for the audience; null where that is not known.
    pub plan: Option<PlanRoom>,
    /// The way to use.
    pub advised: Deliver,
    /// The same in words, and what of the list takes longest.
    pub advice: String,
    /// Further notes for a person.
    pub notes: Vec<String>,
}

/// Delivery by CSV files.
#[derive(Debug, Serialize)]
pub struct SftpTime {
    /// How long it takes.
    pub seconds: f64,
    /// The speed.
    pub megabytes_per_second: f64,
    /// Of how many runs of this job it is the median; 0: it is assumed.
    pub measured_runs: usize,
}

/// Delivery, or attaching, by import jobs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ImportJobTime {
    /// How long it takes to hand them over.
    pub seconds: f64,
    /// How many.
    pub jobs: u64,
    /// Their profiles as JSON.
    pub bytes: u64,
}

/// A call for each profile.
#[derive(Debug, Serialize)]
pub struct ProfileCallTime {
    /// How long it would take.
    pub seconds: f64,
    /// The limit.
    pub profiles_per_hour: u64,
}

/// Putting profiles on a list.
#[derive(Debug, Serialize)]
pub struct AttachTime {
    /// How.
    pub attach: Attach,
    /// How long its calls take.
    pub seconds: f64,
    /// How many calls.
    pub calls: u64,
}

/// Taking profiles off a list.
#[derive(Debug, Serialize)]
pub struct MirrorTime {
    /// The members.
    pub mirror: Mirror,
    /// How long its calls take: of `exact` to read the list, of `tracked` for 10,000 who leave; the removals come on top.
    pub seconds: f64,
    /// How many are on the list; of `tracked` null.
    pub members: Option<u64>,
    /// Whether Klaviyo has told that, or it is taken to be as many as there are rows.
    pub members_known: bool,
    /// As many may be removed before `max-removals` stops it.
    pub removals: u64,
    /// How long removing them takes.
    pub removal_seconds: f64,
}

impl Estimate {
    /// The times of an audience of this size.
    pub fn new(job: &str, size: &Size, plan: &EstimatePlan, notes: Vec<String>) -> Self {
        let whole = import_jobs(size, size.profile_bytes, plan);
        let attach = plan.list.map(|list| attach(size, list.attach, plan));
        let mirror = plan
            .list
            .filter(|list| list.mirror != Mirror::Off)
            .map(|list| mirror(size, list));
        let advised = if whole.jobs <= SMALL_JOBS {
            Deliver::Api
        } else {
            Deliver::Sftp
        };
        let mut made = Self {
            job: job.to_owned(),
            rows_read: size.rows_read,
            exact: size.is_exact,
            rows: size.rows,
            bytes: size.bytes,
            parts: size.parts,
            sftp: SftpTime {
                seconds: plan.speed.seconds(size.bytes),
                megabytes_per_second: plan.speed.megabytes_per_second,
                measured_runs: plan.speed.runs,
            },
            import_jobs: whole,
            one_by_one: ProfileCallTime {
                seconds: size.rows as f64 * 3600.0 / ONE_BY_ONE_AN_HOUR as f64,
                profiles_per_hour: ONE_BY_ONE_AN_HOUR,
            },
            attach,
            mirror,
            no_email: None,
            plan: None,
            advised,
            advice: String::new(),
            notes,
        };
        made.advice = made.advice(plan);
        made
    }
}

impl Speed {
    /// A speed that was measured now, by no run.
    pub(crate) fn now(megabytes_per_second: f64) -> Self {
        Self {
            megabytes_per_second,
            runs: 0,
        }
    }

    /// The median of what runs have measured, or what is assumed before there are any.
    pub fn of_runs(measured: Vec<f64>) -> Self {
        let runs = measured.len();
        Self {
            megabytes_per_second: median(measured).unwrap_or(ASSUMED_SPEED),
            runs,
        }
    }

    fn seconds(self, bytes: u64) -> f64 {
        bytes as f64 / 1e6 / self.megabytes_per_second
    }
}

/// The least time in which the limits let so many calls through: whole minutes, and the rest at so many a second.
fn least(rate: Rate, calls: u64) -> f64 {
    let minutes = calls.saturating_sub(1) / u64::from(rate.steady);
    let rest = calls - minutes * u64::from(rate.steady);
    minutes as f64 * 60.0 + rest as f64 / f64::from(rate.burst)
}

/// Import jobs of profiles of `profile_bytes` each. A job is of one part, and full by profiles or by bytes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of rows and bytes, which are not negative"
)]
fn import_jobs(size: &Size, profile_bytes: f64, plan: &EstimatePlan) -> ImportJobTime {
    let fit = (MAX_BODY_BYTES - AROUND) as f64 / profile_bytes.max(1.0);
    let of_job = (fit as u64).clamp(1, MAX_JOB_PROFILES as u64);
    let row_bytes = (size.bytes / size.rows.max(1)).max(1);
    let of_part = (plan.limits.max_bytes / row_bytes).clamp(1, plan.limits.max_rows);
    let (full, rest) = (size.rows / of_part, size.rows % of_part);
    let jobs = full * of_part.div_ceil(of_job) + rest.div_ceil(of_job);
    let bytes = (size.rows as f64 * profile_bytes).round() as u64;
    let limit = least(Operation::BulkImportProfiles.rate(), jobs);
    ImportJobTime {
        seconds: limit.max(plan.speed.seconds(bytes)),
        jobs,
        bytes,
    }
}

fn attach(size: &Size, attach: Attach, plan: &EstimatePlan) -> AttachTime {
    let (seconds, calls) = match attach {
        // It goes along with the profiles.
        Attach::ImportJob if plan.deliver == Deliver::Api => (0.0, 0),
        Attach::Column => (0.0, 0),
        Attach::ImportJob => {
            let jobs = import_jobs(size, size.identifier_bytes, plan);
            (jobs.seconds, jobs.jobs)
        }
        Attach::Members => {
            let looks = size.rows.div_ceil(MAX_VALUES as u64);
            let adds = size.rows.div_ceil(MAX_CHANGES as u64);
            // Each has limits of its own, but a thousand are looked up before they are added.
            let look = least(Operation::GetProfiles.rate(), looks);
            let add = least(Operation::AddProfilesToList.rate(), adds);
            (look + add, looks + adds)
        }
    };
    AttachTime {
        attach,
        seconds,
        calls,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a number of members"
)]
fn mirror(size: &Size, list: ListPlan) -> MirrorTime {
    let is_exact = list.mirror == Mirror::Exact;
    let on_it = list.members.unwrap_or(size.rows);
    let (percent, most) = list.most_removals;
    let removals = ((on_it as f64 * percent / 100.0) as u64).min(most);
    let seconds = if is_exact {
        let pages = on_it.div_ceil(PAGE);
        least(Operation::GetProfilesForList.rate(), pages)
    } else {
        let looks = SOME_LEAVERS.div_ceil(MAX_VALUES as u64);
        least(Operation::GetProfiles.rate(), looks)
    };
    MirrorTime {
        mirror: list.mirror,
        seconds,
        members: is_exact.then_some(on_it),
        members_known: list.members.is_some(),
        removals,
        removal_seconds: least(
            Operation::RemoveProfilesFromList.rate(),
            removals.div_ceil(MAX_CHANGES as u64),
        ),
    }
}

#[cfg(test)]
#[expect(
    clippy::float_cmp,
    reason = "sums and quotients of few digits, which come out the same"
)]
mod tests {
    use super::*;
    use crate::run::drift::Measures;

    fn size(rows: u64, row_bytes: u64) -> Size {
        Size {
            measures: Measures::default(),
            rows_read: rows,
            is_exact: true,
            rows,
            emails: rows,
            bytes: rows * row_bytes,
            parts: 1,
            changed: None,
            profile_bytes: row_bytes as f64 * 3.0,
            identifier_bytes: 80.0,
        }
    }

    fn plan(deliver: Deliver, list: Option<ListPlan>) -> EstimatePlan {
        EstimatePlan {
            deliver,
            limits: PartLimits {
                max_bytes: 50_000_000,
                max_rows: 1_000_000,
            },
            speed: Speed::of_runs(Vec::new()),
            list,
        }
    }

    fn list(attach: Attach, mirror: Mirror, members: Option<u64>) -> ListPlan {
        ListPlan {
            attach,
            mirror,
            members,
            most_removals: (5.0, 10_000),
        }
    }

    fn estimate(rows: u64, plan: &EstimatePlan) -> Estimate {
        Estimate::new("vip", &size(rows, 100), plan, Vec::new())
    }

    #[test]
    fn calls_take_whole_minutes_and_the_rest_a_second_at_a_time() {
        let bulk = Operation::BulkImportProfiles.rate();
        let told = [0, 1, 10, 150, 151, 300, 301].map(|calls| least(bulk, calls));
        assert_eq!(told, [0.0, 0.1, 1.0, 15.0, 60.1, 75.0, 120.1]);
        assert_eq!(least(Operation::GetProfiles.rate(), 750), 10.0);
    }

    #[test]
    fn jobs_are_full_by_profiles_or_by_bytes_and_of_one_part() {
        let plan = plan(Deliver::Sftp, None);
        let jobs = |rows, profile: f64| import_jobs(&size(rows, 100), profile, &plan).jobs;
        assert_eq!(
            [0, 1, 10_000, 10_001].map(|rows| jobs(rows, 80.0)),
            [0, 1, 1, 2]
        );
        // 5 MB less what is around them.
        assert_eq!(jobs(10_000, 1_000.0), 3);
        // 50 MB are a part of 500,000 rows: 50 jobs, and one for the row in the next part.
        assert_eq!(jobs(500_001, 80.0), 51);
        let slow = import_jobs(&size(1_000_000, 100), 300.0, &plan);
        assert_eq!((slow.jobs, slow.bytes), (100, 300_000_000));
        assert_eq!(
            slow.seconds, 30.0,
            "the link is slower than the limit of 10 s"
        );
    }

    #[test]
    fn times_are_those_of_the_documented_limits() {
        let exact = list(Attach::Members, Mirror::Exact, Some(1_000_000));
        let told = estimate(250_000, &plan(Deliver::Sftp, Some(exact)));
        assert_eq!(told.sftp.seconds, 2.5);
        assert_eq!(told.one_by_one.seconds, 20_000.0);
        let attach = told.attach.unwrap();
        // 2,500 look-ups: three minutes and 250 at 75 a second; 250 additions: a minute and 100 at 10 a second.
        assert_eq!(attach.calls, 2_750);
        assert!((attach.seconds - (180.0 + 250.0 / 75.0 + 70.0)).abs() < 1e-9);
        let mirror = told.mirror.unwrap();
        // 10,000 pages: thirteen minutes and 250 pages.
        assert!((mirror.seconds - (780.0 + 250.0 / 75.0)).abs() < 1e-9);
        assert_eq!((mirror.removals, mirror.removal_seconds), (10_000, 1.0));
        assert!(mirror.members_known);
    }

    #[test]
    fn members_are_as_many_as_rows_until_klaviyo_tells() {
        let told = estimate(
            1_000,
            &plan(
                Deliver::Sftp,
                Some(list(Attach::Column, Mirror::Exact, None)),
            ),
        );
        let mirror = told.mirror.unwrap();
        assert_eq!((mirror.members, mirror.members_known), (Some(1_000), false));
        assert_eq!(mirror.removals, 50);
        assert_eq!(told.attach.unwrap().calls, 0);
        let told = estimate(
            1_000,
            &plan(
                Deliver::Api,
                Some(list(Attach::ImportJob, Mirror::Tracked, None)),
            ),
        );
        assert_eq!(told.attach.unwrap().calls, 0);
        assert_eq!(told.mirror.unwrap().members, None);
    }

    #[test]
    fn small_audiences_go_by_the_api_and_large_ones_by_sftp() {
        let plain = plan(Deliver::Sftp, None);
        let small = estimate(250_000, &plain);
        assert_eq!(small.advised, Deliver::Api);
        assert!(
            small.advice.contains("deliver = \"api\""),
            "{}",
            small.advice
        );
        let large = estimate(2_000_000, &plain);
        assert_eq!(large.advised, Deliver::Sftp);
        assert!(
            large.advice.contains("deliver = \"sftp\""),
            "{}",
            large.advice
        );
        let mirrored = list(Attach::ImportJob, Mirror::Exact, None);
        let told = estimate(2_000_000, &plan(Deliver::Sftp, Some(mirrored)));
        assert!(
            told.advice.contains("mirror = \"tracked\""),
            "{}",
            told.advice
        );
    }

    #[test]
    fn the_speed_is_the_median_of_what_runs_have_told() {
        let speed = |told: &[f64]| Speed::of_runs(told.to_vec());
        assert_eq!(speed(&[]).megabytes_per_second, ASSUMED_SPEED);
        assert_eq!(speed(&[]).runs, 0);
        assert_eq!(speed(&[30.0, 1.0, 20.0]).megabytes_per_second, 20.0);
        assert_eq!(speed(&[30.0, 10.0]).megabytes_per_second, 20.0);
    }
}
