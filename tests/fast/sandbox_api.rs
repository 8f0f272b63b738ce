//! The sandbox's Klaviyo API does what Klaviyo documents: tried with a real HTTP client, and held against Klaviyo's own
//! OpenAPI file where `KLAVIYO_OPENAPI` names it.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

mod billing;
mod imports;
mod jobs;
mod lists;
mod profiles;
mod rules;

use crate::support::api_client;
use std::time::{Duration, Instant};

use api_client::{Client, Reply};
use klaviyo_export_sandbox::api::{Api, ApiFaults, ApiSettings};
use klaviyo_export_sandbox::{Faults, Sandbox, SandboxSettings};
use serde_json::{Value, json};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);

/// A sandbox in a folder that goes when the test ends, and a client of its API.
struct Scene {
    sandbox: Sandbox,
    client: Client,
    _root: TempDir,
}

impl std::ops::Deref for Scene {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Limits that no test meets by accident, and no delays.
fn quick() -> ApiSettings {
    ApiSettings {
        speed: 10_000,
        job_delay: Duration::ZERO,
        import_delay: Duration::ZERO,
        ..ApiSettings::default()
    }
}

fn scene(api: ApiSettings) -> Scene {
    let root = tempfile::tempdir().unwrap();
    let settings = SandboxSettings {
        root: root.path().to_owned(),
        port: 0,
        username: "a1b2c3_d4e5f6".to_owned(),
        faults: Faults::none(),
        api,
    };
    let sandbox = Sandbox::start(settings).unwrap();
    Scene {
        client: Client::of(sandbox.api()),
        sandbox,
        _root: root,
    }
}

impl Scene {
    fn api(&self) -> &Api {
        self.sandbox.api()
    }

    /// Creates profiles with these addresses, and gives their ids.
    fn people(&self, emails: &[&str]) -> Vec<String> {
        let create = |email: &&str| {
            let body = profile(&json!({"email": email}));
            self.post("/api/profiles", &body).has(201).id()
        };
        emails.iter().map(create).collect()
    }

    fn put_on(&self, list: &str, ids: &[String]) -> Reply {
        let path = format!("/api/lists/{list}/relationships/profiles");
        self.post(&path, &members(ids))
    }
}

/// The body for one profile.
fn profile(attributes: &Value) -> Value {
    json!({"data": {"type": "profile", "attributes": attributes}})
}

/// The body for adding and removing.
fn members(ids: &[String]) -> Value {
    let ids = ids.iter().map(|id| json!({"type": "profile", "id": id}));
    json!({"data": ids.collect::<Vec<_>>()})
}

/// Tries until there is something, at most [`LIMIT`].
fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it did not come");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn the_account_is_the_key_s() {
    let scene = scene(quick());
    let accounts = scene.get("/api/accounts").has(200);
    let [id] = &accounts.ids()[..] else {
        panic!("one account")
    };
    let path = format!("/api/accounts/{id}");
    assert_eq!(scene.get(&path).has(200).id(), *id);
    scene.get("/api/accounts/AbC123").has(404);
}

#[test]
fn an_api_without_faults_has_none() {
    let scene = scene(quick());
    scene.api().set_faults(ApiFaults::none());
    scene.get("/api/lists/").has(200);
    let calls = scene.api().journal();
    assert_eq!((calls.len(), calls[0].status), (1, Some(200)));
    assert_eq!(calls[0].operation, Some("get_lists"));
}
