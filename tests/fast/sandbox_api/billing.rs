//! The usage of the account and its plan.

use klaviyo_export_sandbox::api::{ApiSettings, PlanUsage};
use serde_json::json;

use super::{quick, scene};

#[test]
fn a_plan_is_what_is_counted_until_it_is_set() {
    let scene = scene(quick());
    scene.people(&["ann@x.example", "bob@x.example"]);
    let told = scene.get("/api/billing-usage").has(200);
    assert_eq!(told.ids(), ["active_profiles", "email_sends"]);
    let profiles = &told.body["data"][0]["attributes"];
    assert_eq!(profiles["usage_used"], 2);
    assert_eq!(profiles["unit"], "profiles");
    let usage = PlanUsage::new("active_profiles", "profiles", 7, 8);
    scene.api().set_plan(vec![usage]);
    let sparse = "/api/billing-usage?fields%5Bbilling-usage%5D=usage_used,usage_max";
    assert_eq!(
        scene.get(sparse).has(200).body["data"][0]["attributes"],
        json!({"usage_used": 7, "usage_max": 8})
    );
    let others = scene.filtered("/api/billing-usage", r#"any(id,["email_sends"])"#, "");
    assert!(others.has(200).ids().is_empty());
    scene.get("/api/billing-usage?page%5Bsize%5D=1").has(400);
}

#[test]
fn a_plan_needs_its_scope_and_has_its_limits() {
    let without = ApiSettings {
        scopes: vec!["profiles:read".to_owned()],
        ..quick()
    };
    let refused = scene(without).get("/api/billing-usage").has(403);
    let detail = refused.body["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("usage:read"), "{detail}");
    let scene = scene(ApiSettings {
        speed: 1,
        ..quick()
    });
    let older = [("revision", "2026-07-15")];
    let unknown = scene.send("GET", "/api/billing-usage", &older, None);
    unknown.unwrap().has(404);
    let told = scene.get("/api/billing-usage").has(200);
    assert_eq!(told.header("RateLimit-Limit"), Some(150));
}
