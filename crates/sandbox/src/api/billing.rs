//! The operation on `/api/billing-usage`: what the account has used of its plan (models of klaviyo-api-python 25.0.0).

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::account::Account;
use super::document::{Reply, Request};
use super::filter::{self, Operator};
use super::id::stamp;
use super::refusal::Refusal;

/// A usage type of a plan, and how much of it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanUsage {
    /// The usage type, such as `email_sends`. Klaviyo documents no list of them.
    pub id: String,
    /// The unit that is counted, such as `profiles` or `messages`.
    pub unit: String,
    /// How much is used.
    pub used: u64,
    /// How much there may be.
    pub max: u64,
}

impl PlanUsage {
    /// A usage type of a plan.
    pub fn new(id: &str, unit: &str, used: u64, max: u64) -> Self {
        Self {
            id: id.to_owned(),
            unit: unit.to_owned(),
            used,
            max,
        }
    }
}

/// The plan of an account that nobody has given another one: what it has used is counted.
fn own_plan(account: &Account) -> Vec<PlanUsage> {
    let profiles = account.profiles.iter();
    let active = profiles.filter(|profile| account.profile(&profile.id).is_some());
    let active = active.count().try_into().unwrap_or(u64::MAX);
    vec![
        PlanUsage::new("active_profiles", "profiles", active, 10_000_000),
        PlanUsage::new("email_sends", "messages", 0, 100_000_000),
    ]
}

/// `list_billing_usage`
pub(super) fn all(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let conditions = filter::parse(request.query.get("filter"), &[("id", &[Operator::Any])])?;
    let plan = account.plan.clone();
    let plan = plan.unwrap_or_else(|| own_plan(account));
    let asked = plan
        .iter()
        .filter(|usage| conditions.iter().all(|it| it.holds(&usage.id)));
    let rows = asked.map(|usage| resource(request, usage));
    Ok(request.many(rows.collect::<Result<_, _>>()?, None))
}

fn resource(request: &Request, usage: &PlanUsage) -> Result<Value, Refusal> {
    let now = Timestamp::now();
    let days = |days: i64| now.saturating_add((days * 24).hours()).unwrap_or(now);
    let attributes = json!({
        "usage_used": usage.used,
        "usage_max": usage.max,
        "unit": usage.unit,
        "period_start": stamp(days(-10)),
        "period_end": stamp(days(20)),
        "as_of": stamp(now),
    });
    Ok(json!({
        "type": "billing-usage",
        "id": usage.id,
        "attributes": request.sparse("billing-usage", attributes, &[])?,
        "links": request.links("billing-usage", &usage.id),
    }))
}
