//! The operations on `/api/accounts`: the key belongs to exactly one account.

use serde_json::{Value, json};

use super::account::Account;
use super::document::{Reply, Request};
use super::refusal::Refusal;

/// The sandbox's account, of the form of Klaviyo's.
pub(super) const ACCOUNT_ID: &str = "SandBx";

/// `get_accounts`
#[expect(clippy::unnecessary_wraps, reason = "operations have one form")]
pub(super) fn all(_: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    Ok(request.many(vec![resource(request)], None))
}

/// `get_account`
pub(super) fn one(_: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    if request.id != ACCOUNT_ID {
        return Err(Refusal::not_found("account"));
    }
    Ok(request.one(200, resource(request), None))
}

/// The contract requires every attribute, so `fields[account]` leaves none out.
fn resource(request: &Request) -> Value {
    json!({
        "type": "account",
        "id": ACCOUNT_ID,
        "attributes": {
            "test_account": true,
            "contact_information": {
                "default_sender_name": "Sandbox",
                "default_sender_email": "sandbox@example.com",
                "website_url": null,
                "organization_name": "Sandbox",
                "street_address": {
                    "address1": null, "address2": null, "city": null,
                    "region": null, "country": "GB", "zip": null,
                },
            },
            "industry": null,
            "timezone": "Europe/London",
            "preferred_currency": "GBP",
            "public_api_key": ACCOUNT_ID,
            "locale": "en-GB",
        },
        "links": request.links("accounts", ACCOUNT_ID),
    })
}
