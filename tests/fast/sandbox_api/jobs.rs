//! Bulk import jobs.

use std::time::Duration;

use klaviyo_export_sandbox::api::ApiSettings;
use serde_json::{Value, json};

use super::api_client::Reply;
use super::{Scene, quick, scene, wait_for};

const JOBS: &str = "/api/profile-bulk-import-jobs";

fn job(profiles: &[Value], list: Option<&str>) -> Value {
    let profiles = profiles
        .iter()
        .map(|it| json!({"type": "profile", "attributes": it}));
    let mut body = json!({"data": {"type": "profile-bulk-import-job",
        "attributes": {"profiles": {"data": profiles.collect::<Vec<_>>()}}}});
    if let Some(list) = list {
        body["data"]["relationships"] = json!({"lists": {"data": [{"type": "list", "id": list}]}});
    }
    body
}

/// The job, complete.
fn completed(scene: &Scene, id: &str) -> Reply {
    wait_for(|| {
        let reply = scene.get(&format!("{JOBS}/{id}")).has(200);
        (reply.body["data"]["attributes"]["status"] == "complete").then_some(reply)
    })
}

#[test]
fn a_job_imports_after_its_time_and_adds_to_the_list() {
    let scene = scene(ApiSettings {
        job_delay: Duration::from_millis(300),
        ..quick()
    });
    let list = scene.api().add_list("a");
    scene.people(&["ann@x.example"]);
    let rows = [
        json!({"email": "ANN@x.example", "first_name": "Ann", "title": null}),
        json!({"external_id": "c-43", "properties": {"score": 1.5, "none": null}}),
        json!({"email": "carl@x.example", "phone_number": "12"}),
        json!({"email": "ann@x.example", "external_id": "c-43"}),
    ];
    let created = scene.post(JOBS, &job(&rows, Some(&list))).has(202);
    assert_eq!(created.body["data"]["attributes"]["status"], "queued");
    assert_eq!(scene.api().members(&list), []);
    let id = created.id();
    wait_for(|| {
        let reply = scene.get(&format!("{JOBS}/{id}?include=lists")).has(200);
        assert_eq!(reply.body["included"][0]["id"], Value::from(list.clone()));
        (reply.body["data"]["attributes"]["status"] != "queued").then_some(())
    });
    let done = completed(&scene, &id).body;
    let attributes = &done["data"]["attributes"];
    let counts = ["total_count", "completed_count", "failed_count"].map(|name| &attributes[name]);
    assert_eq!(counts, [4, 2, 2]);
    assert_eq!(scene.api().members(&list).len(), 2);
    let errors = scene.get(&format!("{JOBS}/{id}/import-errors")).has(200);
    let errors = errors.body["data"].as_array().unwrap().clone();
    let pointers: Vec<_> = errors
        .iter()
        .map(|it| &it["attributes"]["source"]["pointer"])
        .collect();
    let at = |n: usize| Value::from(format!("/data/attributes/profiles/data/{n}"));
    assert_eq!(pointers, [&at(2), &at(3)]);
    assert_eq!(
        errors[0]["attributes"]["original_payload"]["phone_number"],
        "12"
    );
    for below in ["lists", "relationships/lists"] {
        assert_eq!(
            scene.get(&format!("{JOBS}/{id}/{below}")).has(200).ids(),
            vec![list.clone()]
        );
    }
    for below in ["profiles", "relationships/profiles"] {
        let (ids, sizes) = scene.all_ids(&format!("{JOBS}/{id}/{below}?page%5Bsize%5D=1"));
        let profiles: Vec<_> = scene.api().profiles().into_iter().map(|it| it.id).collect();
        assert_eq!((ids, sizes), (profiles, vec![1, 1]));
    }
    scene
        .get(&format!("{JOBS}/01GSQPBF74KQ5YTDEPP41T1BZH"))
        .has(404);
}

#[test]
fn null_does_not_clear_in_a_job() {
    let scene = scene(quick());
    let all = json!({"email": "a@x.example", "title": "Dr", "properties": {"a": 1}});
    scene.post(JOBS, &job(&[all], None)).has(202);
    let nulls = json!({"email": "a@x.example", "title": null, "properties": {"a": null}});
    let id = scene.post(JOBS, &job(&[nulls], None)).has(202).id();
    completed(&scene, &id);
    let profiles = scene.api().profiles();
    assert_eq!(profiles[0].text("title"), Some("Dr"));
    assert_eq!(profiles[0].property("a"), Some(&json!(1)));
}

#[test]
fn one_bad_profile_refuses_the_whole_job() {
    let scene = scene(quick());
    let good = json!({"email": "a@x.example"});
    for (bad, end) in [
        (json!({"email": "a@x"}), "/1/attributes/email"),
        (
            json!({"email": "a@x", "external_id": "1"}),
            "/1/attributes/email",
        ),
        (json!({"phone_number": "12"}), "/1/attributes/phone_number"),
        (json!({"first_name": "A"}), "/1/attributes"),
        (
            json!({"external_id": "1", "relationships": {}}),
            "/1/attributes/relationships",
        ),
        (
            json!({"external_id": "1", "properties": {"x": "y".repeat(100_000)}}),
            "/1",
        ),
    ] {
        let refused = scene.post(JOBS, &job(&[good.clone(), bad], None)).has(400);
        assert_eq!(
            refused.source(),
            format!("/data/attributes/profiles/data{end}")
        );
    }
    let pointer = "/data/attributes/profiles/data";
    for rows in [vec![], vec![good.clone(); 10_001]] {
        assert_eq!(
            scene.post(JOBS, &job(&rows, None)).has(400).source(),
            pointer
        );
    }
    let refused = scene
        .post(JOBS, &job(std::slice::from_ref(&good), Some("nolist")))
        .has(400);
    assert_eq!(refused.source(), "/data/relationships/lists/data/0/id");
    // The relationships stand beside the attributes, not in them.
    let mut inside = job(std::slice::from_ref(&good), None);
    inside["data"]["attributes"]["lists"] = json!([]);
    assert_eq!(
        scene.post(JOBS, &inside).has(400).source(),
        "/data/attributes/lists"
    );
    assert_eq!(scene.get(JOBS).has(200).ids(), Vec::<String>::new());
    let id = scene
        .post(JOBS, &job(&vec![good; 10_000], None))
        .has(202)
        .id();
    assert_eq!(
        completed(&scene, &id).body["data"]["attributes"]["completed_count"],
        10_000
    );
    assert_eq!(scene.api().profiles().len(), 1);
}

#[test]
fn jobs_are_listed_and_filtered() {
    let scene = scene(quick());
    let good = [json!({"external_id": "1"})];
    let made: Vec<_> = (0..3)
        .map(|_| scene.post(JOBS, &job(&good, None)).has(202).id())
        .collect();
    let (ids, sizes) = scene.all_ids(&format!("{JOBS}?page%5Bsize%5D=2"));
    assert_eq!((ids, sizes), (made.clone(), vec![2, 1]));
    let sorted = scene.get(&format!("{JOBS}?sort=-created_at")).ids();
    assert!(sorted.iter().rev().eq(&made));
    let filter = r#"any(status,["queued","processing"])"#;
    assert_eq!(
        scene.filtered(JOBS, filter, "").has(200).ids(),
        Vec::<String>::new()
    );
    let filter = r#"equals(status,"complete")"#;
    assert_eq!(scene.filtered(JOBS, filter, "").has(200).ids(), made);
}
