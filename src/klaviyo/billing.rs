//! The account's plan: how many profiles it has room for, and how many there are.

use serde::Deserialize;

use super::request::{Page, Request, Resource};
use super::{Klaviyo, KlaviyoError, Operation};

/// The unit of a usage type that counts profiles.
const PROFILES: &str = "profiles";
/// A usage type that counts visitors of another product in the same unit (OpenAPI of 2026-07-15.pre, `list_billing_usage`).
const OF_ANOTHER_PRODUCT: &str = "customer_hub";

/// The profiles of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfilePlan {
    /// The API's word for what is counted.
    pub usage: String,
    /// How many there are.
    pub used: u64,
    /// How many there may be.
    pub max: u64,
}

impl ProfilePlan {
    /// How many more it has room for.
    pub fn left(&self) -> u64 {
        self.max.saturating_sub(self.used)
    }
}

/// A usage type (models of klaviyo-api-python 25.0.0, `BillingUsageResponseObjectResource`).
#[derive(Debug, Deserialize)]
struct UsageAttributes {
    usage_used: f64,
    #[serde(default)]
    usage_max: Option<u64>,
    unit: String,
}

impl Klaviyo {
    /// The plan's profiles; `None` where it says no number of them (`list_billing_usage`, since revision 2026-10-15).
    pub fn profile_plan(&self) -> Result<Option<ProfilePlan>, KlaviyoError> {
        let request = Request::new(Operation::ListBillingUsage, "/api/billing-usage", "")
            .with("fields[billing-usage]", "unit,usage_max,usage_used");
        let page: Page<Resource<UsageAttributes>> = self.read(&request)?;
        Ok(tightest(page.data))
    }
}

/// The usage type in profiles that has least room left: Klaviyo documents no ids, only units.
fn tightest(usages: Vec<Resource<UsageAttributes>>) -> Option<ProfilePlan> {
    let of_profiles = usages.into_iter().filter(|usage| {
        usage.attributes.unit == PROFILES && !usage.id.starts_with(OF_ANOTHER_PRODUCT)
    });
    let plans = of_profiles.filter_map(|usage| {
        let harmless = |c: &char| c.is_ascii_alphanumeric() || "_-".contains(*c);
        Some(ProfilePlan {
            usage: usage.id.chars().filter(harmless).take(60).collect(),
            used: whole(usage.attributes.usage_used),
            max: usage.attributes.usage_max?,
        })
    });
    plans.min_by_key(ProfilePlan::left)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of profiles, which is not negative"
)]
fn whole(number: f64) -> u64 {
    number.max(0.0).ceil() as u64
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn plan(usages: &[(&str, &str, Value, Value)]) -> Option<(String, u64, u64)> {
        let usages = usages.iter().map(|(id, unit, used, max)| {
            let attributes = json!({"usage_used": used, "usage_max": max, "unit": unit});
            json!({"type": "billing-usage", "id": id, "attributes": attributes, "new": 1})
        });
        let page = json!({"data": usages.collect::<Vec<_>>(), "meta": {}});
        let page: Page<Resource<UsageAttributes>> = serde_json::from_value(page).unwrap();
        tightest(page.data).map(|plan| (plan.usage, plan.used, plan.max))
    }

    #[test]
    fn the_profiles_with_least_room_are_the_plan() {
        let sends = ("email_sends", "messages", json!(7), json!(8));
        let hub = (
            "customer_hub_active_profiles",
            "profiles",
            json!(9),
            json!(9),
        );
        let active = ("active_profiles", "profiles", json!(400.25), json!(500));
        let others = ("other_profiles", "profiles", json!(600), json!(650));
        let without = ("no_max", "profiles", json!(1), Value::Null);
        let told = plan(&[sends.clone(), hub.clone(), active.clone(), without.clone()]);
        assert_eq!(told, Some(("active_profiles".to_owned(), 401, 500)));
        let told = plan(&[active, others]);
        assert_eq!(told, Some(("other_profiles".to_owned(), 600, 650)));
        assert_eq!(plan(&[sends, hub, without]), None);
        assert_eq!(plan(&[]), None);
        let over = ("a b\u{1b}[1m", "profiles", json!(600.0), json!(500));
        assert_eq!(plan(&[over]), Some(("ab1m".to_owned(), 600, 500)));
    }
}
