//! Keys, scopes, headers, limits and faults, which all operations have in common.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use klaviyo_export_sandbox::api::{ApiFault, ApiFaults, ApiSettings, OLDEST_REVISION, REVISION};
use serde_json::json;

use super::{members, profile, quick, scene, wait_for};

#[test]
fn the_key_lies_in_a_file_that_is_its_owner_s() {
    let scene = scene(quick());
    let file = scene.api().key_file();
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text, format!("{}\n", scene.api().key()));
    assert!(text.starts_with("pk_") && text.len() == 38);
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(scene.api().base_url().starts_with("http://127.0.0.1:"));
}

#[test]
fn calls_without_what_they_need_are_refused() {
    let scene = scene(ApiSettings {
        scopes: ["lists:read", "profiles:read", "profiles:write"]
            .map(str::to_owned)
            .to_vec(),
        ..quick()
    });
    let call = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let body = (method == "POST").then(|| profile(&json!({"email": "a@x.example"})));
        scene.send(method, path, headers, body.as_ref()).unwrap()
    };
    for key in ["", "pk_wrong", "Klaviyo-API-Key pk_wrong", "Bearer x"] {
        call("GET", "/api/lists", &[("authorization", key)]).has(401);
    }
    for revision in ["", "today", "2026-13-01"] {
        let refused = call("GET", "/api/lists", &[("revision", revision)]).has(400);
        assert_eq!(refused.source(), "revision");
    }
    call("GET", "/api/accounts", &[]).has(403);
    call("POST", "/api/lists", &[]).has(403);
    call("POST", "/api/profile-bulk-import-jobs", &[]).has(403);
    call("GET", "/api/segments", &[]).has(404);
    call("DELETE", "/api/lists", &[]).has(405);
    for kind in ["", "text/csv", "multipart/form-data"] {
        call("POST", "/api/profiles", &[("content-type", kind)]).has(415);
    }
    call("POST", "/api/profiles", &[("content-encoding", "gzip")]).has(415);
    call(
        "POST",
        "/api/profiles",
        &[("content-type", "application/json; charset=utf-8")],
    )
    .has(201);
    let large = profile(&json!({"properties": {"x": "y".repeat(5_000_000)}}));
    scene.post("/api/profiles", &large).has(413);
    // A connection that had a large body goes on to serve.
    call("GET", "/api/lists", &[]).has(200);
    // Nothing personal is kept: no query, no body.
    let journal = format!("{:?}", scene.api().journal());
    assert!(!journal.contains("x.example"), "{journal}");
}

/// The header that keeps a call from being answered by another revision than it names.
const OPT_OUT: &str = "x-klaviyo-revision-fall-forward-opt-out";

#[test]
fn a_retired_revision_is_answered_by_a_newer_one_unless_the_call_opts_out() {
    let scene = scene(quick());
    for (revision, opt_out, status) in [
        (REVISION, "1", 200),
        (OLDEST_REVISION, "1", 200),
        ("2024-10-14", "1", 410),
        ("2024-10-14.pre", "1", 410),
        ("2024-10-14", "", 200),
        ("2024-10-14", "0", 200),
    ] {
        let headers = [("revision", revision), (OPT_OUT, opt_out)];
        let reply = scene.send("GET", "/api/lists", &headers, None).unwrap();
        assert_eq!(reply.status, status, "{revision} {opt_out}");
        if status == 410 {
            assert_eq!(reply.source(), "revision");
        } else {
            let hints = &reply.body["meta"]["agent_hints"];
            assert!(hints.is_array(), "{}", reply.body);
        }
    }
}

#[test]
fn limits_are_told_and_kept() {
    let scene = scene(ApiSettings::default());
    let first = scene.get("/api/profiles").has(200);
    let told = ["RateLimit-Limit", "RateLimit-Remaining"].map(|name| first.header(name));
    assert_eq!(told, [Some(750), Some(749)]);
    assert!((1..=60).contains(&first.header("RateLimit-Reset").unwrap()));
    assert_eq!(first.header("Retry-After"), None);
    // One call a second: two of them may be in different seconds.
    let refused = wait_for(|| {
        let reply = scene.get("/api/accounts");
        (reply.status == 429).then_some(reply)
    });
    assert!(refused.header("Retry-After").unwrap() >= 1);
    assert_eq!(refused.header("RateLimit-Limit"), None);
    // Other operations have windows of their own, and costly ones of the same path too.
    scene.get("/api/lists").has(200);
    let list = scene.api().add_list("a");
    let costly = format!("/api/lists/{list}?additional-fields%5Blist%5D=profile_count");
    wait_for(|| (scene.get(&costly).status == 429).then_some(()));
    scene.get(&format!("/api/lists/{list}")).has(200);
}

#[test]
fn a_minute_passes_as_fast_as_the_clock_says() {
    // A minute lasts 600 ms, a second 10 ms.
    let scene = scene(ApiSettings {
        speed: 100,
        ..quick()
    });
    let wait = wait_for(|| {
        let reply = scene.get("/api/accounts");
        reply.header("Retry-After").filter(|seconds| *seconds > 1)
    });
    assert!(wait <= 60, "{wait}");
    wait_for(|| (scene.get("/api/accounts").status == 200).then_some(()));
}

#[test]
fn a_day_has_150_new_lists() {
    let scene = scene(ApiSettings {
        speed: 1_000,
        ..quick()
    });
    let body = json!({"data": {"type": "list", "attributes": {"name": "a"}}});
    let wait = wait_for(|| {
        let reply = scene.post("/api/lists", &body);
        reply.header("Retry-After").filter(|seconds| *seconds > 60)
    });
    assert!(wait <= 86_400, "{wait}");
    assert_eq!(scene.api().lists().len(), 150);
}

#[test]
fn faults_strike_as_they_are_armed() {
    let faults = ApiFaults::none()
        .once(ApiFault::TooManyRequests {
            retry_after_seconds: 7,
        })
        .nth(ApiFault::ServerError, 1)
        .every(ApiFault::Unavailable, 2)
        .only("get_profiles");
    let scene = scene(ApiSettings { faults, ..quick() });
    let throttled = scene.get("/api/lists").has(429);
    assert_eq!(throttled.header("Retry-After"), Some(7));
    assert_eq!(throttled.header("RateLimit-Limit"), None);
    scene.get("/api/lists").has(500);
    for status in [200, 503, 200, 503] {
        scene.get("/api/profiles").has(status);
    }
    scene.get("/api/lists").has(200);
    let struck = scene
        .api()
        .journal()
        .iter()
        .filter(|call| call.fault.is_some())
        .count();
    assert_eq!(struck, 4);
}

#[test]
fn a_lost_reply_leaves_what_was_done() {
    let scene = scene(quick());
    let list = scene.api().add_list("a");
    let people = scene.people(&["a@x.example"]);
    let path = format!("/api/lists/{list}/relationships/profiles");
    let send = |method: &str| scene.send(method, &path, &[], Some(&members(&people)));
    scene
        .api()
        .set_faults(ApiFaults::none().once(ApiFault::Drop));
    assert!(send("POST").is_err());
    assert_eq!(scene.api().members(&list).len(), 0);
    scene
        .api()
        .set_faults(ApiFaults::none().once(ApiFault::LoseReply));
    assert!(send("POST").is_err());
    assert_eq!(scene.api().members(&list).len(), 1);
    let statuses: Vec<_> = scene
        .api()
        .journal()
        .iter()
        .rev()
        .take(2)
        .map(|it| it.status)
        .collect();
    assert_eq!(statuses, [None, None]);
    assert!(
        scene
            .api()
            .wait_for(Duration::from_secs(5), |calls| calls.len() == 3)
    );
    send("DELETE").unwrap().has(204);
}
