//! Messages of the program when Klaviyo, a person or the network is in the way.

use std::net::TcpListener;

use klaviyo_export_sandbox::api::{ApiFault, ApiFaults, ApiSettings, REVISION, SCOPES};

use super::stage::{FILE, JobText, Stage, people, quick};
use super::workspace::{LIMIT, Outcome};

const ALL_MAY_GO: &str = "max-removals = { percent = 100, members = 1000000 }";

fn prepared(lines: &str) -> Stage {
    let stage = Stage::new();
    stage.job(&JobText::list(lines).klaviyo("wait-for-import = \"10s\""));
    stage.audience(people(1..=3));
    stage
}

/// Runs while calls of `operation` fail; once there was one, does `meanwhile` and lets them succeed.
pub(super) fn meanwhile(stage: &Stage, operation: &str, meanwhile: impl FnOnce(&Stage)) -> Outcome {
    let fails = ApiFaults::none()
        .always(ApiFault::ServerError)
        .only(operation);
    stage.api().set_faults(fails);
    let child = stage.start(&["run", FILE, "--json"]);
    let came = stage.api().wait_for(LIMIT, |calls| {
        let last = calls.iter().rev().take(20);
        last.into_iter()
            .any(|call| call.operation == Some(operation) && call.fault.is_some())
    });
    assert!(came, "{operation}");
    meanwhile(stage);
    stage.api().set_faults(ApiFaults::none());
    Outcome::of(child)
}

fn nothing_was_sent(stage: &Stage) {
    assert!(!stage.server.events().contains("Opened"));
}

#[test]
fn a_wrong_key_ends_the_run_before_a_row_is_sent() {
    let stage = Stage::new();
    stage.workspace.write("key", "pk_0123456789abcdef\n");
    let path = stage.workspace.path("key");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    stage.job(&JobText {
        key: Some("api-key-file = \"key\"".to_owned()),
        ..JobText::default()
    });
    stage.audience(people(1..=3));
    let refused = stage.run().exits(16);
    assert_eq!(
        refused.error(),
        "Klaviyo does not accept the API key (status 401, not_authenticated)"
    );
    assert!(refused.hint().contains("make a private key in Klaviyo"));
    nothing_was_sent(&stage);
}

#[test]
fn a_missing_scope_is_named() {
    let cases = [
        ("accounts:read", "tell the account"),
        ("lists:read", "look up lists"),
        ("lists:write", "import profiles"),
        ("profiles:write", "import profiles"),
        ("profiles:read", "show import jobs"),
    ];
    for (missing, does) in cases {
        let scopes = SCOPES.iter().filter(|scope| **scope != missing);
        let stage = Stage::with(ApiSettings {
            scopes: scopes.map(|scope| (*scope).to_owned()).collect(),
            ..quick()
        });
        stage.api().add_list("VIP");
        stage.job(&JobText::list("").klaviyo("account-id = \"AbC123\""));
        if missing != "accounts:read" {
            stage.job(&JobText::list(""));
        }
        stage.audience(people(1..=3));
        let refused = stage.run().exits(16);
        assert_eq!(
            refused.error(),
            format!("the API key may not {does}: it lacks the scope {missing}")
        );
        assert!(refused.hint().contains("a key's scopes cannot be changed"));
    }
}

#[test]
fn a_list_that_somebody_removes_meanwhile_has_vanished() {
    let cases = [
        ("attach = \"import-job\"", "bulk_import_profiles"),
        ("attach = \"members\"", "add_profiles_to_list"),
    ];
    for (lines, operation) in cases {
        let stage = prepared(lines);
        let list = stage.vip();
        let outcome = meanwhile(&stage, operation, |stage| stage.api().remove_list(&list));
        assert_eq!(
            outcome.exits(16).error(),
            format!(
                "the list {list} is gone: somebody has removed it in Klaviyo since this run found it"
            )
        );
    }
    let stage = prepared(&format!("mirror = \"exact\"\n{ALL_MAY_GO}"));
    let list = stage.vip();
    stage.join_list(&list, &["old@example.com"]);
    for operation in ["remove_profiles_from_list", "get_profiles_for_list"] {
        let list = stage.vip();
        let outcome = meanwhile(&stage, operation, |stage| stage.api().remove_list(&list));
        assert!(outcome.exits(16).error().contains("is gone"), "{operation}");
        let list = stage.api().add_list("VIP");
        stage.join_list(&list, &["old2@example.com"]);
    }
    // There is a list of the name again: all of it is done for that one.
    stage.run().exits(0);
    stage.assert_members(people(1..=3));
}

#[test]
fn profiles_that_are_deleted_meanwhile_are_left_out() {
    let stage = prepared(&format!("mirror = \"exact\"\n{ALL_MAY_GO}"));
    let list = stage.vip();
    let ids = stage.join_list(&list, &["a@old.example", "b@old.example", "c@old.example"]);
    let outcome = meanwhile(&stage, "remove_profiles_from_list", |stage| {
        stage.api().delete_profile(&ids[1]);
    });
    let report = outcome.exits(0).report();
    assert_eq!(report["list"]["removed"], 2, "{report:#}");
    let run = stage.run_id();
    let mut removed = stage.ids_in(&run, "removed.csv");
    removed.sort();
    let mut expected = vec![ids[0].clone(), ids[2].clone()];
    expected.sort();
    assert_eq!(removed, expected);
    stage.assert_members(people(1..=3));
    stage.api().delete_profile(&ids[0]);
    let undone = stage.execute(&["undo", FILE, &run]).exits(0);
    assert_eq!(
        undone.stdout,
        format!(
            "vip: 1 member of run {run} added to the list again; 1 profile deleted in Klaviyo since\n"
        )
    );
    let mut expected = people(1..=3);
    expected.push("c@old.example".to_owned());
    stage.assert_members(expected);
}

#[test]
fn a_profile_that_is_deleted_before_it_is_added_is_left_out() {
    let stage = prepared("attach = \"members\"");
    let outcome = meanwhile(&stage, "add_profiles_to_list", |stage| {
        let profiles = stage.api().profiles();
        let second = profiles
            .iter()
            .find(|it| it.text("email") == Some("n2@example.com"));
        stage.api().delete_profile(&second.unwrap().id);
    });
    outcome.exits(0);
    stage.assert_members(["n1@example.com", "n3@example.com"]);
}

#[test]
fn the_list_has_to_be_clear() {
    let stage = prepared("");
    let ids = [stage.vip(), stage.api().add_list("VIP")];
    let refused = stage.run().exits(16);
    assert_eq!(
        refused.error(),
        format!(
            "several lists are named \"VIP\": {}, {}; write the id of one of them",
            ids[0], ids[1]
        )
    );
    assert!(refused.hint().contains("--list ID"));
    stage.job(&JobText {
        list: format!("id = \"{}\"", ids[1]),
        ..JobText::default()
    });
    stage.run().exits(0);
    assert_eq!(stage.emails(&ids[1]).len(), 3);
    for (lines, error) in [
        (
            "id = \"AAAAAA\"",
            "there is no list with the id AAAAAA".to_owned(),
        ),
        (
            "name = \"vip\"",
            "there is no list named \"vip\"; create = true would create it".to_owned(),
        ),
        (
            &format!("id = \"{}\"\nname = \"Other\"", ids[0]),
            format!(
                "the list {} is named \"VIP\", and the job says \"Other\"",
                ids[0]
            ),
        ),
    ] {
        stage.job(&JobText {
            list: lines.to_owned(),
            ..JobText::default()
        });
        assert_eq!(stage.run().exits(16).error(), error);
    }
}

#[test]
fn a_list_is_made_once_whatever_becomes_of_the_answer() {
    for fault in [ApiFault::LoseReply, ApiFault::Drop, ApiFault::Unavailable] {
        let stage = Stage::with(quick());
        stage.job(&JobText::list("create = true"));
        stage.audience(people(1..=3));
        let once = ApiFaults::none().times(fault, 2).only("create_list");
        stage.api().set_faults(once);
        let report = stage.run().exits(0).report();
        assert_eq!(report["list"]["created"], true, "{report:#}");
        stage.assert_members(people(1..=3));
        assert_eq!(stage.run().exits(0).report()["list"]["created"], false);
    }
}

#[test]
fn a_list_is_made_once_when_the_program_is_killed_after_it() {
    let stage = Stage::with(quick());
    stage.job(&JobText::list("create = true"));
    stage.audience(people(1..=3));
    let lost = ApiFaults::none()
        .always(ApiFault::LoseReply)
        .only("create_list");
    stage.api().set_faults(lost);
    let mut child = stage.start(&["run", FILE]);
    let made = |calls: &[klaviyo_export_sandbox::api::ApiCall]| {
        calls
            .iter()
            .any(|call| call.operation == Some("create_list"))
    };
    assert!(stage.api().wait_for(LIMIT, made));
    child.kill().unwrap();
    child.wait().unwrap();
    stage.run().exits(0);
    stage.assert_members(people(1..=3));
}

#[test]
fn a_key_of_another_account_is_refused() {
    let stage = prepared("");
    stage.job(&JobText::list("").klaviyo("account-id = \"AbC123\""));
    let refused = stage.run().exits(16);
    let error = refused.error();
    assert!(
        error.starts_with("the API key belongs to account "),
        "{error}"
    );
    assert!(
        error.ends_with(", and `klaviyo.account-id` says AbC123"),
        "{error}"
    );
    nothing_was_sent(&stage);
    let own = error.split(' ').nth(6).unwrap().trim_end_matches(',');
    stage.job(&JobText::list("").klaviyo(&format!("account-id = \"{own}\"")));
    stage.run().exits(0);
}

/// A port of this machine to which nobody may connect.
fn trap() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn pages_that_go_in_a_circle_are_not_read_for_ever() {
    let stage = prepared(&format!("mirror = \"exact\"\n{ALL_MAY_GO}"));
    let emails: Vec<String> = (0..250).map(|n| format!("o{n}@old.example")).collect();
    let emails: Vec<&str> = emails.iter().map(String::as_str).collect();
    stage.join_list(&stage.vip(), &emails);
    let circle = ApiFaults::none().always(ApiFault::CircularNext);
    stage.api().set_faults(circle);
    let refused = stage.run().exits(16);
    assert_eq!(
        refused.error(),
        "the answer to \"read the list\" names a page that was read already as the next one"
    );
    stage.api().set_faults(ApiFaults::none());
    stage.run().exits(0);
    stage.assert_members(people(1..=3));
}

#[test]
fn the_key_goes_to_no_other_host() {
    let (trap, port) = trap();
    let stage = prepared(&format!("mirror = \"exact\"\n{ALL_MAY_GO}"));
    let emails: Vec<String> = (0..150).map(|n| format!("o{n}@old.example")).collect();
    let emails: Vec<&str> = emails.iter().map(String::as_str).collect();
    stage.join_list(&stage.vip(), &emails);
    let next = ApiFaults::none().always(ApiFault::ForeignNext { port });
    stage.api().set_faults(next);
    let refused = stage.run().exits(16);
    assert_eq!(
        refused.error(),
        "the answer to \"read the list\" names another host for the next page; the API key is not sent there"
    );
    let redirect = ApiFaults::none().always(ApiFault::Redirect { port });
    stage.api().set_faults(redirect);
    let refused = stage.run().exits(16);
    assert_eq!(
        refused.error(),
        "Klaviyo refuses to look up lists: status 307"
    );
    assert!(trap.accept().is_err(), "somebody has connected");
    stage.api().set_faults(ApiFaults::none());
    stage.run().exits(0);
    stage.assert_members(people(1..=3));
}

#[test]
fn an_api_that_is_down_at_first_is_waited_for() {
    let stage = prepared("");
    stage.job(&JobText {
        give_up_after: "500ms",
        ..JobText::list("")
    });
    stage
        .api()
        .set_faults(ApiFaults::none().always(ApiFault::Drop));
    let child = stage.start(&["run", FILE, "--json"]);
    // The parts are sent all the same.
    let closed = stage.server.0.wait_for(LIMIT, |events| {
        events
            .iter()
            .any(|event| matches!(event, klaviyo_export_sandbox::Event::Closed { .. }))
    });
    assert!(closed);
    stage.api().set_faults(ApiFaults::none());
    let outcome = Outcome::of(child).exits(0);
    let warnings = outcome.report()["warnings"].to_string();
    assert!(
        warnings.contains("did not answer when the run began"),
        "{warnings}"
    );
    stage.assert_members(people(1..=3));
}

#[test]
fn an_api_that_stays_down_fails_the_run_and_the_next_one_goes_on() {
    let stage = prepared("");
    stage.job(&JobText {
        give_up_after: "300ms",
        ..JobText::list("")
    });
    stage
        .api()
        .set_faults(ApiFaults::none().always(ApiFault::Unavailable));
    let failed = stage.run().exits(16);
    assert!(
        failed.error().contains("no success after 300ms"),
        "{}",
        failed.error()
    );
    let next = failed.next().to_owned();
    assert_eq!(next, format!("klaviyo-export run {FILE} --json"));
    let sent = stage.server.received().len();
    stage.api().set_faults(ApiFaults::none());
    stage.execute_line(&next).exits(0);
    assert_eq!((stage.server.received().len(), sent), (1, 1));
    stage.assert_members(people(1..=3));
}

#[test]
fn a_retired_revision_is_named_with_the_key_that_says_it() {
    let stage = prepared("");
    stage.job(&JobText::list("").klaviyo("revision = \"2023-02-22\""));
    let refused = stage.run().exits(16);
    assert_eq!(
        refused.error(),
        "Klaviyo has retired revision 2023-02-22 of its API, which `klaviyo.revision` names (status 410)"
    );
    let way = format!("revision = \"{REVISION}\"");
    assert!(refused.hint().contains(&way), "{}", refused.hint());
    nothing_was_sent(&stage);
    let checked = stage.execute(&["check", FILE]).exits(16);
    assert!(checked.stdout.contains("2023-02-22"), "{}", checked.stdout);
    // As the hint says.
    stage.job(&JobText::list("").klaviyo(&way));
    stage.run().exits(0);
    stage.job(&JobText::list(""));
    stage.run().exits(0);
    stage.assert_members(people(1..=3));
}

#[test]
fn an_api_whose_name_has_no_address_ends_the_run_before_a_row_is_sent() {
    let stage = prepared("");
    stage.job(&JobText {
        give_up_after: "300ms",
        base_url: Some("https://a.klaviyo.example".to_owned()),
        ..JobText::list("")
    });
    let refused = stage.run().exits(16);
    assert!(
        refused
            .error()
            .starts_with("a.klaviyo.example has no address"),
        "{}",
        refused.error()
    );
    assert!(
        refused.hint().contains("getent hosts a.klaviyo.example"),
        "{}",
        refused.hint()
    );
    nothing_was_sent(&stage);
}

#[test]
fn an_api_that_is_down_is_told_after_the_first_try() {
    let stage = prepared("");
    stage
        .api()
        .set_faults(ApiFaults::none().always(ApiFault::Drop));
    let child = stage.start(&["run", FILE, "--json"]);
    // Long before the first look gives up.
    let twice = stage.api().wait_for(LIMIT, |calls| calls.len() >= 2);
    assert!(twice);
    stage.api().set_faults(ApiFaults::none());
    let outcome = Outcome::of(child).exits(0);
    let told = outcome.stderr.matches("at the latest").count();
    assert_eq!(told, 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("no answer"), "{}", outcome.stderr);
}
